"""History: what was observed at the registry, one small blob each, and never written again."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping

from azure.storage.blob import BlobPrefix, ContainerClient

from acrmirror.errors import UnkeptName
from acrmirror.history import Clock, Observation, TagEvent
from acrmirror.reference import Digest, Reference
from acrmirror.store import layout
from acrmirror.store.failures import explained


class Observations:
    """The part of the store that could rebuild every tag."""

    def __init__(self, container: ContainerClient, prefix: str = "") -> None:
        self._container = container
        self._prefix = prefix.strip("/")
        self._kept: set[str] = set()

    @property
    def container(self) -> ContainerClient:
        """For the neighbours that list it and link into it."""
        return self._container

    def name(self, repository: str) -> str:
        """The repository's name in the mirror."""
        return f"{self._prefix}/{repository}" if self._prefix else repository

    @abstractmethod
    def _write_once(self, name: str, body: bytes, metadata: Mapping[str, str] | None, asked: str) -> bool: ...

    def observe(self, reference: Reference, seen: Observation) -> None:
        """Writes one observation down, once; the same one again is no error. Raises UnkeptName."""
        name = self.name(reference.repository)
        asked = f"write the history of {reference}"
        if reference.tag is not None:
            self._check_kept(reference.tag, asked)
            folder = layout.tag_history(name, reference.tag)
        else:
            folder = layout.digest_history(name, seen.digest)
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
        self._write_once(
            layout.observation(folder, seen.at, seen.sequence, seen.digest, seen.identity),
            text.encode(),
            {"kind": seen.kind, "clock": seen.clock} | ({"provisional": "true"} if seen.provisional else {}),
            asked,
        )

    def history(self, repository: str, tag: str) -> Iterator[Observation]:
        """The tag's observations, oldest first by the registry's time; the last one's digest is where the tag was."""
        folder = layout.tag_history(self.name(repository), tag)
        return self._observations(folder, f"list the history of {repository}:{tag}")

    def observed_event(self, repository: str, tag: str, at: str, identity: str) -> TagEvent | None:
        """What the event `identity` told of the tag at `at`; None if it was not observed."""
        folder = layout.tag_history(self.name(repository), tag)
        known = layout.observer(identity)
        for it in self._observations(folder, f"look for an event of {repository}:{tag}", f"{at}-"):
            if (it.kind, it.identity) == ("event", known):
                return it.event
        return None

    def observed_tags(self, repository: str) -> Iterator[str]:
        """Every tag of the repository that history has, sorted."""
        folder = f"{layout.tag_histories(self.name(repository))}/"
        with explained(f"list the tags in the history of {repository}"):
            for item in self._container.walk_blobs(name_starts_with=folder, delimiter="/"):
                if isinstance(item, BlobPrefix):
                    yield str(item.name).removeprefix(folder).rstrip("/")

    def digest_history(self, repository: str, digest: Digest) -> Iterator[Observation]:
        """What was observed of a digest without a tag: pushes by digest, deletions."""
        folder = layout.digest_history(self.name(repository), digest)
        return self._observations(folder, f"list the history of {repository}@{digest}")

    def _observations(self, folder: str, asked: str, first: str = "") -> Iterator[Observation]:
        """Those whose names in the folder begin with `first`."""
        with explained(asked):
            for item in self._container.list_blobs(name_starts_with=f"{folder}/{first}", include=["metadata"]):
                at, sequence, digest, identity = layout.observed(item.name.removeprefix(f"{folder}/"))
                metadata = item.metadata or {}
                clock: Clock = "mirror" if metadata.get("clock") == "mirror" else "registry"
                kind = metadata.get("kind", "event")
                provisional = metadata.get("provisional") == "true"
                yield Observation(at, digest, identity, kind, sequence=sequence, clock=clock, provisional=provisional)

    def _check_kept(self, tag: str, asked: str) -> None:
        """Storage may not keep a path in which a part ends in a dot (rule L8), and what is written under such a tag
        would be another's. So a name is tried where nothing else is, before anything is written under the tag (rule
        H6). Where the dot is cut off in reads, too, only a listing tells."""
        if not tag.endswith(".") or tag in self._kept:
            return
        name = layout.trial(tag)
        self._write_once(name, b"", None, asked)
        with explained(asked):
            kept = any(str(it) == name for it in self._container.list_blob_names(name_starts_with=name))
        if not kept:
            raise UnkeptName(
                asked,
                "storage does not keep names in which a part ends in a dot",
                "The image is mirrored by its digest; give it a tag that does not end in a dot.",
            )
        self._kept.add(tag)
