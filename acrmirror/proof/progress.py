"""How far an audit is: one JSON document in the container, which each slice goes on from."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args

from acrmirror.errors import Malformed, MirrorError
from acrmirror.moments import Moment, nine_digits
from acrmirror.proof.faults import LIMIT, Fault, FaultKind
from acrmirror.work import JobId

AuditState = Literal["queued", "running", "waiting", "done", "failed", "cancelled"]
Phase = Literal["blobs", "links", "looking", "asking", "mending", "verifying", "naming", "reporting", "over"]
"""In this order. `looking`: what was wrong is looked at once more; `asking`: pulls are requested of what stays wrong;
`mending`: these run; `verifying`: what was wrong is looked at again; `naming`: the tags that are broken are found."""
PHASES: tuple[Phase, ...] = get_args(Phase)
COUNTS = ("blobs", "links", "manifests", "tags", "other", "passed")
"""What was checked; `other` are names that the mirror does not write, `passed` what was wrong only at first."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`asked` is when the audit was requested, `begun` when its first slice began. `marker` and `after` say where a
    listing goes on: storage's marker of a page, and the last name of it that was checked. `place` counts the faults or
    repositories that a later phase has dealt with. `slices` counts runs that ended, `size` is bytes that were hashed.
    `run` names the run that wrote this last."""

    id: JobId
    asked: Moment
    state: AuditState = "queued"
    phase: Phase = "blobs"
    begun: str = ""
    updated: str = ""
    finished: str = ""
    marker: str = ""
    after: str = ""
    place: int = 0
    slices: int = 0
    size: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    faults: tuple[Fault, ...] = ()
    more_faults: int = 0
    waiting_since: str = ""
    run: str = ""
    error: dict[str, str] = field(default_factory=dict)
    report: str = ""

    @property
    def over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    @property
    def left(self) -> tuple[Fault, ...]:
        """Faults that were not mended."""
        return tuple(it for it in self.faults if not it.mended)

    @property
    def bad_blobs(self) -> dict[str, FaultKind]:
        """Digests of blobs that are wrong, so far as it is known."""
        return {it.what: it.kind for it in self.left if it.path.endswith("/data")}

    def counted(self, **more: int) -> Self:
        return replace(self, counts={name: count + more.get(name, 0) for name, count in self.counts.items()})

    def found(self, faults: Iterable[Fault]) -> Self:
        """With these faults, too; those beyond the limit are only counted."""
        both = (*self.faults, *faults)
        return replace(self, faults=both[:LIMIT], more_faults=self.more_faults + max(0, len(both) - LIMIT))

    def entering(self, phase: Phase) -> Self:
        return replace(self, phase=phase, marker="", after="", place=0)

    def failed(self, error: MirrorError, at: Moment) -> Self:
        return replace(self, state="failed", finished=at, error=error_of(error))

    def cancelled(self, at: Moment) -> Self:
        return replace(self, state="cancelled", updated=at, finished=at)

    def to_json(self) -> bytes:
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({"version": 1} | fields | {"faults": [it.fields() for it in self.faults]}).encode()

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Raises Malformed for what `to_json` never gave."""
        try:
            fields = json.loads(raw)
            if fields.pop("version") != 1 or fields["state"] not in get_args(AuditState):
                raise ValueError("another version or state")
            if fields["phase"] not in PHASES:
                raise ValueError("an unknown phase")
            counts = {name: int(fields["counts"].get(name, 0)) for name in COUNTS}
            faults = tuple(Fault.read(it) for it in fields.pop("faults"))
            identity, asked = JobId.read(fields.pop("id")), nine_digits(str(fields.pop("asked")))
            return cls(identity, asked, **{**fields, "faults": faults, "counts": counts})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Malformed(
                "read how far an audit is", f"it can not be read ({type(error).__name__})", "Request a new audit."
            ) from error


def error_of(error: MirrorError) -> dict[str, str]:
    return {"code": error.code, "asked": error.asked, "answered": error.answered, "remedy": error.remedy}


def after_phase(phase: Phase) -> Phase:
    return PHASES[min(PHASES.index(phase) + 1, len(PHASES) - 1)]
