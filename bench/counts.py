"""What a server of the benchmark was asked, counted by kind, and told at `/_bench/counts`."""

import json
import threading
from collections import Counter

from bench.wire import Connection, Request


class Counts:
    """Counts by kind; `GET /_bench/counts` tells them and `DELETE /_bench/counts` sets them to zero."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: Counter[str] = Counter()

    def add(self, kind: str) -> None:
        with self._lock:
            self._kinds[kind] += 1

    def handle(self, connection: Connection, request: Request) -> None:
        with self._lock:
            told = dict(self._kinds)
            if request.method == "DELETE":
                self._kinds.clear()
        connection.answer(200, [("Content-Type", "application/json")], json.dumps(told).encode())
