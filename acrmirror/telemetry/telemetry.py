"""The door to telemetry: cheap to have, opened when something is first counted, never a reason for a job to fail."""

import atexit
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from azure.core.credentials import TokenCredential

from acrmirror.settings import Settings
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
    """

    def __init__(self, make_provider: "Callable[[], MeterProvider] | None") -> None:
        self._make_provider = make_provider
        self._provider: MeterProvider | None = None
        self._metrics: JobMetrics | None = None
        self._lock = threading.Lock()

    @classmethod
    def open(cls, settings: Settings, credential: TokenCredential) -> Self:
        """Sends to the Application Insights of the settings, or nowhere. Nothing is imported or sent yet."""

        def make_provider() -> "MeterProvider":
            from acrmirror.telemetry import azure_monitor

            return azure_monitor.make_provider(settings, credential)

        return cls(make_provider if settings.telemetry else None)

    def run_ended(self, record: RecordFields) -> None:
        """See `JobMetrics.run_ended`."""
        self._count("a run", lambda metrics: metrics.run_ended(record))

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
            return self._metrics
