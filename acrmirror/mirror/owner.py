"""Whose the container is: a small blob says which registry is mirrored under a prefix, so that two mirrors in one
container that see each other's repositories notice it."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from acrmirror.errors import MirrorError, Misconfigured
from acrmirror.mirror.layout import OWNERS
from acrmirror.moments import from_datetime
from acrmirror.reference import shown
from acrmirror.storage import Container

MARKER = "_owner"
"""No part of a prefix begins with `_`."""
LIMIT = 4096
_log = logging.getLogger(__name__)
_ASKED = "look whose mirror the container is"


class Owner:
    """`registry` is mirrored here under `prefix`; two apps of one registry may share a container, and a prefix."""

    def __init__(
        self,
        container: Container,
        registry: str,
        prefix: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._container = container
        self._registry = registry
        self._prefix = prefix.strip("/")
        self._clock = clock

    def check(self) -> None:
        """Writes the marker if there is none yet, as in a container of an earlier version. Raises Misconfigured where
        another registry is mirrored under this prefix, under a part of it, or under one that it begins; and what
        storage raises."""
        ours = _name(self._prefix)
        names = [it.name for it in self._container.list(f"{OWNERS}/", _ASKED)]
        if ours not in names:
            body = {"version": 1, "registry": self._registry, "since": from_datetime(self._clock())}
            # Whoever is first: what is there then is read, as any other is.
            self._container.swap(ours, json.dumps(body).encode(), None, "mark whose mirror the container is")
        for name in sorted({ours, *names}):
            prefix = name.removeprefix(f"{OWNERS}/").removesuffix(MARKER).strip("/")
            if name == _name(prefix) and _overlap(prefix, self._prefix):
                self._compare(name, prefix)

    def claim(self) -> None:
        """As `check`, for whoever goes on in any case: what is wrong is in the log, and in health."""
        try:
            self.check()
        except MirrorError as error:
            _log.error("%s", error)

    def _compare(self, name: str, prefix: str) -> None:
        found = self._container.get(name, LIMIT, _ASKED)
        if found is None:
            return
        registry = _registry(found.body or b"")
        if registry == self._registry:
            return
        told = f"{shown(registry)} is mirrored there" if registry else f"the blob {name} does not say which registry is"
        where = f"under the prefix {prefix}" if prefix else "without a prefix"
        raise Misconfigured(
            _ASKED,
            f"{told}, {where}: the two see each other's repositories, and write into them",
            "Give this app a container of its own (MIRROR_CONTAINER), or each a MIRROR_PREFIX that begins no other. "
            f"If the container is this app's, delete the blob {name}.",
        )


def _name(prefix: str) -> str:
    return f"{OWNERS}/{prefix}/{MARKER}" if prefix else f"{OWNERS}/{MARKER}"


def _overlap(one: str, other: str) -> bool:
    """Whether names under one prefix may be names under the other."""
    return not one or not other or f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _registry(raw: bytes) -> str:
    try:
        return str(json.loads(raw)["registry"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
