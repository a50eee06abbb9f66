"""Checks a mirror from top to bottom: every link followed, every byte hashed again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from azure.core.exceptions import ResourceNotFoundError

from testkit.reader.digests import algorithm_of, digest_of, has_digest, referrers_tag
from testkit.reader.manifests import INDEX, Body, Needed, read_body
from testkit.reader.mirror import Damaged, MirrorReader, NotServed
from testkit.reader.tree import blob_path, layer_path, read_names, revision_path, tag_index_path, tag_path

Progress = Callable[[str, int], None]
"""Called with a blob's digest and its size once it was hashed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a reader of the mirror would stumble over; `place` is a repository with a tag or a digest."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(slots=True)
class Report:
    """What was looked at, each thing counted once, and what is wrong with it."""

    repositories: int = 0
    tags: int = 0
    manifests: int = 0
    blobs: int = 0
    size: int = 0
    """Bytes hashed."""
    left_out: set[str] = field(default_factory=set)
    """Foreign layers that are listed and not there, which is as it may be."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Something was looked at, and nothing is wrong with it."""
        return not self.problems and self.manifests + self.blobs > 0

    def __str__(self) -> str:
        counted = f"{self.repositories} repositories, {self.tags} tags, {self.manifests} manifests, {self.blobs} blobs"
        if not self.problems:
            return f"{counted}, {self.size} bytes: {'whole' if self.is_whole else 'nothing there'}"
        return "\n".join([f"{counted}, {self.size} bytes; {len(self.problems)} problems:", *map(str, self.problems)])


