"""One instance: its worker process, what it is running, and the end of both."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import IO, Any

from standins.functions.process import Launch, ending, spawn, state
from standins.functions.runtime import AppFailed
from standins.functions.wire import Call, Channel, Message, Outcome

# WorkerConstants.cs and RpcFunctionInvocationDispatcher.cs restart a worker at once, and later the more it fails.
_FIRST_RESTART_DELAY = 0.0
_RESTART_DELAY = 1.0
_LONGEST_RESTART_DELAY = 30.0
# A worker that ends so often before it has told anything at all keeps the host from starting.
_STILLBORN = 3
_LONGEST_WAIT = 3600.0
_LOOK_AGAIN = 0.2  # how soon a stopped worker is looked at


class InstanceLost(RuntimeError):
    """The worker died, and with it its whole instance: nobody will answer, and nobody will clean up."""


class FunctionFailed(RuntimeError):
    """The function raised, its payload could not be decoded, or it ran past functionTimeout."""

    def __init__(self, message: str, stack: str = "") -> None:
        super().__init__(message)
        self.stack = stack


@dataclass(slots=True)
class _Running:
    call: Call
    answer: Future[Outcome]
    deadline: float = field(default=float("inf"))


class Instance:
    """A thread of its own starts its worker, hears its answers, and starts another one when it ends."""

    def __init__(
        self, number: int, launch: Launch, changed: Callable[[], None], serves: frozenset[str] | None = None
    ) -> None:
        self.number = number
        self.serves = serves  # the functions of its scale group; None is all
        self._launch = launch
        self._changed = changed
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._running: dict[str, _Running] = {}
        self._told: Future[list[dict[str, Any]]] = Future()
        self._stopping = threading.Event()
        self._timed_out = False
        self.starts = 0
        self._thread = threading.Thread(target=self._live, name=f"instance {number}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Kills the worker, whatever it is doing, and waits for it to be gone."""
        self._stopping.set()
        self.kill()
        self._thread.join(10)

    def kill(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()

    def functions(self, timeout: float) -> list[dict[str, Any]]:
        """What its worker told; raises `AppFailed`."""
        try:
            return self._told.result(timeout)
        except NotYet:
            raise AppFailed(f"The worker told no functions within {timeout:g} s.") from None

    @property
    def ready(self) -> bool:
        return self._channel is not None

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None else None

    def frozen(self) -> bool:
        """Whether its worker is stopped by a signal: then the whole instance counts as stopped."""
        pid = self.pid
        return pid is not None and state(pid) in ("T", "t")

    def submit(self, call: Call) -> Future[Outcome]:
        """The answer, or `FunctionFailed`, or `InstanceLost` if the worker ends first; raises that where it has."""
        invocation = str(uuid.uuid4())
        timeout = self._launch.function_timeout
        running = _Running(call, Future(), time.monotonic() + timeout if timeout is not None else float("inf"))
        message: Message = {
            "kind": "invoke",
            "id": invocation,
            "function": call.function,
            "parameter": call.parameter,
            "data": call.data,
            "metadata": dict(call.metadata),
        }
        with self._lock:
            channel = self._channel
            if channel is None:
                raise InstanceLost(f"instance {self.number} is not up")
            self._running[invocation] = running
        self._launch.counts.begin(call, self.number)
        try:
            channel.send(message)
        except OSError:
            self._end(invocation, InstanceLost(f"instance {self.number} is gone"))
        return running.answer

    def running(self) -> list[Call]:
        with self._lock:
            return [running.call for running in self._running.values()]

    def _live(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            came_up = self._one_worker()
            if self._told.done() and self._told.exception() is not None:
                return  # the app can't be loaded at all, and the host ends
            failures = 0 if came_up else failures + 1
            if failures == _STILLBORN and not self._told.done():
                self._told.set_exception(AppFailed("The worker process ended before it told its functions."))
                return
            delay = min(_RESTART_DELAY * 2**failures, _LONGEST_RESTART_DELAY) if failures else _FIRST_RESTART_DELAY
            self._stopping.wait(delay)

    def _one_worker(self) -> bool:
        """From its start to its end; whether it came up."""
        host_side, worker_side = socket.socketpair()
        with worker_side:
            process = self._process = spawn(self._launch, worker_side.fileno())
        channel = Channel(Connection(host_side.detach()))
        assert process.stdout is not None
        pump = threading.Thread(target=self._copy_log, args=(process.stdout,), name=f"log {self.number}", daemon=True)
        pump.start()
        self.starts += 1
        if self._stopping.is_set():
            process.kill()
        came_up = False
        try:
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
            self._timed_out = False
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
        with self._lock:
            nearest = min((running.deadline for running in self._running.values()), default=float("inf"))
        # A function that starts during this wait is due no earlier than a timeout from now.
        longest = self._launch.function_timeout or _LONGEST_WAIT
        # Nothing is overdue in an instance that is stopped: its host's clock would be, too.
        least = _LOOK_AGAIN if self.frozen() else 0.0
        if channel.poll(max(least, min(nearest - time.monotonic(), longest))):
            message = channel.receive()
            if message["ok"]:
                self._end(message["id"], Outcome(message["returned"], message["outputs"]))
            else:
                self._end(message["id"], FunctionFailed(message["error"], message["stack"]))
            return
        if self.frozen():
            return
        with self._lock:
            late = [running.call for running in self._running.values() if running.deadline <= time.monotonic()]
            self._timed_out = bool(late)
        if late and self._process is not None:
            names = ", ".join(sorted({call.function for call in late}))
            self._launch.log(f"[worker {self.number}] {names} ran past functionTimeout: its worker process is killed")
            self._process.kill()

    def _bury(self, process: subprocess.Popen[bytes], channel: Channel) -> None:
        process.kill()
        code = process.wait()
        with self._lock:
            self._channel = None
            orphans = list(self._running)
            timed_out = self._timed_out
        channel.close()
        if not self._stopping.is_set():
            self._launch.log(f"[worker {self.number}] pid {process.pid} ended ({ending(code)}), {len(orphans)} running")
        for invocation in orphans:
            # After a timeout the host is still there and fails what ran; else the whole instance is gone.
            error: Exception = (
                FunctionFailed("Timeout value was exceeded: the worker process was killed")
                if timed_out
                else InstanceLost(f"instance {self.number} is gone")
            )
            self._end(invocation, error)
        self._changed()

    def _end(self, invocation: str, result: Outcome | Exception) -> None:
        with self._lock:
            running = self._running.pop(invocation, None)
        if running is None:
            return
        if isinstance(result, Outcome):
            self._launch.counts.end(running.call, "succeeded")
            running.answer.set_result(result)
        else:
            self._launch.counts.end(running.call, "lost" if isinstance(result, InstanceLost) else "failed")
            if isinstance(result, FunctionFailed):
                self._launch.log(
                    f"[worker {self.number}] {running.call.function} failed: {result}\n{result.stack}".rstrip()
                )
            running.answer.set_exception(result)

    def _copy_log(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self._launch.log(f"[worker {self.number}] {line.decode(errors='replace').rstrip()}")
