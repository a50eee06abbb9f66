"""Bytes that can be read from their start as often as wanted, without ever being held as a whole."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Content:
    """`open()` gives a new readable, not necessarily seekable, stream of exactly `size` bytes each time."""

    size: int
    open: Callable[[], BinaryIO]

    @classmethod
    def of(cls, data: bytes) -> Self:
        return cls(len(data), lambda: io.BytesIO(data))

    @classmethod
    def at(cls, path: Path, offset: int = 0, size: int | None = None) -> Self:
        """A file, or `size` bytes of one from `offset` on (a member of an uncompressed tar, say)."""
        length = path.stat().st_size - offset if size is None else size

        def opened() -> BinaryIO:
            file = path.open("rb")
            file.seek(offset)
            return file if size is None else _buffered(_Window(file, size))

        return cls(length, opened)

    @classmethod
    def made(cls, size: int, make: Callable[[], Iterator[bytes]]) -> Self:
        """What `make()` yields, made anew for every reader."""
        return cls(size, lambda: _buffered(_Pieces(make())))

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        with self.open() as stream:
            while chunk := stream.read(size):
                yield chunk

    def read(self) -> bytes:
        """All of it: for content known to be small."""
        with self.open() as stream:
            return stream.read()


def _buffered(raw: io.RawIOBase) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(raw, CHUNK))


class _Pieces(io.RawIOBase):
    """An iterator of bytes as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Window(io.RawIOBase):
    """The next `size` bytes of a file, which it closes."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        target = memoryview(buffer).cast("B")
        data = self._file.read(min(self._left, len(target)))
        target[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
