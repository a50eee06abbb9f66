"""Lists of referrers, kept under the tags where stock clients look for them (rules R1 to R4).

distribution-spec "referrers tag schema": the index under the tag `sha256-abc…` lists what refers to `sha256:abc…`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from acrmirror.errors import Conflict, Damaged, DigestMismatch, Malformed, TagMoved
from acrmirror.history import TagEvent
from acrmirror.mirror.layout import Layout, linked_digest
from acrmirror.mirror.manifests import Manifests
from acrmirror.mirror.tags import Tags, TagState, parsed
from acrmirror.moments import Moment
from acrmirror.oci import (
    OCI_INDEX,
    Descriptor,
    Manifest,
    is_referrers_index,
    merge_referrers,
    parse_manifest,
    referrers_index,
)
from acrmirror.reference import Digest
from acrmirror.storage import Container

MERGE_ROUNDS = 24
"""How often a merge into a referrers tag is tried again after another worker moved it."""
LISTS_READ = 200
LISTS_BYTES = 16 * 1024 * 1024
"""Earlier lists that a rebuilt one is made from, newest first, and what they may weigh together: each has all that
those before it had, unless two workers wrote at the same time."""


class _Other(Exception):
    """A referrers tag that names something that is no list."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a referrers tag lists. `index` is the list as it is stored, None where it has to be written (anew). `other`:
    the tag names something that is no list."""

    entries: tuple[Descriptor, ...] = ()
    index: Manifest | None = None
    other: bool = False


class Referrers:
    """Lists of referrers by repository and subject. Thread-safe.

    A list never shrinks. One that is damaged or missing is rebuilt from the earlier lists beside it and from the
    manifests of its repository whose links say that they refer to its subject.
    """

    def __init__(self, container: Container, layout: Layout, manifests: Manifests, tags: Tags) -> None:
        self._container = container
        self._layout = layout
        self._manifests = manifests
        self._tags = tags

    def of(self, repository: str, subject: Digest) -> tuple[Descriptor, ...]:
        """What refers to a digest, as far as the mirror knows. Writes nothing."""
        tag = subject.referrers_tag
        return self._listed(repository, tag, self._tags.read(repository, tag)).entries

    def add(self, repository: str, subject: Digest, referrers: Iterable[Descriptor], at: Moment) -> bool:
        """Adds manifests that are in the mirror to their subject's list, which is read once and written once at most; a
        damaged list is rebuilt, also where there is nothing to add.

        False where the referrers tag is something else: then it is left alone. Raises TooLarge, Conflict.
        """
        try:
            self._merge(repository, subject.referrers_tag, tuple(referrers), at)
        except _Other:
            return False
        return True

    def keep_tag(self, repository: str, tag: str, at: Moment) -> Digest | None:
        """The digest of the list under a tag that the registry does not have; rebuilt where it is damaged or missing.
        None where the mirror knows of no referrers either, or the tag is something else."""
        try:
            return self._merge(repository, tag, (), at) or self._merge(
                repository, tag, tuple(self._by_subject(repository, tag)), at
            )
        except _Other:
            return None

    def merge_tag(
        self,
        repository: str,
        tag: str,
        theirs: Manifest,
        at: Moment,
        expected: TagState | None,
        event: TagEvent | None = None,
    ) -> Digest:
        """Sets the tag to the registry's own list, which is in the mirror; or, where the mirror knows of more, to a
        list of both. Returns the digest that was set.

        Always writes the tag's link, and keeps the digest of the registry's list and the newest event with it.
        `expected` is what `Tags.read` gave; TagMoved if the link changed since.
        """
        listed = self._listed(repository, tag, expected)
        known = self._beside(repository, tag) if listed.other else listed.entries
        ours, those = {it.digest for it in known}, {it.digest for it in theirs.manifests}
        if ours <= those:
            index = theirs
        elif listed.index is not None and those <= ours:
            index = listed.index
        else:
            index = _index(referrers_index((*known, *theirs.manifests)))
            self._write(repository, index, anew=listed.index is None)
        self._tags.set(repository, tag, index.descriptor(), at, expected, event, registry=theirs.digest)
        return index.digest

    def _merge(self, repository: str, tag: str, more: tuple[Descriptor, ...], at: Moment) -> Digest | None:
        """The digest of the list with `more` in it; None where there is neither a list nor anything to be in it. Raises
        _Other where the tag is something else."""
        for _ in range(MERGE_ROUNDS):
            current = self._tags.read(repository, tag)
            listed = self._listed(repository, tag, current)
            if listed.other:
                raise _Other
            if listed.index is None and current is not None and current.digest is not None:
                listed = self._restored(repository, listed, more, current.digest)
            merged = merge_referrers(listed.entries, more)
            if current is None and not merged:
                return None
            raw = referrers_index(merged)
            if listed.index is not None and _says_all(listed.index, merged, raw):
                return listed.index.digest
            index = _index(raw)
            self._write(repository, index, anew=listed.index is None)
            try:
                registry = current.registry if current is not None else None
                self._tags.set(repository, tag, index.descriptor(), at, current, registry=registry)
            except TagMoved:
                continue
            return index.digest
        raise Conflict(
            f"list a referrer under {repository}:{tag}",
            f"other workers moved that tag {MERGE_ROUNDS} times",
            "It will be tried again.",
        )

    def _restored(self, repository: str, listed: _Listed, more: tuple[Descriptor, ...], digest: Digest) -> _Listed:
        """A list of the mirror's own that is rebuilt to the very same bytes, with or without what is to be added, takes
        its place again: whoever has its digest can read it."""
        added = {it.digest for it in more}
        for entries in (listed.entries, tuple(it for it in listed.entries if it.digest not in added)):
            index = _index(referrers_index(entries))
            if index.digest == digest:
                self._write(repository, index, anew=True)
                return _Listed(index.manifests, index)
        return listed

    def _write(self, repository: str, index: Manifest, *, anew: bool) -> None:
        """`anew`: the very same list may be there, and damaged."""
        self._manifests.write(repository, index, anew=anew)

    # what a list has, or had

    def _listed(self, repository: str, tag: str, current: TagState | None) -> _Listed:
        if current is not None and current.digest is not None:
            index = self._readable(repository, current.digest)
            if index is not None:
                return _Listed(index.manifests, index) if is_referrers_index(index) else _Listed(other=True)
        elif current is None and not self._tags.ever(repository, tag):
            return _Listed()
        return _Listed(merge_referrers(self._beside(repository, tag), self._by_subject(repository, tag)))

    def _beside(self, repository: str, tag: str) -> tuple[Descriptor, ...]:
        """What the lists had that were under the tag, as far as these can be read."""
        known: tuple[Descriptor, ...] = ()
        weight = 0
        for digest in self._tags.ever(repository, tag)[:LISTS_READ]:
            index = self._readable(repository, digest)
            if index is not None and is_referrers_index(index):
                known = merge_referrers(known, index.manifests)
                weight += index.size
            if weight > LISTS_BYTES:
                break
        return known

    def _by_subject(self, repository: str, tag: str) -> Iterator[Descriptor]:
        """Manifests in the mirror that refer to the subject of the tag: their links say so. One listing of all of the
        repository's manifests, 5,000 in a request, and a read of each that is found."""
        folder = f"{self._layout.revisions(repository)}/"
        asked = f"list what refers to something in {repository} of the mirror"
        found: list[Descriptor] = []
        for item in self._container.list(folder, asked, metadata=True):
            subject = parsed(item.metadata.get("subject", ""))
            digest = linked_digest(item.name.removeprefix(folder))
            if subject is None or subject.referrers_tag != tag or digest is None:
                continue
            media_type, size = item.metadata.get("media_type", ""), item.metadata.get("size", "")
            if media_type and size.isdecimal():
                found.append(Descriptor(media_type, digest, int(size)))
        for descriptor in found:
            manifest = self._readable(repository, descriptor.digest)
            yield manifest.descriptor() if manifest is not None else descriptor

    def _readable(self, repository: str, digest: Digest) -> Manifest | None:
        """A manifest of this repository, or None where it is missing or damaged."""
        descriptor = self._manifests.find(repository, digest)
        if descriptor is None:
            return None
        try:
            return self._manifests.read(repository, descriptor)
        except (DigestMismatch, Damaged, Malformed):
            return None


def _index(raw: bytes) -> Manifest:
    return parse_manifest(raw, OCI_INDEX, Digest.of(raw))


def _says_all(index: Manifest, merged: tuple[Descriptor, ...], raw: bytes) -> bool:
    """Whether a list needs no writing. One that the registry made keeps its bytes as long as no digest is missing from
    it; one of the mirror's own also takes what is said of a digest that it has."""
    if {it.digest for it in index.manifests} != {it.digest for it in merged}:
        return False
    return raw == index.raw or referrers_index(index.manifests) != index.raw
