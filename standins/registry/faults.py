"""Misbehaviour on demand: rules that match requests, and what is done to their answers."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from email.message import Message


@dataclass(frozen=True, slots=True)
class Effects:
    """What happens to one answer. The offsets count bytes of the answer's body.

    `status` answers this instead (with `retry_after`, in seconds or as given). `latency_ms` is waited before anything
    else. `bandwidth_mbps` is 10^6 bytes per second, for this connection. `truncate_at` and `reset_at` end the
    connection after so many bytes, the first by closing it, the second by a TCP reset (0: before the status line, and
    nothing is done). `lose_answer` does what was asked, and resets the connection instead of answering.
    `corrupt` turns over the bits of one byte (true: the first). `stall_at` waits there for `stall_ms`; `drip_ms` waits
    so long before every single byte.

    `redirect_to` replaces a blob redirect's Location; `serve_itself` answers a blob without a redirect; `expire` signs
    a URL that ended already, or says so at the data host; `signature_seconds` is the life of a signed URL.
    `not_found_for_s` hides a manifest for its first seconds, `stale_tag_for_s` answers a tag that moved with its digest
    before for so long. `behind_s` answers from a replica that is so many seconds behind: a tag is where it was then,
    and what was pushed since is 404. `page_size` caps a listing's page, `drop_link` keeps its Link back, so that it
    stops short, `omit` leaves out of a listing what matches this pattern, `also_list` adds this text to the names or
    digests of its first page. `headers` sets headers, or takes them away (null).
    """

    status: int | None = None
    retry_after: float | str | None = None
    latency_ms: float = 0
    bandwidth_mbps: float | None = None
    truncate_at: int | None = None
    reset_at: int | None = None
    lose_answer: bool = False
    corrupt: int | bool | None = None
    stall_at: int | None = None
    stall_ms: float = 0
    drip_ms: float = 0
    redirect_to: str | None = None
    serve_itself: bool = False
    expire: bool = False
    signature_seconds: float | None = None
    not_found_for_s: float = 0
    stale_tag_for_s: float = 0
    behind_s: float = 0
    page_size: int | None = None
    drop_link: bool = False
    omit: str | None = None
    also_list: str | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)


NO_EFFECTS = Effects()
_EFFECTS = {one.name for one in fields(Effects)}
_NUMBERS = {
    *("latency_ms", "bandwidth_mbps", "stall_ms", "drip_ms"),
    *("signature_seconds", "not_found_for_s", "stale_tag_for_s", "behind_s"),
}
_COUNTS = {"status", "truncate_at", "reset_at", "stall_at", "page_size"}
_SWITCHES = {"serve_itself", "expire", "drop_link", "lose_answer"}
_TEXTS = {"redirect_to", "omit", "also_list"}


def _check_effect(name: str, value: object) -> None:
    if name not in _EFFECTS:
        raise ValueError(f"no such effect: {name}")
    kinds: dict[str, tuple[type, ...]] = {
        **dict.fromkeys(_NUMBERS, (int, float)),
        **dict.fromkeys(_COUNTS, (int,)),
        **dict.fromkeys(_SWITCHES, (bool,)),
        **dict.fromkeys(_TEXTS, (str,)),
        "retry_after": (int, float, str),
        "corrupt": (int, bool),
        "headers": (dict,),
    }
    wanted = kinds[name]
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise ValueError(f"{name} can't be {value!r}")


@dataclass(slots=True)
class Rule:
    """`nth` matches only that one of the requests that fit (the first is 1), `every` each one whose number it divides,
    `after` skips so many, `count` ends after so many, `first_seconds` ends after so long; `path` and `header` are
    searched for in the decoded path with its query and in the lines of the request's headers."""

    do: dict[str, object]
    method: str | None = None
    kind: tuple[str, ...] = ()
    path: re.Pattern[str] | None = None
    header: re.Pattern[str] | None = None
    nth: int | None = None
    every: int = 1
    after: int = 0
    count: int | None = None
    first_seconds: float | None = None
    seen: int = 0
    made: float = field(default_factory=time.monotonic)

    @classmethod
    def parse(cls, value: object) -> Rule:
        """ValueError says which key or value is not one."""
        if not isinstance(value, dict) or set(value) - {"match", "do"}:
            raise ValueError("a rule is an object of match and do")
        match, do = value.get("match", {}), value.get("do", {})
        for name, effect in do.items():
            _check_effect(name, effect)
        known = {"method", "kind", "path", "header", "nth", "every", "after", "count", "first_seconds"}
        if unknown := set(match) - known:
            raise ValueError(f"nothing to match by: {', '.join(sorted(unknown))}")
        if not isinstance(match.get("every", 1), int) or match.get("every", 1) < 1:
            raise ValueError("every is a count from 1")
        kind = match.get("kind", ())
        return cls(
            do=do,
            method=match.get("method"),
            kind=(kind,) if isinstance(kind, str) else tuple(kind),
            path=re.compile(match["path"]) if "path" in match else None,
            header=re.compile(match["header"], re.IGNORECASE | re.MULTILINE) if "header" in match else None,
            nth=match.get("nth"),
            every=match.get("every", 1),
            after=match.get("after", 0),
            count=match.get("count"),
            first_seconds=match.get("first_seconds"),
        )

    def fits(self, method: str, kind: str, path: str, headers: Message) -> bool:
        if self.method not in (None, method) or (self.kind and kind not in self.kind):
            return False
        if (self.path and not self.path.search(path)) or (self.header and not self.header.search(str(headers))):
            return False
        if self.first_seconds is not None and time.monotonic() - self.made > self.first_seconds:
            return False
        self.seen += 1
        if self.nth is not None:
            return self.seen == self.nth
        if self.seen % self.every:
            return False
        return self.seen > self.after and (self.count is None or self.seen <= self.after + self.count)


class Faults:
    """All rules in force. Rules that match the same request add up, later ones win where both say something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def set(self, rules: list[Rule]) -> None:
        with self._lock:
            self._rules = rules

    def listed(self) -> list[dict[str, object]]:
        with self._lock:
            return [{"do": rule.do, "seen": rule.seen} for rule in self._rules]

    def effects(self, method: str, kind: str, path: str, headers: Message) -> Effects:
        if not self._rules:
            return NO_EFFECTS
        with self._lock:
            found: dict[str, object] = {}
            for rule in self._rules:
                if rule.fits(method, kind, path, headers):
                    found.update(rule.do)
        return replace(NO_EFFECTS, **found) if found else NO_EFFECTS  # type: ignore[arg-type]
