"""The registries that may be restored into: those that settings name, and no others (rule T4)."""

import threading
from collections.abc import Callable, Sequence

from acrmirror.errors import Refused
from acrmirror.reference import shown
from acrmirror.registry import Session


class Targets:
    """`open_session` makes the session of a host; each is made once, at its first use. Thread-safe; close it when
    done."""

    def __init__(self, hosts: Sequence[str], open_session: Callable[[str], Session]) -> None:
        self._hosts = tuple(hosts)
        self._open = open_session
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def named(self, host: str | None) -> str:
        """The host itself, or the only one there is. Raises Refused."""
        if host is None and len(self._hosts) == 1:
            return self._hosts[0]
        if host is not None and host.lower() in self._hosts:
            return host.lower()
        known = ", ".join(self._hosts)
        raise Refused(
            f"restore into {shown(host)}" if host else "restore into a registry",
            f"settings name {known if known else 'no registry that may be restored into'}",
            "Name one of these." if known else "Name the registry in MIRROR_RESTORE_TARGETS, and give it the role.",
        )

    def session(self, host: str) -> Session:
        """The way to a host that settings name. Raises Refused for any other, also for one that was taken away since a
        restore was requested."""
        named = self.named(host)
        with self._lock:
            if named not in self._sessions:
                self._sessions[named] = self._open(named)
            return self._sessions[named]

    def close(self) -> None:
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()
