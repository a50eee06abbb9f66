"""One name of the mirror, checked: a blob is hashed, a link is read and what it promises is looked for.

Every link of a repository is checked, and of each manifest all that it lists. Since a manifest's children have links
that are checked in the same way, no closure is left out, however many indexes it nests.
"""

import threading
from collections.abc import Mapping

from acrmirror.errors import (
    Cancelled,
    Conflict,
    Damaged,
    DigestMismatch,
    InvalidReference,
    Malformed,
    MirrorError,
    Transient,
)
from acrmirror.mirror.layout import Layout
from acrmirror.mirror.places import Place, place_of
from acrmirror.mirror.rehashing import rehash
from acrmirror.mirror.tags import LINK_LIMIT
from acrmirror.oci import MAX_MANIFEST_SIZE, Descriptor, Manifest, parse_manifest
from acrmirror.proof.faults import Fault, FaultKind
from acrmirror.reference import Digest
from acrmirror.storage import Container, Content

KNOWN_LIMIT = 200_000
"""Names of which one slice remembers that they are there, and how long what they name is."""
NAMED = 5
"""Lacks of one manifest that are told, with how many more there are."""
LEFT_OUT = "left_out"


class Wrong(Exception):
    """Why a name is not proven."""

    def __init__(self, kind: FaultKind, why: str, blobs: tuple[str, ...] = ()) -> None:
        super().__init__(why)
        self.kind = kind
        self.why = why
        self.blobs = blobs


