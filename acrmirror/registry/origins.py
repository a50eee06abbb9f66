"""Where a blob's bytes are, and where they are once that signature expires."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from acrmirror.errors import Denied, MirrorError, Transient


@dataclass(slots=True, eq=False)
class Origin:
    """A signed URL, or the registry itself with a token. Never part of a message."""

    host: str
    port: int
    target: str = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    again: bool = False
    """Whether it was requested because another one was refused."""
    served: bool = False


class Origins:
    """The origin of one blob, for all threads that read it: `locate` asks the registry for it once now, and once for
    all threads whenever it expires. Thread-safe. `closed` ends all waiting, after `wake`."""

    def __init__(self, asked: str, locate: Callable[[], Origin], closed: threading.Event) -> None:
        self._asked = asked
        self._locate = locate
        self._closed = closed
        self._changed = threading.Condition()
        self._renewing = False
        self._origin = locate()

    def current(self) -> Origin:
        with self._changed:
            return self._origin

    def renew(self, refused: Origin) -> MirrorError | None:
        """Replaces an origin that was refused, unless another thread has. Gives what failed and may be retried; raises
        Denied where a fresh signature was refused, and what is not worth another attempt."""
        with self._changed:
            while self._renewing and not self._closed.is_set():
                self._changed.wait()
            if self._closed.is_set() or self._origin is not refused:
                return None
            if refused.again and not refused.served:
                raise Denied(
                    f"{self._asked} at {refused.host}",
                    "it refused a signature that was fresh",
                    "If that storage has a firewall, let this network through.",
                )
            self._renewing = True
        fresh: Origin | None = None
        try:
            fresh = self._locate()
            fresh.again = True
            return None
        except Transient as error:
            return error
        finally:
            with self._changed:
                self._renewing = False
                self._origin = fresh or self._origin
                self._changed.notify_all()

    def wake(self) -> None:
        """Has those look at `closed` who wait for another thread's renewal."""
        with self._changed:
            self._changed.notify_all()
