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
    """While entered, reads the record, unless it was read before; then writes `figures()` into it at most once a second
    when they changed, and every ten seconds at least. Calls `stop(reason)` once if the record says that the run should
    end: it looks every second. A run of less than a second is not reported.

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
        self._opened = threading.Event()
        self._thread = thread(self._report, "report")

    def __enter__(self) -> "Reporting":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def wait_until_read(self) -> None:
        """Returns once the record was read, and `stop` called if it says so; or once it can't be."""
        self._opened.wait()

    def _report(self) -> None:
        try:
            self._attempt(self._recorder.open)
            self._attempt(self._heed)
        finally:
            self._opened.set()
        while not self._over.wait(TICK_SECONDS):
            self._attempt(self._write)
            self._attempt(self._heed)

    def _attempt(self, step: Callable[[], None]) -> None:
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
