"""The child process that loads the app and runs its functions: `python -m standins.functions.worker --fd N --app DIR`.

It is all of the platform's Python worker that the app can see: its working directory, its import path, its pool of
threads, its logging. The host starts it and holds the other end of the socket pair; when that closes, it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from standins.functions.runtime import CHOICES, AppFailed, Runtime, choose
from standins.functions.wire import Channel, Message
from standins.process import set_death_signal


def main() -> None:
    if sys.platform == "linux":
        set_death_signal()  # a worker that is stopped by a signal would not notice that its socket closed
    parser = argparse.ArgumentParser(prog="python -m standins.functions.worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--app", type=Path, required=True)
    parser.add_argument("--runtime", choices=CHOICES, default="auto")
    parser.add_argument("--placeholder", action="store_true", help="waits for the app's environment")
    arguments = parser.parse_args()

    # The app's own child processes must not hold the socket open: its end is how the host learns that we are gone.
    os.set_inheritable(arguments.fd, False)
    channel = Channel(Connection(arguments.fd))
    if arguments.placeholder:
        _specialize(channel)
    level = logging.DEBUG if os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING") in ("1", "true") else logging.INFO
    # The platform's worker sets this level on the root logger.
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    sys.path.insert(0, str(arguments.app))
    try:
        runtime = choose(arguments.runtime)
        functions = runtime.load(arguments.app)
    except AppFailed as failed:
        channel.send({"kind": "failed", "error": str(failed)})
        sys.exit(1)
    # A placeholder's working directory is another one until the app has been imported.
    os.chdir(arguments.app)
    ready = {"kind": "ready", "functions": functions, "runtime": runtime.name, "python": platform.python_version()}
    asyncio.run(_serve(channel, runtime, ready))


def _specialize(channel: Channel) -> None:
    """Dispatcher, FunctionEnvironmentReloadRequest: an interpreter that has been waiting becomes that of an app."""
    try:
        environment = channel.receive()["environment"]
    except (EOFError, OSError):
        sys.exit(0)  # the host is gone
    os.environ.clear()
    os.environ.update(environment)


async def _serve(channel: Channel, runtime: Runtime, ready: Message) -> None:
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[Any]] = set()

    async def answer(message: Message) -> None:
        result = await runtime.invoke(message)
        try:
            channel.send({"kind": "result", "id": message["id"], **result})
        except TypeError as error:
            channel.send({"kind": "result", "id": message["id"], "ok": False, "error": str(error), "stack": ""})

    def begin(message: Message) -> None:
        task = loop.create_task(answer(message))
        running.add(task)
        task.add_done_callback(running.discard)

    def read() -> None:
        try:
            while True:
                loop.call_soon_threadsafe(begin, channel.receive())
        except (EOFError, OSError):
            # The host is gone. Nothing here may finish a job whose lease nobody holds any more.
            os._exit(0)

    threading.Thread(target=read, name="from host", daemon=True).start()
    channel.send(ready)
    await loop.create_future()


if __name__ == "__main__":
    main()