class Verifier:
    """One pass over a mirror; what several images share is hashed once. Every problem is collected, none raised."""

    def __init__(self, reader: MirrorReader, progress: Progress | None = None) -> None:
        self._reader = reader
        self._progress = progress
        self._hashed: dict[str, tuple[int, str | None]] = {}
        self._manifests: set[tuple[str, str]] = set()
        self._linked: set[tuple[str, str]] = set()
        self.report = Report()

    def tag(self, repository: str, tag: str) -> str | None:
        """The tag's link, its index link, and all behind it. Returns where it points, if anywhere."""
        self.report.tags += 1
        place = f"{repository}:{tag}"
        target = self._link(place, tag_path(repository, tag), None)
        if target is not None:
            self._link(place, tag_index_path(repository, tag, target), target)
            self.manifest(repository, target)
        return target

    def repository(self, repository: str) -> None:
        """All tags and revisions, all layer links, and that what refers to something is listed as doing so."""
        self.report.repositories += 1
        names = read_names(self._reader.names(f"docker/registry/v2/repositories/{repository}/"))
        for tag in sorted(names.tags.get(repository, ())):
            self.tag(repository, tag)
        for digest in sorted(names.revisions.get(repository, ())):
            self.manifest(repository, digest)
        for digest in sorted(names.layers.get(repository, ())):
            self._layer(repository, f"{repository}@{digest}", Needed(digest, -1, False))
        for digest in sorted(names.revisions.get(repository, ())):
            self._check_listed(repository, digest)

    def everything(self) -> Report:
        """All repositories, and all blobs whether or not anything points at them."""
        names = read_names(self._reader.names())
        for name in names.unknown:
            self._problem(name, "is no name of the storage layout")
        for repository in names.repositories:
            self.repository(repository)
        for digest in sorted(names.blobs):
            self._content(digest, Needed(digest, -1, False))
        return self.report

    def manifest(self, repository: str, digest: str) -> None:
        """A manifest's revision link, its bytes, and all that it points at but its subject."""
        if (repository, digest) in self._manifests:
            return
        self._manifests.add((repository, digest))
        self.report.manifests += 1
        place = f"{repository}@{digest}"
        self._link(place, revision_path(repository, digest), digest)
        body = self._body(place, digest)
        if body is None:
            return
        for blob in body.blobs:
            self._layer(repository, place, blob)
        for child in body.children:
            self.manifest(repository, child.digest)
            self._check_size(place, child)

    def _body(self, place: str, digest: str) -> Body | None:
        try:
            raw = bytes(self._reader.container.download_blob(blob_path(digest)).readall())
        except ResourceNotFoundError:
            self._problem(place, f"its content {blob_path(digest)} is missing")
            return None
        if not has_digest(raw, digest):
            self._problem(place, f"its bytes have {digest_of(raw, algorithm_of(digest))}")
            self._hashed[digest] = (len(raw), "wrong bytes")
            return None
        self._count(digest, len(raw))
        try:
            return read_body(raw)
        except ValueError as error:
            self._problem(place, str(error))
            return None

    def _layer(self, repository: str, place: str, needed: Needed) -> None:
        """A config's or layer's link here and its content."""
        if needed.foreign:
            try:
                self._reader.size(repository, needed.digest)
            except NotServed:
                self.report.left_out.add(needed.digest)
                return
        if (repository, needed.digest) not in self._linked:
            self._linked.add((repository, needed.digest))
            self._link(place, layer_path(repository, needed.digest), needed.digest)
        self._content(place, needed)

    def _content(self, place: str, needed: Needed) -> None:
        digest = needed.digest
        if digest not in self._hashed:
            self._hash(digest)
        _, problem = self._hashed[digest]
        if problem is not None:
            self._problem(place, f"{digest}: {problem}")
        else:
            self._check_size(place, needed)

    def _hash(self, digest: str) -> None:
        hasher, size = hashlib.new(algorithm_of(digest)), 0
        try:
            for piece in self._reader.container.download_blob(blob_path(digest)).chunks():
                hasher.update(piece)
                size += len(piece)
        except ResourceNotFoundError:
            self._hashed[digest] = (0, f"its content {blob_path(digest)} is missing")
            return
        if (found := f"{algorithm_of(digest)}:{hasher.hexdigest()}") != digest:
            self._hashed[digest] = (size, f"its bytes have {found}")
            return
        self.report.blobs += 1
        self._count(digest, size)

    def _count(self, digest: str, size: int) -> None:
        if digest not in self._hashed:
            self._hashed[digest] = (size, None)
            self.report.size += size
            if self._progress is not None:
                self._progress(digest, size)

    def _check_size(self, place: str, needed: Needed) -> None:
        size, problem = self._hashed.get(needed.digest, (-1, None))
        if problem is None and -1 not in (size, needed.size) and size != needed.size:
            self._problem(place, f"lists {needed.digest} with {needed.size} bytes, and it has {size}")

    def _link(self, place: str, path: str, expected: str | None) -> str | None:
        try:
            target = self._reader.link(path)
        except (NotServed, Damaged) as error:
            self._problem(place, str(error))
            return None
        if expected is not None and target != expected:
            self._problem(place, f"{path} points at {target}")
        return target

    def _check_listed(self, repository: str, digest: str) -> None:
        """distribution-spec "referrers tag schema": a stock registry has no other way to find a referrer."""
        try:
            body = read_body(self._reader.manifest(repository, digest).raw)
            if body.subject is None:
                return
            listing = self._reader.manifest(repository, referrers_tag(body.subject))
            listed = read_body(listing.raw)
        except NotServed as error:
            self._problem(f"{repository}@{digest}", f"is not listed as a referrer: {error}")
            return
        except (Damaged, ValueError):
            return  # said already
        # Any other kind of manifest under that tag is someone's own, and left as it is.
        if (
            listing.media_type == INDEX
            and listed.subject is None
            and digest not in {child.digest for child in listed.children}
        ):
            self._problem(f"{repository}@{digest}", f"is not listed under {referrers_tag(body.subject)}")

    def _problem(self, place: str, what: str) -> None:
        problem = Problem(place, what)
        if problem not in self.report.problems:
            self.report.problems.append(problem)


def verify_tag(reader: MirrorReader, repository: str, tag: str, progress: Progress | None = None) -> Report:
    verifier = Verifier(reader, progress)
    verifier.tag(repository, tag)
    return verifier.report


def verify_manifest(reader: MirrorReader, repository: str, digest: str) -> Report:
    verifier = Verifier(reader)
    verifier.manifest(repository, digest)
    return verifier.report


def verify_repository(reader: MirrorReader, repository: str) -> Report:
    verifier = Verifier(reader)
    verifier.repository(repository)
    return verifier.report


def verify_all(reader: MirrorReader, progress: Progress | None = None) -> Report:
    return Verifier(reader, progress).everything()
