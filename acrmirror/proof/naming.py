"""Which tags of a repository cannot be pulled whole because of what is wrong."""

from collections.abc import Iterable
from contextlib import suppress

from acrmirror.errors import InvalidReference, MirrorError, Transient
from acrmirror.mirror.layout import Layout
from acrmirror.proof.checking import Checker, Wrong
from acrmirror.reference import Digest
from acrmirror.storage import Container

_CURRENT = "/current/link"


class Broken:
    """Walks closures of one repository, each manifest once. `faults` are the paths that are wrong."""

    def __init__(
        self, container: Container, layout: Layout, checker: Checker, repository: str, faults: Iterable[str]
    ) -> None:
        self._container = container
        self._layout = layout
        self._checker = checker
        self._repository = repository
        self._faults = frozenset(faults)
        self._under: dict[Digest, frozenset[str]] = {}

    def tags(self) -> dict[str, list[str]]:
        """Of each fault the tags that it breaks, as `repository:tag`, in the order of storage. Raises Unavailable,
        Throttled or Denied where the tags can't be listed, or a manifest can't be read that is no fault itself."""
        found: dict[str, list[str]] = {}
        folder = f"{self._layout.tags(self._repository)}/"
        asked = f"list the tags of {self._repository} in the mirror"
        for item in self._container.list(folder, asked, metadata=True):
            if not item.name.endswith(_CURRENT):
                continue
            tag = item.name.removeprefix(folder).removesuffix(_CURRENT)
            wrong = {item.name} & self._faults
            digest, media_type = item.metadata.get("digest"), item.metadata.get("media_type")
            if digest and media_type:
                # Beside a damaged link there may be no digest: then it breaks by itself.
                with suppress(InvalidReference):
                    wrong |= self._below(Digest.parse(digest), media_type)
            for path in wrong:
                found.setdefault(path, []).append(f"{self._repository}:{tag}")
        return found

    def _below(self, digest: Digest, media_type: str) -> frozenset[str]:
        """The faults in the closure of a manifest."""
        known = self._under.get(digest)
        if known is not None:
            return known
        paths = {self._layout.revision_link(self._repository, digest), self._layout.blob_data(digest)}
        below: set[str] = set()
        try:
            manifest = self._checker.manifest(digest, media_type)
        except Wrong:
            manifest = None
        except Transient:
            if not paths & self._faults:
                raise
            manifest = None
        except MirrorError:
            manifest = None
        if manifest is not None:
            for blob in manifest.blobs:
                paths.add(self._layout.layer_link(self._repository, blob.digest))
                paths.add(self._layout.blob_data(blob.digest))
            for child in manifest.manifests:
                below |= self._below(child.digest, child.media_type)
        self._under[digest] = frozenset(paths & self._faults) | below
        return self._under[digest]
