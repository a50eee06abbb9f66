"""The door to telemetry: cheap to have, opened when something is first counted, never a reason for a job to fail."""

import atexit
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Self

from azure.core.credentials import TokenCredential

from acrmirror.settings import Settings
from acrmirror.telemetry.flushing import Flushing
from acrmirror.work import RecordFields

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider

    from acrmirror.telemetry.metrics import JobMetrics

CLOSE_SECONDS = 3.0
"""How long the end of the process may wait for the last metrics to be sent."""

_log = logging.getLogger(__name__)


class Telemetry:
    """Counts runs as they end, events, and what waits, if it has where to send that to. Thread-safe.

    OpenTelemetry and its exporter (0.3 s of CPU) are imported when the first of these happens, so that no cold start
    pays for them. Whatever goes wrong in here is logged and goes no further.

    With `flushes`, what a run was counted as is sent when it has ended, and not at the reader's next interval.
    """

    def __init__(self, make_provider: "Callable[[], MeterProvider] | None", *, flushes: bool = False) -> None:
        self._make_provider = make_provider
        self._flushes = flushes
        self._flushing: Flushing | None = None
        self._provider: MeterProvider | None = None
        self._metrics: JobMetrics | None = None
        self._lock = threading.Lock()

    @classmethod
    def open(cls, settings: Settings, credential: TokenCredential) -> Self:
        """Sends to the Application Insights of the settings, or nowhere. Nothing is imported or sent yet."""

        def make_provider() -> "MeterProvider":
            from acrmirror.telemetry import azure_monitor

            return azure_monitor.make_provider(settings, credential)

        return cls(make_provider if settings.telemetry else None, flushes=True)

    def run_ended(self, record: RecordFields) -> None:
        """See `JobMetrics.run_ended`."""
        self._count("a run", lambda metrics: metrics.run_ended(record))
        flushing = self._flushing
        if flushing is not None:
            flushing.ask()

    def event_taken(self, kind: str) -> None:
        """See `JobMetrics.event_taken`."""
        self._count("an event", lambda metrics: metrics.event_taken(kind))

    def waiting(self, queue: str, messages: int, age: float | None) -> None:
        """See `JobMetrics.waiting`."""
        self._count("what waits in a queue", lambda metrics: metrics.waiting(queue, messages, age))

    def event_refused(self, code: str) -> None:
        """See `JobMetrics.event_refused`."""
        self._count("a refused event", lambda metrics: metrics.event_refused(code))

    def compared(self, age: float) -> None:
        """See `JobMetrics.compared`."""
        self._count("the age of a comparison", lambda metrics: metrics.compared(age))

    def audited(self, age: float, left: int) -> None:
        """See `JobMetrics.audited`."""
        self._count("the age of an audit", lambda metrics: metrics.audited(age, left))

    def _count(self, what: str, count: "Callable[[JobMetrics], None]") -> None:
        try:
            metrics = self._opened()
            if metrics is not None:
                count(metrics)
        except Exception:  # noqa: BLE001 - whatever it is, the job has ended well
            _log.warning("Telemetry lacks %s", what, exc_info=True)

    def close(self) -> None:
        """Sends what was counted since, for as long as `CLOSE_SECONDS`."""
        with self._lock:
            provider, self._provider, self._metrics, self._make_provider = self._provider, None, None, None
            flushing, self._flushing = self._flushing, None
        if flushing is not None:
            flushing.close()
        if provider is None:
            return
        atexit.unregister(self.close)
        try:
            provider.shutdown(CLOSE_SECONDS * 1000)
        except Exception:  # noqa: BLE001 - the SDK raises no narrower one
            _log.warning("Telemetry lacks what came last", exc_info=True)

    def _opened(self) -> "JobMetrics | None":
        with self._lock:
            if self._metrics is None and self._make_provider is not None:
                # Should it fail, it would fail again: it is tried once.
                make_provider, self._make_provider = self._make_provider, None
                from acrmirror.telemetry.metrics import JobMetrics

                self._provider = make_provider()
                atexit.register(self.close)
                self._metrics = JobMetrics(self._provider.get_meter("acrmirror"))
                if self._flushes:
                    self._flushing = Flushing(partial(_flush, self._provider))
            return self._metrics


def _flush(provider: "MeterProvider") -> None:
    try:
        provider.force_flush()
    except Exception:  # noqa: BLE001 - the SDK raises no narrower one; the next interval sends it
        _log.warning("Telemetry could not be sent when a run had ended", exc_info=True)
