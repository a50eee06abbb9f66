"""What an audit finds wrong: a name in the container, and why it is not proven."""

from dataclasses import dataclass
from typing import Any, Literal, Self, cast, get_args

FaultKind = Literal["damaged", "missing", "unread"]
"""`damaged`: bytes that are not what their place promises; `missing`: something that a link promises is not there;
`unread`: storage did not let it be read, so that nothing is known of it."""
LIMIT = 1000
"""Faults that one audit names; those beyond it are counted, and left to the next audit."""
BREAKS_SHOWN = 200
"""Tags that are named for one fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`path` is the name in the container that is wrong, or whose promise does not hold. `what` says it for a person:
    `team/app:1.2`, `team/app@sha256:…`, or a blob's digest. `blobs` are damaged blobs that a manifest needs, which
    are faults of their own. `breaks` are tags that cannot be pulled whole because of it, at most `BREAKS_SHOWN`."""

    path: str
    kind: FaultKind
    what: str
    why: str
    blobs: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    breaks_more: int = 0
    job: str = ""
    mended: bool = False

    def fields(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "kind": self.kind,
            "what": self.what,
            "why": self.why,
            "blobs": list(self.blobs),
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
        )
