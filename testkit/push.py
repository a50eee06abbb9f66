"""Pushes images over the registry protocol (distribution-spec 1.1), as a container tool would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

from acrmirror.oci import Descriptor
from acrmirror.reference import Digest, check_repository, check_tag
from testkit.images import Content, Image, StoredManifest
from testkit.session import Answer, Session

CHUNK = 8 * 1024 * 1024
"""Bytes in one request, unless asked otherwise; registries refuse single bodies of more than about 20 MB."""

Progress = Callable[[Digest, int, int], None]
"""Called with a blob's digest, the bytes of it that are sent, and its size; from several threads."""


class Pusher:
    """A client of one registry, for any number of threads.

    `host` is `name:port`; without a user name it comes anonymously. `ca` is a PEM file to trust instead of the
    system's.
    """

    def __init__(
        self, host: str, username: str | None = None, password: str = "", ca: Path | None = None, timeout: float = 60
    ) -> None:
        self._session = Session(host, username, password, ca, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    # -- whole images

    def image(
        self,
        repository: str,
        image: Image,
        *,
        mount_from: str | None = None,
        threads: int = 4,
        chunk: int = CHUNK,
        progress: Progress | None = None,
    ) -> Descriptor:
        """Blobs side by side, then the manifests in their order; what the registry has already is not sent again."""

        def send(number: int) -> None:
            blob = image.blobs[number]
            digest, size = blob.descriptor.digest, blob.descriptor.size
            if not self.has_blob(repository, digest):
                self.blob(
                    repository, blob.content, digest=digest, mount_from=mount_from, chunk=chunk, progress=progress
                )
            elif progress is not None:
                progress(digest, size, size)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(send, range(len(image.blobs))))
        for stored in image.manifests:
            self.stored(repository, stored)
        return image.root

    def stored(self, repository: str, stored: StoredManifest) -> Descriptor:
        """One manifest of an image, under the tag that it names."""
        descriptor = stored.descriptor
        return self.manifest(repository, stored.raw, descriptor.media_type, stored.tag, descriptor.digest)

    # -- blobs

    def has_blob(self, repository: str, digest: Digest) -> bool:
        return self._exists(repository, f"blobs/{digest}")

    def blob(
        self,
        repository: str,
        content: Content | bytes,
        *,
        media_type: str = "application/octet-stream",
        digest: Digest | None = None,
        mount_from: str | None = None,
        chunk: int = CHUNK,
        progress: Progress | None = None,
    ) -> Descriptor:
        """Sends one blob, in a single body where it fits into `chunk` bytes, else chunk by chunk.

        `mount_from` names another repository that may have it already. Without `digest` it is read once more to take
        its sha256.
        """
        if isinstance(content, bytes):
            content = Content.of(content)
        digest = _digest(content) if digest is None else digest
        descriptor = Descriptor(media_type, digest, content.size)
        scopes = _scopes(repository, mount_from)
        query = "" if mount_from is None else "?" + urlencode({"mount": str(digest), "from": mount_from})
        begun = self._session.send("POST", f"{_path(repository)}/blobs/uploads/{query}", scopes, expect=(201, 202))
        if begun.status == 202:
            self._upload(begun, content, digest, scopes, chunk, progress)
        if progress is not None:
            progress(digest, content.size, content.size)
        return descriptor

    def _upload(
        self,
        begun: Answer,
        content: Content,
        digest: Digest,
        scopes: Sequence[str],
        chunk: int,
        progress: Progress | None,
    ) -> None:
        location, sent, last = self._session.location(begun, "/v2/"), 0, b""
        with content.open() as stream:
            while content.size - sent > chunk:
                data = stream.read(chunk)
                headers = {
                    "Content-Type": "application/octet-stream",
                    "Content-Range": f"{sent}-{sent + len(data) - 1}",
                }
                answer = self._session.send("PATCH", location, scopes, data, headers, expect=(202,))
                location = self._session.location(answer, location)
                sent += len(data)
                if progress is not None:
                    progress(digest, sent, content.size)
            last = stream.read()
        headers = {"Content-Type": "application/octet-stream"}
        if sent:
            headers["Content-Range"] = f"{sent}-{sent + len(last) - 1}"
        end = location + ("&" if "?" in location else "?") + urlencode({"digest": str(digest)})
        self._session.send("PUT", end, scopes, last, headers, expect=(201,))

    # -- manifests

    def has_manifest(self, repository: str, reference: str | Digest) -> bool:
        return self._exists(repository, f"manifests/{reference}")

    def manifest(
        self, repository: str, raw: bytes, media_type: str, tag: str | None = None, digest: Digest | None = None
    ) -> Descriptor:
        """Sends a manifest, under `tag` or else by its digest.

        A sha512 `digest` takes no tag: registries name what is pushed by tag by its sha256 (distribution-spec 1.1).
        """
        digest = Digest.of(raw) if digest is None else digest
        if tag is not None and digest.algorithm != "sha256":
            raise ValueError(f"{tag} can't be pushed as {digest.algorithm}: that goes by digest alone")
        name = str(digest) if tag is None else check_tag(tag)
        path = f"{_path(repository)}/manifests/{name}"
        answer = self._session.send("PUT", path, _scopes(repository), raw, {"Content-Type": media_type}, expect=(201,))
        answered = answer.headers.get("Docker-Content-Digest", str(digest))
        if answered != str(digest):
            raise ValueError(f"The registry says that {repository} got {answered}, and it was sent {digest}")
        return Descriptor(media_type, digest, len(raw))

    def delete_manifest(self, repository: str, digest: Digest) -> None:
        self._session.send(
            "DELETE", f"{_path(repository)}/manifests/{digest}", _scopes(repository, delete=True), expect=(202,)
        )

    def delete_tag(self, repository: str, tag: str) -> None:
        """Takes the tag alone; its manifest stays."""
        path = f"{_path(repository)}/manifests/{check_tag(tag)}"
        self._session.send("DELETE", path, _scopes(repository, delete=True), expect=(202,))

    def _exists(self, repository: str, what: str) -> bool:
        path = f"{_path(repository)}/{what}"
        answer = self._session.send("HEAD", path, _scopes(repository), headers={"Accept": "*/*"}, expect=(200, 404))
        return answer.status == 200


def _path(repository: str) -> str:
    return f"/v2/{quote(check_repository(repository))}"


def _scopes(repository: str, mount_from: str | None = None, delete: bool = False) -> tuple[str, ...]:
    own = f"repository:{check_repository(repository)}:pull,push{',delete' if delete else ''}"
    return (own,) if mount_from is None else (own, f"repository:{check_repository(mount_from)}:pull")


def _digest(content: Content) -> Digest:
    hasher = Digest.of(b"").hasher()
    for piece in content.chunks():
        hasher.update(piece)
    return Digest("sha256", hasher.hexdigest())
