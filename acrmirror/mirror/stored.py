"""A blob of the mirror, read again to be hashed anew."""

import threading
from collections.abc import Callable

from acrmirror.errors import Cancelled, Unavailable
from acrmirror.mirror.blocks import Blocks
from acrmirror.mirror.ingest import Ingest
from acrmirror.oci import Descriptor
from acrmirror.storage import Container


class StoredBlob(Blocks):
    """A blob in the mirror, read at any offset by many threads at once; all read the version that `etag` names."""

    def __init__(self, container: Container, name: str, descriptor: Descriptor, etag: str) -> None:
        super().__init__(descriptor.size)
        self.descriptor = descriptor
        self.etag = etag
        self._container = container
        self._name = name
        self._asked = f"read blob {descriptor.digest} again"
        self._closed = threading.Event()

    def read_into(self, offset: int, buffer: memoryview, arrived: Callable[[int], None]) -> None:
        """Fills `buffer` with the blob's bytes from `offset` on, and calls `arrived` with how many came since. Raises
        Conflict where it is not that version any more, Cancelled after `close`."""
        filled = 0
        stream = self._container.stream(self._name, self._asked, offset=offset, length=len(buffer), etag=self.etag)
        for piece in stream.pieces:
            if self._closed.is_set():
                raise Cancelled(self._asked, "reading was stopped", "Request it again if it is still wanted.")
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
            arrived(len(piece))
        if filled != len(buffer):
            raise Unavailable(self._asked, f"{filled} of {len(buffer)} bytes came", "It will be tried again.")

    def replacement(self, *, resume: bool = True) -> Ingest:
        """The way in for the blob where these bytes are wrong: it replaces them and no others (If-Match)."""
        return Ingest(self._container, self._name, self.descriptor, resume=resume, replaces=self.etag)

    def close(self) -> None:
        """From any thread: reads under way end soon."""
        self._closed.set()
