"""Watches a mirror while it is written: no tag and no revision link may stand, at any instant, before its closure."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from azure.core.exceptions import ResourceNotFoundError

from testkit.reader.digests import has_digest
from testkit.reader.manifests import read_body
from testkit.reader.mirror import MirrorReader
from testkit.reader.tree import ROOT, Names, blob_path, layer_path, read_names, revision_path, tag_path


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tree's names as one listing gave them.

    A listing that fits one page is one instant of the container (Azurite answers it from memory in one go). Over
    several pages, later ones may tell of later writes.
    """

    sizes: dict[str, int]
    md5: dict[str, bytes]
    names: Names
    is_instant: bool


@dataclass(frozen=True, slots=True)
class Violation:
    """A link that stood while something behind it was missing, and when that was seen (UTC)."""

    link: str
    missing: str
    at: str

    def __str__(self) -> str:
        return f"{self.at} {self.link} stood without {self.missing}"


class Poller:
    """`with Poller(reader) as poller:` takes snapshots `interval` seconds apart until the block ends.

    `violations` is what was found; `snapshots` says how often it looked. An error of the watching itself is raised
    when the block ends, so that nothing passes unwatched.
    """

    def __init__(self, reader: MirrorReader, interval: float = 0.1) -> None:
        self._reader = reader
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirror poller")
        self._error: Exception | None = None
        self._whole: set[tuple[str, str]] = set()
        self._needs: dict[tuple[str, str], dict[str, int]] = {}
        self._seen: set[str] = set()
        self.snapshots = 0
        self.violations: list[Violation] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        try:
            last = False
            while not last:
                last = self._stop.wait(self._interval)  # one more look after the end
                self.look()
        except Exception as error:  # noqa: BLE001  # raised where the block ends
            self._error = error

    def look(self) -> None:
        """Takes one snapshot and judges it."""
        snapshot = self._snapshot()
        found = list(self._judge(snapshot))
        if found and not snapshot.is_instant:
            # What really is missing still is in a second look; what only a later page told of is not.
            again = {(violation.link, violation.missing) for violation in self._judge(self._snapshot())}
            found = [violation for violation in found if (violation.link, violation.missing) in again]
        known = {(violation.link, violation.missing) for violation in self.violations}
        self.violations += [v for v in found if (v.link, v.missing) not in known]
        self.snapshots += 1

    def _snapshot(self) -> Snapshot:
        sizes: dict[str, int] = {}
        md5: dict[str, bytes] = {}
        pages = 0
        for page in self._reader.container.list_blobs(name_starts_with=ROOT).by_page():
            pages += 1
            for blob in page:
                sizes[blob.name] = blob.size
                if blob.content_settings.content_md5:
                    md5[blob.name] = bytes(blob.content_settings.content_md5)
        return Snapshot(sizes, md5, read_names(sizes), pages <= 1)

    def _judge(self, snapshot: Snapshot) -> Iterator[Violation]:
        for name in sorted(self._seen - snapshot.sizes.keys()):
            yield _violation(name, "itself: it was there before")
        self._seen |= snapshot.sizes.keys()
        for repository, digests in snapshot.names.revisions.items():
            for digest in digests:
                yield from self._judge_revision(snapshot, repository, digest)
        for repository, tags in snapshot.names.tags.items():
            by_md5 = {_md5(digest): digest for digest in snapshot.names.revisions.get(repository, ())}
            for tag in tags:
                path = tag_path(repository, tag)
                if path not in snapshot.md5:
                    raise RuntimeError(f"storage keeps no MD5 of {path}: where it points can't be told from a listing")
                if snapshot.md5[path] not in by_md5:
                    yield _violation(path, f"a revision link of what it points at ({self._content_of(path)})")

    def _judge_revision(self, snapshot: Snapshot, repository: str, digest: str) -> Iterator[Violation]:
        key = (repository, digest)
        if key in self._whole:
            return
        needs = self._needs_of(snapshot, repository, digest)
        link = revision_path(repository, digest)
        if needs is None:
            yield _violation(link, blob_path(digest))
            return
        missing = [path for path, size in needs.items() if not _has(snapshot, path, size)]
        for path in missing:
            yield _violation(link, path)
        if not missing:
            self._whole.add(key)

    def _needs_of(self, snapshot: Snapshot, repository: str, digest: str) -> dict[str, int] | None:
        """Path and size (−1: any) of all that has to stand beside a revision link; None if its own bytes do not."""
        if blob_path(digest) not in snapshot.sizes:
            return None
        if (repository, digest) not in self._needs:
            raw = bytes(self._reader.container.download_blob(blob_path(digest)).readall())
            if not has_digest(raw, digest):
                return None
            body = read_body(raw)
            needs: dict[str, int] = {}
            for blob in body.blobs:
                if blob.foreign:
                    continue  # may be absent
                needs[blob_path(blob.digest)] = blob.size
                needs[layer_path(repository, blob.digest)] = -1
            for child in body.children:
                # Its own closure is judged by its own link.
                needs[blob_path(child.digest)] = child.size
                needs[revision_path(repository, child.digest)] = -1
            self._needs[repository, digest] = needs
        return self._needs[repository, digest]

    def _content_of(self, path: str) -> str:
        try:
            return bytes(self._reader.container.download_blob(path).readall()).decode(errors="replace")
        except ResourceNotFoundError:
            return "gone since"


def _has(snapshot: Snapshot, path: str, size: int) -> bool:
    return path in snapshot.sizes and size in (-1, snapshot.sizes[path])


def _md5(digest: str) -> bytes:
    """What storage keeps beside a link to this digest: by it one listing tells where all tags point at that instant."""
    return hashlib.md5(digest.encode(), usedforsecurity=False).digest()


def _violation(link: str, missing: str) -> Violation:
    return Violation(link, missing, time.strftime("%H:%M:%S", time.gmtime()))