class Checker:
    """Checks names of one container. Thread-safe.

    What storage refuses for one name is a fault of kind `unread`. `bad` are blobs that were found wrong before, by
    their digests.
    """

    def __init__(self, container: Container, layout: Layout, bad: Mapping[str, FaultKind]) -> None:
        self._container = container
        self._layout = layout
        self._bad = dict(bad)
        self._sizes: dict[str, int] = {}
        self._guard = threading.Lock()

    def check(self, name: str) -> Fault | None:
        """None where the name is proven, and for a name that the mirror does not write. Raises Cancelled."""
        place = place_of(name, self._layout)
        if place is None:
            return None
        try:
            try:
                self._check(name, place)
            except Conflict:
                # It was replaced while it was read: what is there now counts.
                self._check(name, place)
        except Wrong as wrong:
            return Fault.of(name, wrong.kind, _what(place), wrong.why, wrong.blobs)
        except Cancelled:
            raise
        except Transient as error:
            return Fault.of(name, "unread", _what(place), f"{error.asked}: {error.answered}")
        except MirrorError as error:
            return Fault.of(name, "damaged", _what(place), f"{error.asked}: {error.answered}")
        return None

    def _check(self, name: str, place: Place) -> None:
        if place.kind == "tag":
            self._check_tag(name, place)
            return
        assert place.digest is not None  # noqa: S101 - only a tag's current link has none
        if place.kind == "blob":
            self._check_blob(name, place.digest)
            return
        content = self._link(name)
        self._says(content, place.digest)
        if place.kind == "layer" and self._size(self._layout.blob_data(place.digest)) is None:
            raise Wrong("missing", f"the mirror has no blob {place.digest}, which the link is for")
        if place.kind == "revision":
            self._check_revision(place, place.digest, content)

    def _check_blob(self, name: str, digest: Digest) -> None:
        try:
            found, size, _ = rehash(self._container, name, digest)
        except (Cancelled, Conflict):
            raise
        except Transient:
            if self._container.head(name, f"look for blob {digest}") is None:
                raise Wrong("missing", "it is no longer there") from None
            raise
        if found != digest:
            raise Wrong("damaged", f"its {size} bytes have the digest {found}")

    def _check_tag(self, name: str, place: Place) -> None:
        content = self._link(name)
        digest = self._digest(content)
        if content.head.metadata.get("digest") != str(digest):
            raise Wrong("damaged", "what lies beside the link does not name the digest that is in it")
        if self._size(self._layout.revision_link(place.repository, digest)) is None:
            raise Wrong("missing", f"{place.repository} has no manifest {digest}, which the tag names")

    def _check_revision(self, place: Place, digest: Digest, content: Content) -> None:
        media_type, size = content.head.metadata.get("media_type"), content.head.metadata.get("size", "")
        if not media_type or not size.isdecimal():
            raise Wrong("damaged", "what lies beside the link does not name the manifest's media type and size")
        self._look_for(place.repository, self.manifest(digest, media_type), LEFT_OUT in content.head.metadata)

    def manifest(self, digest: Digest, media_type: str) -> Manifest:
        """A manifest's bytes, hashed and parsed. Raises Wrong."""
        asked = f"read manifest {digest} from the mirror"
        found = self._container.get(self._layout.blob_data(digest), MAX_MANIFEST_SIZE, asked)
        if found is None:
            raise Wrong("missing", "the mirror does not have the manifest's bytes")
        if found.body is None:
            raise Wrong("damaged", f"its bytes are more than {MAX_MANIFEST_SIZE}", (str(digest),))
        try:
            return parse_manifest(found.body, media_type, digest)
        except (DigestMismatch, Damaged) as error:
            raise Wrong("damaged", error.answered, (str(digest),)) from error
        except Malformed as error:
            raise Wrong("damaged", error.answered) from error

    def _look_for(self, repository: str, manifest: Manifest, left_out: bool) -> None:
        """Raises Wrong for what a manifest lists and its repository does not have. `left_out`: foreign layers may be
        missing."""
        lacks: list[str] = []
        bad: dict[str, FaultKind] = {}
        for blob in manifest.blobs:
            known = self._bad.get(str(blob.digest))
            if known is not None:
                bad[str(blob.digest)] = known
            elif not (left_out and blob.is_foreign):
                lacks += self._lacks_blob(repository, blob)
        for child in manifest.manifests:
            if self._size(self._layout.revision_link(repository, child.digest)) is None:
                lacks.append(f"{repository} has no manifest {child.digest}")
        lacks += [f"blob {digest} is {'not readable' if kind == 'unread' else kind}" for digest, kind in bad.items()]
        if not lacks:
            return
        unread = len(bad) == len(lacks) and all(kind == "unread" for kind in bad.values())
        more = f"; and {len(lacks) - NAMED} more" if len(lacks) > NAMED else ""
        kind: FaultKind = "unread" if unread else "missing"
        raise Wrong(kind, "; ".join(dict.fromkeys(lacks[:NAMED])) + more, tuple(bad))

    def _lacks_blob(self, repository: str, blob: Descriptor) -> list[str]:
        lacks = []
        if self._size(self._layout.layer_link(repository, blob.digest)) is None:
            lacks.append(f"{repository} has no link to blob {blob.digest}")
        size = self._size(self._layout.blob_data(blob.digest))
        if size is None:
            lacks.append(f"the mirror has no blob {blob.digest}")
        elif size != blob.size:
            lacks.append(f"blob {blob.digest} has {size} bytes in the mirror, and {blob.size} by its manifest")
        return lacks

    def _link(self, name: str) -> Content:
        found = self._container.get(name, LINK_LIMIT, "read a link of the mirror")
        if found is None:
            raise Wrong("missing", "the link is no longer there")
        return found

    def _says(self, content: Content, digest: Digest) -> None:
        if self._digest(content) != digest:
            raise Wrong("damaged", "the link names another digest than its path")

    @staticmethod
    def _digest(content: Content) -> Digest:
        try:
            return Digest.parse((content.body or b"").decode("ascii", "replace").strip())
        except InvalidReference:
            raise Wrong("damaged", "the link names no digest") from None

    def _size(self, name: str) -> int | None:
        """Bytes of what is under a name, None if nothing is. What was found is not requested again."""
        with self._guard:
            known = self._sizes.get(name)
        if known is not None:
            return known
        head = self._container.head(name, "look for what a link promises")
        if head is None:
            return None
        with self._guard:
            if len(self._sizes) < KNOWN_LIMIT:
                self._sizes[name] = head.size
        return head.size


def _what(place: Place) -> str:
    if place.kind == "blob":
        return str(place.digest)
    return f"{place.repository}:{place.tag}" if place.tag is not None else f"{place.repository}@{place.digest}"
