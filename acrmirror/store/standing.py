"""What stands in the mirror already, read again to be hashed anew."""

import hashlib
import threading
from collections.abc import Callable

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient

from acrmirror.errors import Cancelled, Conflict, Unavailable
from acrmirror.reference import Digest
from acrmirror.store.failures import explained


class Standing:
    """A blob that stands, read at any offset by many threads at once: by all of them the version that `etag` names."""

    def __init__(self, blob: BlobClient, digest: Digest, etag: str) -> None:
        self.etag = etag
        self._blob = blob
        self._asked = f"read blob {digest} again"
        self._closed = threading.Event()

    def read_into(self, offset: int, buffer: memoryview, arrived: Callable[[int], None]) -> None:
        """Fills `buffer` with the blob's bytes from `offset` on, and calls `arrived` with how many came since. Raises
        Conflict where it is not that version any more, Cancelled after `close`."""
        filled = 0
        with explained(self._asked):
            try:
                stream = self._blob.download_blob(
                    offset,
                    len(buffer),
                    etag=self.etag,
                    match_condition=MatchConditions.IfNotModified,
                    max_concurrency=1,
                )
                for chunk in stream.chunks():
                    if self._closed.is_set():
                        raise Cancelled(self._asked, "reading was stopped", "Ask for it again if it is still wanted.")
                    buffer[filled : filled + len(chunk)] = chunk
                    filled += len(chunk)
                    arrived(len(chunk))
            except HttpResponseError as error:
                if error.status_code not in (404, 412):
                    raise
                raise Conflict(self._asked, "it was replaced meanwhile", "It will be tried again.") from error
        if filled != len(buffer):
            raise Unavailable(self._asked, f"{filled} of {len(buffer)} bytes came", "It will be tried again.")

    def close(self) -> None:
        """From any thread: reads under way end soon."""
        self._closed.set()


def rehash(blob: BlobClient, digest: Digest, pause: Callable[[], None] | None = None) -> tuple[Digest, int, str]:
    """Reads a stored blob again: its digest (in `digest`'s algorithm), its length, its ETag. `pause` is called between
    pieces of it."""
    with explained(f"read blob {digest} again"):
        stream = blob.download_blob(max_concurrency=1)
        hasher = hashlib.new(digest.algorithm)
        size = 0
        for chunk in stream.chunks():
            if pause is not None:
                pause()
            hasher.update(chunk)
            size += len(chunk)
        return Digest(digest.algorithm, hasher.hexdigest()), size, str(stream.properties.etag)
