"""Keeps a job's record up to date while its run lasts, and tells the run when it should stop."""

import logging
import threading
from collections.abc import Callable
from types import TracebackType

from acrmirror.errors import MirrorError
from acrmirror.jobs.recorder import Recorder
from acrmirror.threads import thread
from acrmirror.work import RecordFields

TICK_SECONDS = 1.0
HEARTBEAT_TICKS = 10

_log = logging.getLogger(__name__)


class Reporting:
    """While entered, writes `figures()` into the record at most once a second when they changed, and every ten
    seconds at least; calls `stop(reason)` once if the record says that the run should end: it looks every second.

    A record that can't be written is logged, whatever keeps it from being; it stops neither the copy nor what is
    written later.
    """

    def __init__(self, recorder: Recorder, figures: Callable[[], RecordFields], stop: Callable[[str], None]) -> None:
        self._recorder = recorder
        self._figures = figures
        self._stop = stop
        self._last: RecordFields = {}
        self._quiet = 0
        self._stopped = False
        self._over = threading.Event()
        self._thread = thread(self._report, "report")

    def __enter__(self) -> "Reporting":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _report(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            for step in (self._write, self._heed):
                try:
                    step()
                except MirrorError as error:
                    _log.warning("The record is behind: %s", error)
                except Exception:  # noqa: BLE001  # it is logged whole
                    # Whatever it is, the copy is worth more than its report, and the next tick may do.
                    _log.exception("The record is behind, and nobody expected why")

    def _write(self) -> None:
        self._quiet += 1
        if self._quiet >= HEARTBEAT_TICKS:
            # Even without figures: a record that is silent reads as one whose worker died.
            self._quiet = 0
            self._recorder.write({})
        figures = self._figures()
        if figures == self._last:
            self._recorder.look()
        else:
            self._recorder.write(figures)
            self._last, self._quiet = figures, 0

    def _heed(self) -> None:
        if not self._stopped and (self._recorder.superseded or self._recorder.cancel_requested):
            self._stopped = True
            self._stop(
                "another worker has taken the job over" if self._recorder.superseded else "a person asked to cancel it"
            )
