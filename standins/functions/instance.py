"""One instance: its worker process, what it is running, and how both end, which no other module can tell apart.

On the platform an instance is a machine with a host and a worker. Here the hosts share a process:

- A worker that dies (killed by its pid, or by itself) fails its runs at once, and gets a successor; its host lives on.
  The third to die ends the host.
- A host that ends (a listener can't go on, its worker died too often, or it is told to) takes no more calls, waits for
  what is running for as long as the platform waits, and takes its worker with it. Another one follows.
- An instance that is lost (`lose`: kill −9 of the host) takes its worker with it at once, and settles nothing.
- An instance that is stalled (`stall`) is a machine that stands still, its host, too. A worker that somebody else stops
  by a signal is a worker alone: its host renews on, and asks it on.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import IO, Any

from standins.functions.calls import Calls, FunctionFailed, InstanceLost
from standins.functions.process import Launch, ending, environment_of, spawn, state
from standins.functions.runtime import AppFailed, WorkerFailed
from standins.functions.wire import Call, Channel, Message, Outcome

# RpcFunctionInvocationDispatcher.cs: a worker is started again at once, but for the third that dies within this time.
_DEATHS = 3
_DEATHS_WITHIN = 30 * 60.0
# The platform starts another host after a second or so, and later the more often it ends: so many times that.
_LONGEST_DELAY = 16
_LIVED_WELL = 60.0
# A worker that ends so often before it has told anything at all keeps the host from starting.
_STILLBORN = 3
_LONGEST_WAIT = 3600.0
_LOOK_AGAIN = 0.2  # how soon a stopped worker is looked at
RESTART_DELAY = 1.0
GRACE = 10.0
"""Seconds that a host which ends waits for its runs (WebHost's ShutdownTimeout)."""


class Instance:
    """A thread of its own starts its worker, hears its answers, and starts another one when it ends."""

    def __init__(
        self, number: int, launch: Launch, changed: Callable[[], None], serves: frozenset[str] | None = None
    ) -> None:
        self.number = number
        self.serves = serves  # the functions of its scale group; None is all
        self.starts = 0
        self._launch = launch
        self._changed = changed
        self._calls = Calls(number, launch.counts, launch.function_timeout, launch.log)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._told: Future[list[dict[str, Any]]] = Future()
        self._stopping = threading.Event()
        self._timed_out = self._stalled = self._ending = self._ended = False
        self._deaths: list[float] = []
        self._settling = 0
        self._settled = threading.Condition()
        self._thread = threading.Thread(target=self._live, name=f"instance {number}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace: float = 0.0) -> None:
        """Ends its host for good, and waits for its worker to be gone."""
        if grace and self._begin_end("it is told to stop"):
            self._end_host(grace)
        self._stopping.set()
        self.lose()
        self._thread.join(10)

    def lose(self) -> None:
        """Host and worker are gone at once: messages wait for their leases."""
        self._ended = True
        self._kill()

    def end(self, reason: str, grace: float = GRACE) -> None:
        """Begins the end of its host, whose runs may go on for so many seconds; another host follows."""
        if self._begin_end(reason):
            threading.Thread(target=self._end_host, args=(grace,), name=f"end {self.number}", daemon=True).start()

    def stall(self, stalled: bool) -> bool:
        """Whether there is a worker to stop, or to let go on."""
        self._stalled = stalled
        process = self._process
        with suppress(ProcessLookupError):
            if process is not None:
                process.send_signal(signal.SIGSTOP if stalled else signal.SIGCONT)
                return True
        return False

    def functions(self, timeout: float) -> list[dict[str, Any]]:
        """What its worker told; raises `AppFailed`, or `WorkerFailed` where it told nothing."""
        try:
            return self._told.result(timeout)
        except NotYet:
            raise WorkerFailed(f"The worker told no functions within {timeout:g} s.") from None

    @property
    def ready(self) -> bool:
        """Whether it takes calls."""
        return self._channel is not None and not self._ending

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None else None

    def frozen(self) -> bool:
        """Whether the instance is stalled."""
        pid = self.pid
        return self._stalled and pid is not None and state(pid) in ("T", "t")

    def submit(self, call: Call) -> Future[Outcome]:
        """The answer, or `FunctionFailed`, or `InstanceLost` if the host ends first; raises that where it has."""
        with self._lock:
            channel = self._channel
            if channel is None or self._ending:
                raise InstanceLost(f"instance {self.number} is not up")
            invocation, answer = self._calls.begin(call)
        message: Message = {
            "kind": "invoke",
            "id": invocation,
            "function": call.function,
            "parameter": call.parameter,
            "data": call.data,
            "metadata": dict(call.metadata),
        }
        try:
            channel.send(message)
        except OSError:
            self._calls.end(invocation, self._loss())
        return answer

    def running(self) -> list[Call]:
        return self._calls.now()

    @contextmanager
    def settling(self) -> Iterator[None]:
        """For as long as a message is on its way, from its run to its deletion: a host that ends waits for it."""
        with self._settled:
            self._settling += 1
        try:
            yield
        finally:
            with self._settled:
                self._settling -= 1
                self._settled.notify_all()

    def _begin_end(self, reason: str) -> bool:
        """Whether it has not begun before; from now on it takes no calls."""
        with self._lock:
            if self._ending or self._channel is None:
                return False
            self._ending = True
        self._launch.log(f"[host {self.number}] Host is shutting down: {reason}")
        self._changed()
        return True

    def _end_host(self, grace: float) -> None:
        deadline = time.monotonic() + grace
        with self._settled:
            while (self._settling or self._calls.now()) and time.monotonic() < deadline:
                self._settled.wait(min(_LOOK_AGAIN, max(0.0, deadline - time.monotonic())))
        self.lose()

    def _kill(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()

    def _loss(self) -> Exception:
        """What becomes of a run whose worker is gone."""
        if self._ended or self._stopping.is_set():
            return InstanceLost(f"instance {self.number} is gone")
        if self._timed_out:
            return FunctionFailed("Timeout value was exceeded: the worker process was killed")
        return FunctionFailed("Language Worker Process exited")

    def _live(self) -> None:
        stillborn, delay = 0, 0.0
        while not self._stopping.wait(delay):
            begun = time.monotonic()
            self._ending = self._ended = self._timed_out = False
            came_up = self._one_worker()
            if self._told.done() and self._told.exception() is not None:
                return  # the app can't be loaded at all, and the host ends
            stillborn = 0 if came_up else stillborn + 1
            if stillborn == _STILLBORN and not self._told.done():
                self._told.set_exception(WorkerFailed("The worker process ended before it told its functions."))
                return
            if self._ended or not came_up or self._dies_too_often():
                lived = time.monotonic() - begun
                first = self._launch.restart_delay
                delay = min(2 * delay, _LONGEST_DELAY * first) if delay and lived < _LIVED_WELL else first
            else:
                delay = 0.0

    def _dies_too_often(self) -> bool:
        if self._timed_out or self._stopping.is_set():
            return False
        now = time.monotonic()
        if self._deaths and now - self._deaths[-1] > _DEATHS_WITHIN:
            self._deaths.clear()
        self._deaths.append(now)
        if len(self._deaths) < _DEATHS:
            return False
        self._deaths.clear()
        self._launch.log(f"[host {self.number}] Exceeded language worker restart retry count: Host is shutting down")
        return True

    def _one_worker(self) -> bool:
        """From its start to its end; whether it came up."""
        host_side, worker_side = socket.socketpair()
        # Only the first worker of an instance was waiting for an app; its successors start with it.
        placeholder = self.starts == 0
        with worker_side:
            process = self._process = spawn(self._launch, worker_side.fileno(), placeholder=placeholder)
        channel = Channel(Connection(host_side.detach()))
        assert process.stdout is not None
        pump = threading.Thread(target=self._copy_log, args=(process.stdout,), name=f"log {self.number}", daemon=True)
        pump.start()
        self.starts += 1
        if self._stopping.is_set():
            process.kill()
        came_up = False
        try:
            if placeholder:
                channel.send({"kind": "specialize", "environment": environment_of(self._launch)})
            came_up = self._greet(channel)
            while came_up:
                self._hear(channel)
        except (EOFError, OSError):
            pass
        finally:
            self._bury(process, channel)
            pump.join(1)
        return came_up

    def _greet(self, channel: Channel) -> bool:
        message = channel.receive()
        if message["kind"] == "failed":
            self._launch.log(f"[worker {self.number}] {message['error']}")
            if not self._told.done():
                self._told.set_exception(AppFailed(message["error"]))
            return False
        with self._lock:
            self._channel = channel
        self._launch.log(
            f"[worker {self.number}] pid {self.pid}, Python {message['python']}, {message['runtime']} runtime, "
            f"{len(message['functions'])} functions"
        )
        if not self._told.done():
            self._told.set_result(message["functions"])
        self._changed()
        return True

    def _hear(self, channel: Channel) -> None:
        """One answer, or none within a while; and kills the worker of a function that ran too long."""
        # Nothing is overdue in an instance that is stalled: its host's clock would be, too.
        least = _LOOK_AGAIN if self.frozen() else 0.0
        if channel.poll(max(least, min(self._calls.nearest(), _LONGEST_WAIT))):
            message = channel.receive()
            if message["ok"]:
                self._calls.end(message["id"], Outcome(message["returned"], message["outputs"]))
            else:
                self._calls.end(message["id"], FunctionFailed(message["error"], message["stack"]))
            return
        if self.frozen():
            return
        late = self._calls.overdue()
        if late:
            self._timed_out = True
            names = ", ".join(late)
            self._launch.log(f"[worker {self.number}] {names} ran past functionTimeout: its worker process is killed")
            self._kill()

    def _bury(self, process: subprocess.Popen[bytes], channel: Channel) -> None:
        process.kill()
        code = process.wait()
        with self._lock:
            self._channel = None
        channel.close()
        if not self._stopping.is_set():
            running = len(self._calls.now())
            self._launch.log(f"[worker {self.number}] pid {process.pid} ended ({ending(code)}), {running} running")
        self._calls.end_all(self._loss())
        self._changed()

    def _copy_log(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self._launch.log(f"[worker {self.number}] {line.decode(errors='replace').rstrip()}")
