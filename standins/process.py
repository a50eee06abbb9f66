"""Child processes that say when they are ready, and never outlive the one that started them.

The parent's side is `Service`; the child's side is `die_with_parent` and `wait_until_told_to_stop`.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import Any

_DEATH_SIGNAL = "STANDINS_DEATH_SIGNAL"
_PR_SET_PDEATHSIG = 1  # prctl(2)
_STDIN = 0


class ServiceFailed(RuntimeError):
    """A child that ended, or said nothing, before it was ready. Its message ends with the tail of the child's log."""


class Service:
    """One child in a session of its own, so that Ctrl-C at a terminal reaches the parent alone.

    The child's first line of output that is a JSON object is its ready line; everything that it prints goes to `log`.
    It ends on SIGTERM, or when its standard input closes, which the kernel does when the parent dies in any way.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        child_environment = dict(os.environ if environment is None else environment)
        # The kernel sends that signal when the *thread* that forked ends, so it is only requested by the main one.
        child_environment.pop(_DEATH_SIGNAL, None)
        if sys.platform == "linux" and threading.current_thread() is threading.main_thread():
            child_environment[_DEATH_SIGNAL] = str(os.getpid())
        self._told = False
        self._ready: Future[dict[str, Any]] = Future()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                list(arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=child_environment,
                start_new_session=True,
            )
        # A daemon only so that a parent that never came to `stop` can still end; `stop` joins it.
        self._pump = threading.Thread(target=self._copy_output, name=f"output of {name}", daemon=True)
        self._pump.start()

    @classmethod
    def module(
        cls, module: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> Service:
        """The module run by this very interpreter, found wherever this process is started from."""
        child_environment = dict(os.environ if environment is None else environment)
        home = str(Path(__file__).resolve().parent.parent)
        paths = [home, *filter(None, child_environment.get("PYTHONPATH", "").split(os.pathsep))]
        child_environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
        return cls(module, [sys.executable, "-m", module, *arguments], log, child_environment)

    @property
    def pid(self) -> int:
        return self._process.pid

    def returncode(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def ready(self, timeout: float = 60) -> dict[str, Any]:
        """Its ready line; raises `ServiceFailed` if it ends first, or says nothing for that many seconds."""
        try:
            return self._ready.result(timeout)
        except NotYet:
            raise ServiceFailed(self._complaint(f"was not ready after {timeout:g} s")) from None

    def check(self) -> None:
        """Raises `ServiceFailed` if it has ended by itself."""
        code = self._process.poll()
        if code is not None:
            raise ServiceFailed(self._complaint(f"ended with code {code}"))

    def terminate(self) -> None:
        """Asks it to end, once and without waiting."""
        # The signal first, and no second one: it would meet a child that is leaving, and kill it.
        if not self._told and self._process.poll() is None:
            self._told = True
            self._process.terminate()
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()

    def stop(self, grace: float = 5) -> int:
        """Ends it, by SIGKILL after `grace` seconds, and returns its exit code (negative: the signal)."""
        self.terminate()
        try:
            code = self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        # A grandchild that was left behind may hold the pipe open: it must not hold up the parent as well.
        self._pump.join(1)
        return code

    def tail(self) -> str:
        return tail_of(self.log)

    def _copy_output(self) -> None:
        output = self._process.stdout
        assert output is not None
        with output, self.log.open("ab", buffering=0) as log:
            for line in output:
                log.write(line)
                if not self._ready.done() and (message := _json_object(line)) is not None:
                    self._ready.set_result(message)
        if not self._ready.done():
            code = self._process.wait()
            self._ready.set_exception(ServiceFailed(self._complaint(f"ended with code {code} before it was ready")))

    def _complaint(self, what: str) -> str:
        return f"{self.name} {what}. The end of {self.log}:\n{self.tail() or '(nothing was logged)'}"


def tail_of(log: Path, lines: int = 40) -> str:
    """The last lines of a log file."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def stop_all(services: Sequence[Service], grace: float = 5) -> None:
    """Asks all of them to end at once, then waits for each."""
    for service in services:
        service.terminate()
    for service in services:
        service.stop(grace)


def die_with_parent() -> None:
    """Called first thing by a child that `Service` started: on Linux the kernel kills it when its parent dies."""
    parent = os.environ.pop(_DEATH_SIGNAL, None)
    if sys.platform != "linux" or parent is None:
        return
    set_death_signal()
    if os.getppid() != int(parent):  # it died before the line above
        os._exit(1)


def set_death_signal() -> None:
    """Linux: SIGKILL for the calling process as soon as the thread that forked it ends. Works through an exec."""
    assert _libc is not None
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def announce(message: Mapping[str, object]) -> None:
    """The child's ready line."""
    print(json.dumps(message), flush=True)


class StopRequest:
    """SIGTERM, SIGINT or SIGHUP from now on; with `watch_input` also that the parent closes its end of standard input.

    A hangup that was ignored before, as `nohup` has it, stays ignored. Ctrl-C counts also where a shell ignored it for
    what it started in the background. A terminal, /dev/null or a file as standard input means that nobody holds the
    other end: then only signals count. Made in the main thread.
    """

    def __init__(self, *, watch_input: bool = True) -> None:
        # A pipe, and not an event: to set one in a signal handler may wait for a lock that the handler interrupted.
        self._told, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell)
        for number in _ending_signals():
            signal.signal(number, lambda *_: None)
        self._watched = [self._told, *([_STDIN] if watch_input and _is_pipe(_STDIN) else [])]

    def wait(self, seconds: float | None = None) -> bool:
        """Blocks until it was told to stop, or until so many seconds have passed: then False."""
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            readable, _, _ = select.select(self._watched, [], [], left)
            if not readable:
                return False
            if self._told in readable or not os.read(_STDIN, 4096):
                return True


def end_by_signals() -> None:
    """From now on the signals of `StopRequest` end this process by an exception, so that what it started is stopped:
    `SystemExit` with 128 and the signal's number, for Ctrl-C `KeyboardInterrupt`. Called in the main thread."""

    def leave(number: int, _: object) -> None:
        sys.exit(128 + number)

    for number in _ending_signals():
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else leave)


def _ending_signals() -> list[signal.Signals]:
    survives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([] if survives else [signal.SIGHUP])]


def wait_until_told_to_stop(ready: Mapping[str, object] | None = None) -> None:
    """A child's main thread: prints `ready` as the ready line, once a signal would already end it well, and waits."""
    request = StopRequest()
    if ready is not None:
        announce(ready)
    request.wait()


def wait_for(condition: Callable[[], bool], timeout: float, every: float = 0.02) -> bool:
    """True once `condition()` is true; False if it still is not after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


def _is_pipe(descriptor: int) -> bool:
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _json_object(line: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


# Loaded once, before any fork: loading a library between fork and exec could deadlock.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
