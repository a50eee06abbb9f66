"""What a run came to."""

from dataclasses import dataclass, field

from acrmirror.copying.reading import Graph
from acrmirror.errors import MirrorError
from acrmirror.history import TagEvent
from acrmirror.reference import Digest


@dataclass(slots=True)
class Copied:
    """What a run copied, and what it did not: `digest_failure`, `tag_failure` and `referrers_failure`, if any.

    `tag_gone`: the registry has no such tag. `event` is the newest event of the tag that is known; `provisional`: the
    registry contradicted it, which may be a replica that is behind (rule L3).
    """

    digest: Digest | None = None
    tagged: Digest | None = None
    event: TagEvent | None = None
    provisional: bool = False
    tag_gone: bool = False
    referrers: int = 0
    left_out: dict[Digest, str] = field(default_factory=dict)
    digest_failure: MirrorError | None = None
    tag_failure: MirrorError | None = None
    referrers_failure: MirrorError | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[MirrorError]:
        known = (self.digest_failure, self.tag_failure, self.referrers_failure)
        return [it for it in known if it is not None]

    def add(self, graph: Graph) -> None:
        """What was left out of a graph, and what a stock registry can't serve of it."""
        self.left_out.update(graph.left_out)
        self.notes += [
            f"{it.digest}: a stock registry can't serve it ({it.unservable})" for it in graph.manifests if it.unservable
        ]
