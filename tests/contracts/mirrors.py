"""What is written into, as the suites see it, and what may happen to it from outside."""

from abc import ABC, abstractmethod

from acrmirror.copying.ports import ContentTarget, Target
from acrmirror.errors import Denied, Throttled, Unavailable
from acrmirror.history import Observation
from acrmirror.reference import Digest, Reference


class ContentBed(ABC):
    """An empty mirror or registry. `block` is the size in bytes of the blocks that a blob is cut into."""

    target: ContentTarget
    block: int

    @abstractmethod
    def stored(self, digest: Digest) -> bytes | None:
        """The bytes at a digest."""


class TargetBed(ContentBed):
    """An empty mirror, and what may happen to it from outside."""

    target: Target

    @abstractmethod
    def overwrite(self, digest: Digest, data: bytes) -> None:
        """Puts other bytes at a digest."""

    @abstractmethod
    def drop_staged(self, digest: Digest) -> None:
        """Drops the blocks that are staged for a digest at which nothing is."""

    @abstractmethod
    def damage_tag(self, repository: str, tag: str) -> None:
        """Makes a tag's link name no digest."""

    @abstractmethod
    def observed(self, reference: Reference) -> list[Observation]:
        """What history has of a tag, oldest first."""

    @abstractmethod
    def fail(self, failure: type[Denied | Throttled | Unavailable]) -> None:
        """From now on storage refuses all that it is asked, is too busy, or fails."""

    @abstractmethod
    def cut_dots(self) -> None:
        """From now on storage keeps a path without the dots at the ends of its parts."""
