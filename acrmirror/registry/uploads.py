"""Blobs on their way into a registry (distribution-spec "pushing blobs"), one upload each.

Azure Container Registry answers a body over about 20 MB with 413, refuses a chunk with a `Content-Range` and no
`Content-Length`, and forgets an upload of which a chunk comes a second time: so a chunk that may have arrived is never
sent again before the registry has said how far the upload is (rule T2).
"""

import re
import threading
from collections.abc import Callable
from urllib.parse import urlencode

from azure.core.rest import HttpResponse

from acrmirror.cancel import LOCK_POLL_SECONDS, check_bound, pause, unbound
from acrmirror.deadlines import LEAST_PROGRESS
from acrmirror.errors import DigestMismatch, Malformed, MirrorError, NotFound, Permanent, Throttled, Unavailable
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.registry.failures import CHECK_WHO_ANSWERS
from acrmirror.registry.patience import Patience
from acrmirror.registry.policy import OnRequest
from acrmirror.registry.session import Session

CHUNK = 16 * 1024 * 1024
"""Bytes of a blob in one request: registries refuse about 20 MB, and count requests (rule T2)."""
OCTETS = "application/octet-stream"
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})", re.ASCII)


def chunks(size: int, chunk: int) -> int:
    """How many a blob of `size` bytes is pushed in; one is a single body."""
    return max(1, -(-size // chunk))


class Upload:
    """One blob's upload. Not for several threads at once."""

    def __init__(
        self, session: Session, on_request: OnRequest | None, repository: str, digest: Digest, begun: HttpResponse
    ) -> None:
        self._session = session
        self._on_request = on_request
        self._repository = repository
        self._digest = digest
        self._asked = f"push blob {digest} to {session.host}/{repository}"
        self._offset = 0
        self._location = self._next(begun)

    def append(self, data: memoryview) -> None:
        """The next chunk. It is tried again for as long as the session's patience lasts; where it can't be said what of
        it arrived, only what is missing is sent. Raises Unavailable where the registry has lost the upload."""
        begin, end = self._offset, self._offset + len(data)
        patience = Patience(self._session.limits.patience)
        while self._offset < end:
            before = self._offset
            headers = {"Content-Type": OCTETS, "Content-Range": f"{before}-{end - 1}"}
            try:
                answer = self._send("PATCH", self._location, data[before - begin :], headers)
                self._location = self._next(answer)
                self._offset = end
            except Throttled as error:
                pause(patience.after(error, 0))
            except Unavailable as error:
                pause(patience.after(error, 0))
                self._look(begin, end)
                if self._offset - before >= LEAST_PROGRESS:
                    patience = Patience(self._session.limits.patience)
            except (NotFound, Permanent) as error:
                raise self._refused(error) from error

    def finish(self, data: memoryview | bytes = b"") -> None:
        """Makes the blob of all that was sent, and of `data` behind it. Where no answer comes, or the registry does not
        know the upload any more, the blob is looked for: it may have arrived. Raises DigestMismatch where the registry
        got other bytes."""
        joined = "&" if "?" in self._location else "?"
        location = f"{self._location}{joined}{urlencode({'digest': str(self._digest)})}"
        patience = Patience(self._session.limits.patience)
        while True:
            try:
                self._send("PUT", location, data, {"Content-Type": OCTETS})
                return
            except Throttled as error:
                pause(patience.after(error, 0))
            except (Unavailable, NotFound) as error:
                if self._arrived():
                    return
                raise self._refused(error) from error
            except Permanent as error:
                raise self._refused(error) from error

    def abandon(self) -> None:
        """Tells the registry that no more will come, if it listens."""
        try:
            with unbound():
                self._send("DELETE", self._location)
        except MirrorError:
            # It forgets uploads by itself after a while.
            return

    def _look(self, begin: int, end: int) -> None:
        """How far the upload is by the registry's word."""
        try:
            answer = self._send("GET", self._location)
        except NotFound as error:
            raise self._lost() from error
        found = _RANGE.fullmatch(answer.headers.get("Range") or "")
        # "0-0" stands for one byte and for none: then for none, since no chunk ends there.
        offset = int(found[1]) + 1 if found is not None and found[1] != "0" else 0
        if not begin <= offset <= end:
            raise self._lost()
        self._offset = offset
        self._location = self._next(answer)

    def _arrived(self) -> bool:
        try:
            self._send("HEAD", f"/v2/{self._repository}/blobs/{self._digest}")
        except NotFound:
            return False
        return True

    def _next(self, answer: HttpResponse) -> str:
        location: str | None = answer.headers.get("Location")
        if not location:
            raise Malformed(self._asked, "it did not say where the upload goes on", CHECK_WHO_ANSWERS)
        return location

    def _refused(self, error: MirrorError) -> MirrorError:
        if isinstance(error, NotFound) or "BLOB_UPLOAD_" in error.answered or "answered 416" in error.answered:
            return self._lost()
        if "DIGEST_INVALID" in error.answered:
            return DigestMismatch(self._asked, error.answered, "It is sent again.")
        if "answered 413" in error.answered:
            remedy = "Something before the registry takes smaller requests than it does: let 16 MiB through."
            return Permanent(self._asked, error.answered, remedy)
        return error

    def _lost(self) -> Unavailable:
        return Unavailable(self._asked, "the registry does not know the upload any more", "It is begun again.")

    def _send(
        self, method: str, path: str, body: memoryview | bytes | None = None, headers: dict[str, str] | None = None
    ) -> HttpResponse:
        return self._session.send(method, path, "*/*", self._on_request, body, headers or {})


class BlobUpload:
    """The way in for one blob: chunks that go out in their order, whichever threads hold them.

    Nothing is at the digest before `commit` or `put`. A thread waits for chunks before its own, which others hold.
    """

    mends = False

    def __init__(
        self, descriptor: Descriptor, chunk: int, begin: Callable[[], Upload], arrived: Callable[[Descriptor], None]
    ) -> None:
        self.block_size = chunk
        self.count = chunks(descriptor.size, chunk)
        self._descriptor = descriptor
        self._begin = begin
        self._arrived = arrived
        self._upload: Upload | None = None
        self._turn = threading.Condition()
        self._next = 0
        self._failure: BaseException | None = None

    def block(self, index: int) -> tuple[int, int]:
        offset = index * self.block_size
        return offset, min(self.block_size, self._descriptor.size - offset)

    def stage(self, index: int, data: memoryview, running: bytes) -> bool:  # noqa: ARG002
        """Sends a chunk, once those before it are sent."""
        with self._turn:
            while self._next != index and self._failure is None:
                check_bound()
                self._turn.wait(LOCK_POLL_SECONDS)
            if self._failure is not None:
                raise Unavailable(
                    f"push blob {self._descriptor.digest}", "a chunk before was not taken", "It will be tried again."
                )
        try:
            if self._upload is None:
                self._upload = self._begin()
            self._upload.append(data)
        except BaseException as error:
            with self._turn:
                self._failure = error
                self._turn.notify_all()
            raise
        with self._turn:
            self._next += 1
            self._turn.notify_all()
        return True

    def put(self, data: memoryview, digest: Digest) -> bool:
        """A blob of one chunk, in one body."""
        self._check(digest)
        self._begin().finish(data)
        self._arrived(self._descriptor)
        return True

    def commit(self, digest: Digest, restage: Callable[[list[int]], None]) -> bool:  # noqa: ARG002
        """Makes the blob of its chunks. Raises DigestMismatch, and gives the upload up, where they hash to something
        else."""
        upload = self._upload or self._begin()
        try:
            self._check(digest)
        except DigestMismatch:
            upload.abandon()
            raise
        upload.finish()
        self._arrived(self._descriptor)
        return True

    def _check(self, digest: Digest) -> None:
        if digest != self._descriptor.digest:
            raise DigestMismatch(
                f"push blob {self._descriptor.digest}",
                f"the bytes that came hash to {digest}; the registry has no such blob",
                "It will be read again; if it stays so, pull the image into the mirror with force.",
            )
