"""History: what was observed at the registry, one small blob each, and never written again."""

import json
from collections.abc import Iterator
from itertools import groupby, islice

from acrmirror.errors import MirrorError, Unavailable
from acrmirror.history import Clock, Observation, TagEvent
from acrmirror.mirror.kept import KeptNames
from acrmirror.mirror.layout import Layout, observation, observed, observer
from acrmirror.reference import Digest, Reference
from acrmirror.storage import Container, Item


class History:
    """The log that could rebuild every tag. Thread-safe."""

    def __init__(self, container: Container, layout: Layout, kept: KeptNames) -> None:
        self._container = container
        self._layout = layout
        self._kept = kept

    def observe(self, reference: Reference, seen: Observation) -> None:
        """Writes one observation down, once; the same one again is no error. Raises UnkeptName."""
        asked = f"write the history of {reference}"
        if reference.tag is not None:
            self._kept.check(reference.tag, asked)
            folder = self._layout.tag_history(reference.repository, reference.tag)
        else:
            folder = self._layout.digest_history(reference.repository, seen.digest)
        body = {
            "repository": reference.repository,
            "tag": reference.tag,
            "digest": str(seen.digest),
            "at": seen.at,
            "clock": seen.clock,
            "kind": seen.kind,
            "id": seen.identity,
            "mediaType": seen.media_type,
            "size": seen.size,
            "provisional": seen.provisional or None,
        }
        text = json.dumps({key: value for key, value in body.items() if value is not None}, sort_keys=True)
        name = observation(folder, seen.at, seen.sequence, seen.digest, seen.identity)
        metadata = {"kind": seen.kind, "clock": seen.clock} | ({"provisional": "true"} if seen.provisional else {})
        self._container.swap(name, text.encode(), None, asked, metadata)

    def of_tag(self, repository: str, tag: str) -> Iterator[Observation]:
        """The tag's observations, oldest first by the registry's time; the last one's digest is where the tag was."""
        folder = self._layout.tag_history(repository, tag)
        return self._observations(folder, f"list the history of {repository}:{tag}")

    def event(self, repository: str, tag: str, at: str, identity: str) -> TagEvent | None:
        """What the event `identity` told of the tag at `at`; None if it was not observed."""
        folder, known = self._layout.tag_history(repository, tag), observer(identity)
        for it in self._observations(folder, f"look for an event of {repository}:{tag}", f"{at}-"):
            if (it.kind, it.identity) == ("event", known):
                return it.event
        return None

    def of_digest(self, repository: str, digest: Digest) -> Iterator[Observation]:
        """What was observed of a digest without a tag: pushes by digest, deletions."""
        folder = self._layout.digest_history(repository, digest)
        return self._observations(folder, f"list the history of {repository}@{digest}")

    def tags(self, repository: str) -> Iterator[str]:
        """Every tag of the repository that was observed, sorted."""
        folder = f"{self._layout.tag_histories(repository)}/"
        return self._container.folders(folder, f"list the tags in the history of {repository}")

    def of_tags(self, repository: str) -> Iterator[tuple[str, list[Observation]]]:
        """Every tag of the repository that was observed, with its observations, oldest first: one request for 5,000
        observations. The tags are in the order of storage's names, which is not that of theirs (`v1.0` before `v1`)."""
        return self._by_tag(repository, self._all(repository))

    def some_of_tags(self, repository: str, limit: int) -> list[tuple[str, list[Observation]]] | None:
        """As `of_tags`; None where there are more than `limit` observations."""
        items = list(islice(self._all(repository), limit + 1))
        return list(self._by_tag(repository, iter(items))) if len(items) <= limit else None

    def _all(self, repository: str) -> Iterator[Item]:
        folder = f"{self._layout.tag_histories(repository)}/"
        return self._container.list(folder, f"list the history of {repository}", metadata=True)

    def _by_tag(self, repository: str, items: Iterator[Item]) -> Iterator[tuple[str, list[Observation]]]:
        folder = self._layout.tag_histories(repository)
        for tag, those in groupby(items, lambda it: it.name.removeprefix(f"{folder}/").partition("/")[0]):
            asked = f"list the history of {repository}:{tag}"
            yield tag, [_observation(f"{folder}/{tag}", it, asked) for it in those]

    def deletions(self, repository: str) -> Iterator[Observation]:
        """What was deleted at the registry, digest by digest; of a digest that was deleted again, oldest first. One
        request for 5,000 observations of digests."""
        folder = self._layout.digest_histories(repository)
        asked = f"list what was deleted of {repository}"
        for item in self._container.list(f"{folder}/", asked, metadata=True):
            if item.metadata.get("kind") == "deleted":
                yield _observation(item.name.rpartition("/")[0], item, asked)

    def has_tag(self, repository: str, tag: str) -> bool:
        """Whether the tag was ever observed at the registry."""
        folder = f"{self._layout.tag_history(repository, tag)}/"
        return self._container.holds(folder, f"look for the history of {repository}:{tag}")

    def _observations(self, folder: str, asked: str, first: str = "") -> Iterator[Observation]:
        """Those whose names in the folder begin with `first`."""
        for item in self._container.list(f"{folder}/{first}", asked, metadata=True):
            yield _observation(folder, item, asked)


def _observation(folder: str, item: Item, asked: str) -> Observation:
    try:
        at, sequence, digest, identity = observed(item.name.removeprefix(f"{folder}/"))
    except (ValueError, MirrorError) as error:
        raise Unavailable(
            asked, f"{item.name} is no observation", "Something else wrote it: remove it from the container."
        ) from error
    clock: Clock = "mirror" if item.metadata.get("clock") == "mirror" else "registry"
    kind = item.metadata.get("kind", "event")
    provisional = item.metadata.get("provisional") == "true"
    return Observation(at, digest, identity, kind, sequence=sequence, clock=clock, provisional=provisional)
