"""What host and worker say to each other, and how: JSON messages over a socket pair, bytes beside them.

JSON and not pickle, so that nothing that the app returns can make the host import or run the app's code.

A *typed value* is a dict of one key, after the TypedData message of the platform's own protocol
(azure-functions-language-worker-protobuf, FunctionRpc.proto): `string`, `bytes`, `json` (text), `int`, `double`,
`http`; or of none, for null.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

TypedValue = dict[str, Any]
Message = dict[str, Any]

_BYTES = "\0bytes"  # the key of what stands for bytes in JSON; no name in our messages has a NUL


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a function, as the host asks a worker for it."""

    function: str
    parameter: str
    data: TypedValue
    metadata: Mapping[str, TypedValue] = field(default_factory=dict)
    # What the run is about, for the host's own counts: a queue message's or an event's id.
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a function gave back: its `$return` value if it has one, and its other outputs by name."""

    returned: TypedValue | None
    outputs: Mapping[str, TypedValue]


class Channel:
    """Either end of the socket pair. Any thread may send; one thread receives."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: Message) -> None:
        """Raises OSError if the other side is gone."""
        blobs: list[bytes] = []

        def aside(value: object) -> dict[str, int]:
            if not isinstance(value, bytes | bytearray):
                raise TypeError(f"{type(value).__name__} is not a thing to send")
            blobs.append(bytes(value))
            return {_BYTES: len(blobs) - 1}

        text = json.dumps({"message": message}, default=aside)
        head = json.dumps({"blobs": len(blobs)}).encode()
        with self._sending:
            for part in (head, text.encode(), *blobs):
                self._connection.send_bytes(part)

    def receive(self) -> Message:
        """Blocks; raises EOFError or OSError if the other side is gone."""
        count = json.loads(self._connection.recv_bytes())["blobs"]
        text = self._connection.recv_bytes()
        blobs = [self._connection.recv_bytes() for _ in range(count)]
        decoded = json.loads(text, object_hook=lambda value: blobs[value[_BYTES]] if _BYTES in value else value)
        message: Message = decoded["message"]
        return message

    def poll(self, timeout: float) -> bool:
        """Whether there is something to receive (or the other side is gone), after at most that many seconds."""
        return self._connection.poll(timeout)

    def close(self) -> None:
        """Ends both directions, so that whoever is sending gets an OSError; and only then gives the descriptor back:
        its number goes to the next socket that is opened, and half a message must not go there.
        """
        with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)
        with self._sending:
            self._connection.close()
