"""Starts coverage in every process that a test starts, and writes its figures down every half second, since workers
are killed by the tests and end without a chance to do so.
"""

import os
import threading


def _begin() -> None:
    import coverage

    measured = coverage.process_startup()
    if measured is None:
        return

    def keep_saving() -> None:
        pause = threading.Event()
        while not pause.wait(0.5):
            measured.save()

    threading.Thread(target=keep_saving, daemon=True, name="coverage").start()


if os.environ.get("COVERAGE_PROCESS_START"):
    _begin()
