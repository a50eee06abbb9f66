"""What the registry holds: blobs in files, everything else in memory."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from .errors import RegistryError
from .manifests import Parsed


def now_ns() -> int:
    return time.time_ns()


ATTRIBUTES = ("deleteEnabled", "writeEnabled", "readEnabled", "listEnabled")


def _all_enabled() -> dict[str, bool]:
    return dict.fromkeys(ATTRIBUTES, True)


@dataclass(slots=True)
class Manifest:
    """`pushed` and `updated` are nanoseconds of the Unix epoch."""

    digest: str
    raw: bytes
    parsed: Parsed
    pushed: int
    updated: int
    architecture: str | None = None
    os: str | None = None
    attributes: dict[str, bool] = field(default_factory=_all_enabled)

    @property
    def media_type(self) -> str:
        return self.parsed.media_type


@dataclass(slots=True)
class Tag:
    name: str
    digest: str
    created: int
    updated: int
    previous: str | None = None
    attributes: dict[str, bool] = field(default_factory=_all_enabled)


@dataclass(slots=True)
class Repository:
    """`moves` has for each tag when it came to which digest; None is where it was deleted."""

    name: str
    created: int
    updated: int
    blobs: set[str] = field(default_factory=set)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)
    moves: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    referrers: dict[str, list[str]] = field(default_factory=dict)
    soft_deleted: set[str] = field(default_factory=set)
    attributes: dict[str, bool] = field(default_factory=_all_enabled)

    def tags_of(self, digest: str) -> list[str]:
        return sorted(tag.name for tag in self.tags.values() if tag.digest == digest)


class Content:
    """One lock over all of it; blobs' bytes move outside of the lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = threading.RLock()
        self.soft_delete = False
        """Whether deleted manifests are held back, as with a registry's policy."""
        self._repositories: dict[str, Repository] = {}
        (root / "uploads").mkdir(parents=True, exist_ok=True)
        (root / "blobs").mkdir(exist_ok=True)

    # Blobs

    def blob_path(self, digest: str) -> Path:
        algorithm, _, encoded = digest.partition(":")
        return self.root / "blobs" / algorithm / encoded[:2] / encoded

    def blob_size(self, repository: str, digest: str) -> int:
        """BLOB_UNKNOWN unless the repository has it."""
        with self.lock:
            found = self._repositories.get(repository)
            if found and digest in found.blobs:
                with contextlib.suppress(FileNotFoundError):
                    return self.blob_path(digest).stat().st_size
        raise RegistryError("BLOB_UNKNOWN", "blob unknown to registry", digest)

    def open_blob(self, digest: str) -> BinaryIO:
        """The data, whichever repository it is in; FileNotFoundError if in none."""
        return self.blob_path(digest).open("rb")

    def add_blob(self, repository: str, digest: str, upload: Path | None) -> None:
        """Takes the upload's file over, or, without one, makes data that is known already visible in the repository."""
        path = self.blob_path(digest)
        with self.lock:
            if upload is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                upload.replace(path)
            self._repository(repository).blobs.add(digest)

    def has_data(self, digest: str, repository: str | None = None) -> bool:
        with self.lock:
            if repository is not None:
                found = self._repositories.get(repository)
                return found is not None and digest in found.blobs
            return self.blob_path(digest).exists()

    def delete_blob(self, repository: str, digest: str) -> None:
        with self.lock:
            self.blob_size(repository, digest)
            self._repositories[repository].blobs.discard(digest)
            if not any(digest in one.blobs for one in self._repositories.values()):
                self.blob_path(digest).unlink(missing_ok=True)

    # Repositories

    def _repository(self, name: str) -> Repository:
        now = now_ns()
        return self._repositories.setdefault(name, Repository(name, now, now))

    def repository(self, name: str) -> Repository:
        """NAME_UNKNOWN unless a manifest stands in it."""
        with self.lock:
            found = self._repositories.get(name)
            if found is None or not found.manifests:
                # The code and its text as Azure Container Registry gives them.
                message = "repository name not known to registry"
                raise RegistryError("NAME_UNKNOWN", message, {"name": name})
            return found

    def repositories(self) -> list[str]:
        with self.lock:
            return sorted(one.name for one in self._repositories.values() if one.manifests)

    def delete_repository(self, name: str) -> list[Manifest]:
        with self.lock:
            found = self.repository(name)
            for digest in list(found.blobs):
                self.delete_blob(name, digest)
            del self._repositories[name]
            return list(found.manifests.values())

    # Manifests and tags

    def manifest(self, repository: str, digest: str) -> Manifest:
        with self.lock:
            found = self._repositories.get(repository)
            if found is None or digest not in found.manifests:
                raise RegistryError("MANIFEST_UNKNOWN", f"manifest {digest} is not found", {"Digest": digest})
            return found.manifests[digest]

    def tag(self, repository: str, name: str) -> Tag:
        with self.lock:
            found = self._repositories.get(repository)
            if found is None or name not in found.tags:
                # The text and the detail as Azure Container Registry was seen to answer.
                raise RegistryError("MANIFEST_UNKNOWN", f'manifest tagged by "{name}" is not found', {"Tag": name})
            return found.tags[name]

    def tag_at(self, repository: str, name: str, moment: int) -> str:
        """The digest that the tag had at `moment`; MANIFEST_UNKNOWN if it had none then."""
        with self.lock:
            found = self._repositories.get(repository)
            moves = found.moves.get(name, []) if found is not None else []
            digest = next((digest for at, digest in reversed(moves) if at <= moment), None)
        if digest is None:
            raise RegistryError("MANIFEST_UNKNOWN", f'manifest tagged by "{name}" is not found', {"Tag": name})
        return digest

    def put_manifest(self, repository: str, digest: str, raw: bytes, parsed: Parsed, tag: str | None) -> Manifest:
        """MANIFEST_BLOB_UNKNOWN if what it points at is not in the repository (subjects and foreign layers aside)."""
        with self.lock:
            into = self._repository(repository)
            if digest in into.soft_deleted:
                # That it is refused is documented (container-registry-soft-delete-policy, "known issues"); its code and
                # its text are not.
                raise RegistryError("DENIED", f"manifest {digest} is soft deleted: restore it instead")
            for needed in parsed.blobs:
                if needed not in into.blobs:
                    raise RegistryError("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", {"digest": needed})
            for child in parsed.children:
                # Build caches are indexes of layers: distribution looks for any blob of that digest.
                if child not in into.manifests and child not in into.blobs:
                    raise RegistryError("MANIFEST_BLOB_UNKNOWN", "manifest unknown to registry", {"digest": child})
            now = now_ns()
            stored = into.manifests.get(digest)
            if stored is None:
                stored = into.manifests[digest] = Manifest(digest, raw, parsed, now, now)
                stored.architecture, stored.os = self._platform(parsed)
                if parsed.subject:
                    into.referrers.setdefault(parsed.subject, []).append(digest)
            stored.updated = into.updated = now
            if tag is not None:
                self._move_tag(into, tag, digest, now)
            return stored

    def _move_tag(self, into: Repository, name: str, digest: str, now: int) -> None:
        into.moves.setdefault(name, []).append((now, digest))
        known = into.tags.get(name)
        if known is None:
            into.tags[name] = Tag(name, digest, now, now)
        elif known.digest != digest:
            known.previous, known.digest, known.updated = known.digest, digest, now

    def _platform(self, parsed: Parsed) -> tuple[str | None, str | None]:
        if parsed.config is None:
            return None, None
        try:
            config = json.loads(self.blob_path(parsed.config).read_bytes()[: 4 << 20])
            return config.get("architecture"), config.get("os")
        except (OSError, ValueError, AttributeError):
            return None, None

    def delete_manifest(self, repository: str, digest: str) -> Manifest:
        with self.lock:
            gone = self.manifest(repository, digest)
            inside = self._repositories[repository]
            del inside.manifests[digest]
            if self.soft_delete:
                inside.soft_deleted.add(digest)
            for name in [name for name, tag in inside.tags.items() if tag.digest == digest]:
                self._untag(inside, name)
            if gone.parsed.subject:
                inside.referrers[gone.parsed.subject].remove(digest)
            inside.updated = now_ns()
            return gone

    def delete_tag(self, repository: str, name: str) -> None:
        with self.lock:
            self.tag(repository, name)
            self._untag(self._repositories[repository], name)

    @staticmethod
    def _untag(inside: Repository, name: str) -> None:
        del inside.tags[name]
        inside.moves[name].append((now_ns(), None))

    def referrers(self, repository: str, subject: str) -> Iterator[Manifest]:
        with self.lock:
            found = self._repositories.get(repository)
            digests = list(found.referrers.get(subject, [])) if found else []
            return iter([found.manifests[one] for one in digests] if found else [])
