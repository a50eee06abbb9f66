"""What an audit finds wrong: a name in the container, and why it is not proven."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, cast, get_args

FaultKind = Literal["damaged", "missing", "unread"]
"""`damaged`: bytes that are not what their place promises; `missing`: something that a link promises is not there;
`unread`: storage did not let it be read, so that nothing is known of it."""
LIMIT = 1000
"""Faults that one audit names; those beyond it are counted, and left to the next audit."""
BREAKS_SHOWN = 200
"""Tags that are named for one fault."""
BREAKS_BYTES = 4 * 1024 * 1024
"""Of all tags that are named in one report: each fault has as many of them."""
WHY_LIMIT = 1024
BLOBS_BYTES = 512
"""Of what one fault says, and of the blobs that it names. With these bounds `LIMIT` faults are less than what is
written, and read, at once."""
_ENTRY = 16
"""Bytes around each entry of a list in a report."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`path` is the name in the container that is wrong, or whose promise does not hold. `what` says it for a person:
    `team/app:1.2`, `team/app@sha256:…`, or a blob's digest. `blobs` are damaged blobs that a manifest needs, which
    are faults of their own. `breaks` are tags that cannot be pulled whole because of it. Of both there are `more` than
    are named; what is said of it is cut, too."""

    path: str
    kind: FaultKind
    what: str
    why: str
    blobs: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    breaks_more: int = 0
    job: str = ""
    mended: bool = False
    blobs_more: int = 0

    @classmethod
    def of(cls, path: str, kind: FaultKind, what: str, why: str, blobs: Sequence[str] = ()) -> Self:
        """Within the bounds of a report."""
        named = _fitting(blobs, BLOBS_BYTES)
        return cls(path, kind, what, cut(why), tuple(named), blobs_more=len(blobs) - len(named))

    def breaking(self, tags: Sequence[str], faults: int) -> Self:
        """With these tags, too, in an audit that has so many faults."""
        both = (*self.breaks, *tags)
        named = _fitting(both[:BREAKS_SHOWN], BREAKS_BYTES // max(1, faults))
        return replace(self, breaks=tuple(named), breaks_more=self.breaks_more + len(both) - len(named))

    def fields(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "kind": self.kind,
            "what": self.what,
            "why": self.why,
            "blobs": list(self.blobs),
            "blobs_more": self.blobs_more,
            "breaks": list(self.breaks),
            "breaks_more": self.breaks_more,
            "job": self.job,
            "mended": self.mended,
        }

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Self:
        """From what `fields` gave. Raises KeyError, ValueError or TypeError for anything else."""
        kind = fields["kind"]
        if kind not in get_args(FaultKind):
            raise ValueError("a fault is of no kind that is known")
        return cls(
            str(fields["path"]),
            cast(FaultKind, kind),
            str(fields["what"]),
            str(fields["why"]),
            tuple(str(it) for it in fields["blobs"]),
            tuple(str(it) for it in fields["breaks"]),
            int(fields["breaks_more"]),
            str(fields["job"]),
            bool(fields["mended"]),
            int(fields.get("blobs_more", 0)),
        )


def cut(why: str) -> str:
    """What is said of a fault, within `WHY_LIMIT` bytes as JSON has it."""
    if _size(why) <= WHY_LIMIT:
        return why
    kept = why[:WHY_LIMIT]
    while _size(kept) > WHY_LIMIT - _ENTRY:
        kept = kept[: len(kept) * 7 // 8]
    return f"{kept}…"


def _fitting(names: Sequence[str], limit: int) -> Sequence[str]:
    """The first of them, as many as `limit` bytes of a report have room for."""
    room = limit
    for number, name in enumerate(names):
        room -= _size(name) + _ENTRY
        if room < 0:
            return names[:number]
    return names


def _size(text: str) -> int:
    return len(json.dumps(text))
