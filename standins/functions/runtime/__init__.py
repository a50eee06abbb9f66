"""How a worker loads and runs an app: one face, two implementations that tell the same metadata.

`official` is the library that the platform's own worker runs on Python 3.13 and later; `converters` does the same on
older Pythons with what azure-functions itself has: its index of functions and its converters.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Protocol

from standins.functions.wire import Message

CHOICES = ("auto", "official", "converters")


class AppFailed(RuntimeError):
    """The app can't be loaded; the message says why, the traceback of its own code in it."""


class WorkerFailed(AppFailed):
    """The worker said nothing at all."""


class Runtime(Protocol):
    """What the worker process asks of either implementation."""

    name: str

    def load(self, directory: Path) -> list[dict[str, Any]]:
        """Imports the app's `function_app.py` and tells its functions; raises `AppFailed`.

        Each is {"name", "bindings": [as in function.json]}.
        """

    async def invoke(self, message: Message) -> Message:
        """Runs one function: the answer to an `invoke` message, which never raises for what the app does."""


def choose(name: str) -> Runtime:
    """`auto` is the official one where the platform itself uses it (Python ≥ 3.13)."""
    if name == "official" or (name == "auto" and sys.version_info >= (3, 13)):
        from standins.functions.runtime.official import OfficialRuntime

        return OfficialRuntime()
    from standins.functions.runtime.converters import ConverterRuntime

    return ConverterRuntime()
