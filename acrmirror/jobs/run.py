"""One run of a job: its record, its progress, what it asked of the registry."""

import logging
import threading
import time
from datetime import UTC, datetime
from uuid import uuid4

from acrmirror.copying import Cancel, LayerProgress, Progress
from acrmirror.errors import MirrorError
from acrmirror.jobs import CheckRecorder, Holder, Recorder, facts_of_check
from acrmirror.jobs.recorder import RunRecords
from acrmirror.jobs.records import CANCELLED, error_fields
from acrmirror.jobs.reporting import Reporting
from acrmirror.moments import from_datetime
from acrmirror.reference import Digest, shown
from acrmirror.telemetry import Telemetry
from acrmirror.work import Copy, Job, LayerFigures, RecordFields, State

LAYERS_SHOWN = 150
"""Layers that a record lists one by one; a property of a table's entity has at most 32 Ki characters."""
LONGEST_RUN = 3600.0
"""Seconds for which a run may go on once its instance is scaled in."""
WARN_AFTER = 30.0
"""Seconds from a layer's first byte after which its rate says something."""

_log = logging.getLogger(__name__)


class RequestCounts:
    """What was asked of the registry, by kind and by the status of its answer. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[str, int]] = {}

    def count(self, kind: str, status: int) -> None:
        with self._lock:
            answers = self._counts.setdefault(kind, {})
            answers[str(status)] = answers.get(str(status), 0) + 1

    def fields(self) -> RecordFields:
        """As a record has them."""
        with self._lock:
            by_status = {kind: dict(answers) for kind, answers in self._counts.items()}
        by_kind = {kind: sum(answers.values()) for kind, answers in by_status.items()}
        return {"requests": sum(by_kind.values()), "requests_by_kind": by_kind, "requests_by_status": by_status}


def figures_of(progress: Progress) -> RecordFields:
    """How far a copy is, as its record has it."""
    layers = progress.snapshot()
    return {
        "bytes_total": sum(it.size for it in layers.values()),
        "bytes_done": sum(it.done for it in layers.values()),
        "bytes_read": progress.bytes_read,
        "bytes_written": progress.bytes_written,
        "layers_total": len(layers),
        "layers_done": sum(it.state in ("done", "skipped") for it in layers.values()),
        "layers_skipped": sum(it.state == "skipped" for it in layers.values()),
        "manifests": progress.manifests,
        "layers": {key: LayerFigures(it.size, it.done, it.state) for key, it in list(layers.items())[:LAYERS_SHOWN]},
    }


class Run:
    """One run of a job: its record, its progress, what it asked of the registry."""

    def __init__(self, records: RunRecords, job: Job, deliveries: int, telemetry: Telemetry) -> None:
        self.begun = datetime.now(UTC)
        self.progress = Progress()
        self.cancel = Cancel()
        self.requests = RequestCounts()
        self._job = job
        self._telemetry = telemetry
        self.over = False
        """Nothing more is to be done for it: a person has cancelled it, or another worker has it."""
        self.made_good: Digest | None = None
        """What the job was to mirror and had not, and is in the mirror after this check."""
        self._warned: dict[str, str] = {}
        self.holder = Holder.of(job, uuid4().hex, deliveries)
        run = self.holder.run
        if isinstance(job, Copy) and job.check:
            self.recorder: Recorder = CheckRecorder(records, job, run, deliveries)
        else:
            self.recorder = Recorder(records, job, run, deliveries)

    def begin(self) -> None:
        """Takes the record now. Without it that is left to the first write, which comes within a second."""
        try:
            self.recorder.begin()
        except MirrorError as error:
            _log.warning("The record of %s is behind: %s", self._job.id, error)

    def reporting(self) -> Reporting:
        return Reporting(self.recorder, self.figures, self.cancel.set)

    def figures(self) -> RecordFields:
        """How far it is, as the record has it. Bytes are those of layers and configs."""
        self._warn(self.progress.snapshot())
        return figures_of(self.progress) | self.requests.fields()

    def _warn(self, layers: dict[str, LayerProgress]) -> None:
        """Of a layer that takes longer than a run may last: what is read is lost when it is cut (rule W4)."""
        now = time.monotonic()
        for key, layer in layers.items():
            if key in self._warned or layer.state != "copying" or layer.first is None:
                continue
            elapsed = now - layer.first
            if elapsed >= WARN_AFTER and layer.size > layer.read / elapsed * LONGEST_RUN:
                text = (
                    f"layer {key} takes over {LONGEST_RUN / 60:.0f} minutes at this rate: if its run is cut, by a "
                    "scale-in or a deployment, it is read from its beginning again"
                )
                self._warned[key] = text
                _log.warning("%s: %s", self._job.reference, text)

    def notes(self) -> list[str]:
        """What is worth knowing of it, without warnings that did not come true."""
        layers = self.progress.snapshot()
        true = [text for key, text in self._warned.items() if not _came_in_time(layers[key])]
        return [*self.progress.notes, *true]

    def finish(self, fields: RecordFields) -> None:
        """Writes how the run ended. Once a person has asked to cancel the job, that is `cancelled`, whatever it came to
        (rule W3). The run is `over` then, as it is once it was superseded."""
        fields = fields | {"finished": from_datetime(datetime.now(UTC))}
        self.recorder.write(fields, if_cancelled=CANCELLED, told=self._told)
        self.over = self.recorder.superseded or self.recorder.cancel_requested
        if not self.recorder.superseded:
            self._count(fields | CANCELLED if self.recorder.cancel_requested else fields)

    @property
    def _again(self) -> bool:
        """Whether the push was done before this run: its event came twice. That asks the registry again, and makes no
        record worse (rule L11)."""
        return self._job.kind == "event" and self.recorder.was_done

    def _told(self, fields: RecordFields) -> RecordFields:
        """What the record is told of a run that came to `fields`."""
        if not self._again:
            return fields
        if fields.get("state") != "done":
            done: RecordFields = {"state": "done"}
            return done | facts_of_check(fields)
        return fields | facts_of_check(fields) if self._job.attempt else fields

    def _count(self, fields: RecordFields) -> None:
        """One that only asked about the tag again is no job that ended, and no push that arrived."""
        kind = "check" if self._job.check or self._again else self._job.kind
        self._telemetry.run_ended(self.figures() | {"kind": kind, "at": self._job.at} | fields)

    def wait(self, fields: RecordFields) -> None:
        """The job goes on by its next message, whether or not that can be written down."""
        try:
            self.finish(fields)
        except MirrorError as error:
            _log.warning("The record is behind: %s", error)
            self._count(fields)

    def end(self, state: State, error: MirrorError) -> None:
        self.finish(error_fields(error) | {"state": state})

    def crashed(self, error: Exception) -> None:
        """Leaves a trace of what nobody expected; the platform will deliver the message again."""
        fields: RecordFields = {
            "error_code": "unexpected",
            "error_answered": f"{type(error).__name__}: {shown(str(error), 500)}",
        }
        self._count(fields | {"state": "waiting"})
        try:
            self.recorder.write(fields)
        except MirrorError as unwritten:
            _log.warning("The record is behind: %s", unwritten)


def _came_in_time(layer: LayerProgress) -> bool:
    return layer.state in ("done", "skipped") and layer.took < LONGEST_RUN
