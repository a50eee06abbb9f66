"""Connections that are kept between requests, for all jobs of a process."""

import ssl
import threading
import time

from acrmirror.deadlines import CONNECT_TIMEOUT
from acrmirror.wire import Connection

IDLE_LIMIT = 20.0
"""Seconds for which an unused connection is kept: less than storage keeps it."""
KEPT = 64
"""Unused connections kept at most for each host."""


class Connections:
    """At most `kept` to each host, each for one context of TLS. Thread-safe."""

    def __init__(self, context: ssl.SSLContext, kept: int = KEPT) -> None:
        self._context = context
        self._limit = kept
        self._guard = threading.Lock()
        self._kept: dict[tuple[str, int], list[Connection]] = {}
        self._closed = False

    def take(self, host: str, port: int, timeout: float = CONNECT_TIMEOUT) -> Connection:
        """A kept connection, the one used last first, or a new one, which has so many seconds to be made."""
        horizon = time.monotonic() - IDLE_LIMIT
        stale: list[Connection] = []
        found: Connection | None = None
        with self._guard:
            kept = self._kept.get((host, port), [])
            # They are in the order in which they were given back.
            fresh = next((at for at, it in enumerate(kept) if it.since >= horizon), len(kept))
            stale, kept[:] = kept[:fresh], kept[fresh:]
            while kept and found is None:
                last = kept.pop()
                if last.dropped:
                    stale.append(last)
                else:
                    found = last
        for connection in stale:
            connection.close()
        return found or Connection(host, port, self._context, timeout)

    def give(self, connection: Connection) -> None:
        """Takes back a connection, to be kept if its answer was read to its end."""
        connection.since = time.monotonic()
        connection.leave()
        with self._guard:
            kept = self._kept.setdefault(connection.address, [])
            keep = not self._closed and connection.idle and len(kept) < self._limit
            if keep:
                kept.append(connection)
        if not keep:
            connection.close()

    def close(self) -> None:
        with self._guard:
            self._closed = True
            kept = [connection for connections in self._kept.values() for connection in connections]
            self._kept.clear()
        for connection in kept:
            connection.close()
