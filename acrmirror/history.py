"""What history is made of: observations of the registry, each true whatever the mirror did with it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Self

from acrmirror.moments import Moment
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest

Clock = Literal["registry", "mirror"]

_WHOLE = ".000000000Z"

LAG_WINDOW = timedelta(minutes=30)
"""How long after a push a replica of the registry may still answer with what was there before."""


@dataclass(frozen=True, slots=True)
class TagEvent:
    """What an event told of a tag: the digest that was pushed under it, and when by the registry's own time."""

    at: Moment
    digest: Digest

    @staticmethod
    def newest(*events: "TagEvent | None") -> "TagEvent | None":
        """The newest of those that are known. Of two with the same time every worker chooses the same one."""
        known = [it for it in events if it is not None]
        return max(known, key=lambda it: (it.at, str(it.digest)), default=None)


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing seen at the registry, and when by its own time.

    `kind` is `event`, `resolve` or `deleted`; `identity` is the event's or the job's id. `sequence` keeps the resolves
    of one second in order: the registry's `Date` has no fraction. `clock` is `mirror` where that `Date` could not be
    believed and `at` is this machine's time. `provisional`: the answer contradicted an event that was so
    young that a replica may have been behind (rule L3).
    """

    at: Moment
    digest: Digest
    identity: str
    kind: str
    media_type: str | None = None
    size: int | None = None
    sequence: int = 0
    clock: Clock = "registry"
    provisional: bool = False

    @classmethod
    def of_resolve(
        cls, descriptor: Descriptor, at: Moment, job: str, sequence: int = 0, clock: Clock = "registry"
    ) -> Self:
        kind = "resolve"
        return cls(at, descriptor.digest, job, kind, descriptor.media_type, descriptor.size, sequence, clock)

    @property
    def latest(self) -> Moment:
        """The last moment at which it can have been seen. The registry's `Date` is cut to the second: what that says
        may have been answered until the second's end, and after a push of the same second."""
        if self.kind != "resolve" or self.clock != "registry" or not self.at.endswith(_WHOLE):
            return self.at
        return Moment(self.at.removesuffix(_WHOLE) + ".999999999Z")

    def was_by(self, moment: Moment) -> bool:
        """Whether it had been seen by that moment, or is of that very time, as lists of what moved give it."""
        return self.latest <= moment or self.at == moment

    @property
    def event(self) -> TagEvent:
        """As the link of its tag keeps it."""
        return TagEvent(self.at, self.digest)
