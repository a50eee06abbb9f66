"""Pulls images through the distribution API of the function app, as container tools do, and hashes all that comes."""

import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import urllib3
from urllib3.util import Timeout

from acrmirror.errors import Denied, DigestMismatch, MirrorError, Unavailable
from acrmirror.oci import MANIFEST_TYPES, MAX_DEPTH, MAX_MANIFEST_SIZE, Descriptor, Manifest, parse_manifest
from acrmirror.reference import Digest

PIECE = 1024 * 1024
_RETRY = urllib3.Retry(
    connect=3, read=0, status=3, other=0, redirect=0, backoff_factor=0.5, status_forcelist=(429, 503)
)
_SERVE = "Look that MIRROR_SERVE is not off, and that the pull credential may pull this repository."

_SIGN_IN = f"Give a pull credential. {_SERVE}"


class _Missing(Unavailable):
    """404."""


@dataclass(slots=True)
class Pulled:
    """One image: its root's digest, how much came, and in how many seconds."""

    image: str
    digest: str
    manifests: int = 0
    blobs: int = 0
    bytes: int = 0
    seconds: float = 0.0


class Puller:
    """A client of `<url>/v2/`; use it as a context. `ca` is a PEM file of an authority to trust besides the system's;
    `remedy` what is told to who is let in nowhere.

    It raises Denied, Unavailable, DigestMismatch and Malformed.
    """

    def __init__(
        self,
        url: str,
        username: str | None,
        password: str,
        ca: Path | None,
        remedy: str = _SIGN_IN,
    ) -> None:
        self._url = url
        self._remedy = remedy
        context = ssl.create_default_context()
        if ca is not None:
            context.load_verify_locations(ca)
        self._pool = urllib3.PoolManager(maxsize=8, ssl_context=context)
        basic = b64encode(f"{username}:{password}".encode()).decode() if username is not None else None
        self._headers = {"Authorization": f"Basic {basic}"} if basic is not None else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def pull(self, repository: str, tag: str) -> Pulled:
        """The whole image, every platform of it."""
        begun = time.monotonic()
        root = self._manifest(repository, tag, None)
        pulled = Pulled(f"{repository}:{tag}", str(root.digest))
        blobs: dict[Digest, Descriptor] = {}
        seen = {root.digest}
        level = [root]
        for _ in range(MAX_DEPTH + 1):
            below: list[Descriptor] = []
            for manifest in level:
                pulled.manifests += 1
                pulled.bytes += manifest.size
                blobs |= {it.digest: it for it in manifest.blobs}
                below += [it for it in manifest.manifests if it.digest not in seen]
                seen.update(it.digest for it in below)
            level = [self._manifest(repository, str(it.digest), it.digest) for it in below]
        for blob in blobs.values():
            try:
                pulled.bytes += self._blob(repository, blob)
            except _Missing:
                if not blob.is_foreign:
                    raise
                # The registry did not have it either.
                continue
            pulled.blobs += 1
        pulled.seconds = time.monotonic() - begun
        return pulled

    def _manifest(self, repository: str, reference: str, digest: Digest | None) -> Manifest:
        asked = f"pull {repository}{'@' if digest else ':'}{reference}"
        headers = self._headers | {"Accept": ", ".join(sorted(MANIFEST_TYPES))}
        answer = self._get(f"{self._url}/v2/{repository}/manifests/{reference}", headers, asked)
        raw = b"".join(_pieces(answer, MAX_MANIFEST_SIZE, asked))
        told = Digest.parse(answer.headers.get("Docker-Content-Digest", ""))
        if digest is not None and told != digest:
            raise DigestMismatch(asked, f"the answer is of {told}", "Audit the mirror: acrmirror audit.")
        return parse_manifest(raw, answer.headers.get("Content-Type", ""), told)

    def _blob(self, repository: str, blob: Descriptor) -> int:
        asked = f"pull blob {blob.digest} of {repository}"
        answer = self._get(f"{self._url}/v2/{repository}/blobs/{blob.digest}", self._headers, asked)
        if answer.status in (302, 303, 307, 308):
            location = answer.headers.get("Location", "")
            answer.drain_conn()
            # The link lets in whoever has it: the credential is not for storage, nor the link for any message.
            answer = self._get(location, {}, asked)
        hasher, size = blob.digest.hasher(), 0
        for piece in _pieces(answer, blob.size, asked):
            hasher.update(piece)
            size += len(piece)
        if hasher.hexdigest() != blob.digest.encoded or size != blob.size:
            raise DigestMismatch(asked, f"its {size} bytes are not those of the digest", "Audit the mirror.")
        return size

    def delete(self, path: str) -> None:
        """Deletes what a registry lets whoever signed in delete; what is missing is deleted."""
        asked = f"delete {path}"
        try:
            self._get(f"{self._url}{path}", self._headers, asked, "DELETE").drain_conn()
        except _Missing:
            return

    def _get(self, url: str, headers: dict[str, str], asked: str, method: str = "GET") -> urllib3.BaseHTTPResponse:
        try:
            answer = self._pool.request(
                method,
                url,
                headers=headers,
                redirect=False,
                retries=_RETRY.new(raise_on_status=False),
                timeout=Timeout(connect=10, read=60),
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            # Its text has the URL.
            raise Unavailable(
                asked, f"it could not be reached ({type(error).__name__})", "Check the network."
            ) from None
        if answer.status < 400:
            return answer
        answer.drain_conn()
        raise _refused(asked, answer.status, self._remedy)


def _pieces(answer: urllib3.BaseHTTPResponse, most: int, asked: str) -> Iterator[bytes]:
    """Raises DigestMismatch over `most` bytes."""
    size = 0
    try:
        for piece in answer.stream(PIECE, decode_content=False):
            size += len(piece)
            if size > most:
                raise DigestMismatch(asked, f"more than {most} bytes came", "Audit the mirror: acrmirror audit.")
            yield piece
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable(asked, f"it broke off ({type(error).__name__})", "Try it again.") from None
    finally:
        answer.release_conn()


def _refused(asked: str, status: int, remedy: str) -> MirrorError:
    if status == 404:
        return _Missing(asked, "it answered 404", remedy)
    if status in (401, 403):
        return Denied(asked, f"it answered {status}", remedy)
    return Unavailable(asked, f"it answered {status}", "Try it again, or look into the function's log.")
