"""What is counted, and which property of a record it comes from; docs/telemetry.md says what each metric is for.

No repository, tag or digest is an attribute: each new one would be another series to keep and to pay for, and whoever
wants to know of one image has its record.
"""

from opentelemetry.metrics import Meter

from acrmirror.moments import to_datetime
from acrmirror.work import RecordFields


class JobMetrics:
    """The instruments, made once for a meter. Thread-safe as these are."""

    def __init__(self, meter: Meter) -> None:
        self._age = meter.create_histogram(
            "acrmirror.comparison.age", "s", "Since everything was compared with the registry"
        )
        self._audit_age = meter.create_histogram("acrmirror.audit.age", "s", "Since the mirror was audited")
        self._audit_left = meter.create_histogram(
            "acrmirror.audit.left", "{fault}", "Faults that the last audit did not mend"
        )
        self._lag = meter.create_histogram("acrmirror.push.lag", "s", "From a push until its image is in the mirror")
        self._jobs = meter.create_counter("acrmirror.jobs", "{job}", "Jobs that came to an end")
        self._lost = meter.create_counter("acrmirror.push.lost", "{push}", "Pushes that ended without their digest")
        self._events = meter.create_counter("acrmirror.events", "{event}", "Events whose job is in the queue")
        self._messages = meter.create_histogram("acrmirror.queue.messages", "{message}", "Messages in a queue")
        self._waited = meter.create_histogram("acrmirror.queue.age", "s", "Since the next message of a queue was sent")
        self._refused = meter.create_counter("acrmirror.events.refused", "{event}", "Events answered with an error")
        self._retries = meter.create_counter("acrmirror.retries", "{run}", "Runs that end in another attempt")
        self._bytes = meter.create_counter("acrmirror.copy.io", "By", "Bytes of blobs that crossed the network")
        self._layers = meter.create_counter("acrmirror.layers", "{layer}", "Layers and configs of images")
        self._requests = meter.create_counter("acrmirror.registry.requests", "{request}", "Answers of the registry")

    def event_taken(self, kind: str) -> None:
        """Counts one delivery of an event whose job of this kind is in the queue."""
        self._events.add(1, {"kind": kind})

    def waiting(self, queue: str, messages: int, age: float | None) -> None:
        """How many messages are in a queue, those under way and delayed included, and how many seconds ago the next one
        was sent; None where none can be had. Histograms, as for `compared`."""
        self._messages.record(messages, {"queue": queue})
        if age is not None:
            self._waited.record(max(0.0, age), {"queue": queue})

    def event_refused(self, code: str) -> None:
        """Counts one delivery of an event that was answered with an error; `code` says why."""
        self._refused.add(1, {"error.type": code})

    def compared(self, age: float) -> None:
        """How old the last complete comparison is, in seconds: told at each tick of the timer, and as one ends. A
        histogram, since only of these the exporter tells the highest value."""
        self._age.record(max(0.0, age))

    def audited(self, age: float, left: int) -> None:
        """How old the newest report of an audit is, in seconds, and how many faults it has that were not mended: told
        at each tick of the timer, and as an audit ends. Histograms, as for `compared`."""
        self._audit_age.record(max(0.0, age))
        self._audit_left.record(left)

    def run_ended(self, record: RecordFields) -> None:
        """Counts one run by what it wrote into its job's record: `kind`, `state` and whatever else there is of
        docs/records.md. A run whose state is `waiting` is a retry; any other has ended its job."""
        kind, state = record["kind"], record["state"]
        job = {"kind": kind} | ({"error.type": record["error_code"]} if record.get("error_code") else {})
        if state == "waiting":
            self._retries.add(1, job)
        else:
            self._jobs.add(1, job | {"outcome": state})
        if (kind, state) == ("event", "done"):
            # The registry's clock may be ahead of this one.
            lag = to_datetime(record["finished"]) - to_datetime(record["at"])
            self._lag.record(max(0.0, lag.total_seconds()))
        lost = record.get("missing") if state == "gone" else state in ("failed", "cancelled")
        if kind == "event" and lost and not record.get("mirrored_digest"):
            self._lost.add(1, {"error.type": record.get("error_code") or state})
        for direction, count in (("read", record.get("bytes_read")), ("written", record.get("bytes_written"))):
            if count:
                self._bytes.add(count, {"direction": direction})
        skipped = record.get("layers_skipped", 0)
        for outcome, count in (("copied", record.get("layers_done", 0) - skipped), ("skipped", skipped)):
            if count:
                self._layers.add(count, {"outcome": outcome})
        for asked, answers in record.get("requests_by_status", {}).items():
            for status, count in answers.items():
                self._requests.add(count, {"kind": asked, "status": status})
