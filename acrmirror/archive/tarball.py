"""The archive as a tar stream, whose every byte follows from the image: so a file that was cut off is gone on with."""

import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from acrmirror.archive.alone import alone
from acrmirror.archive.contents import Part
from acrmirror.archive.fetching import BLOCK, THREADS, Fetch, OnBytes, Range, check, fetch_in_order, ranges
from acrmirror.errors import DigestMismatch
from acrmirror.reference import Digest, Hasher

RECORD = tarfile.BLOCKSIZE
END = bytes(2 * RECORD)


@dataclass(slots=True)
class _Position:
    """Where an archive stops: before part `part`, or `offset` bytes into its blob, which `hasher` has seen."""

    part: int = 0
    offset: int = 0
    hasher: Hasher | None = None


def write_file(
    path: Path,
    parts: Sequence[Part],
    fetch: Fetch,
    *,
    threads: int = THREADS,
    on_bytes: OnBytes | None = None,
    waits: Callable[[], None] | None = None,
) -> None:
    """Writes the archive to `path`, which appears when it is whole; until then it grows as `<path>.part`.

    A `.part` that an earlier run left is checked byte for byte and gone on with, as is the whole of it at the end.
    Raises DigestMismatch for a blob that is not what its digest says; nothing of it is kept. Another export into the
    same file is waited for: `waits` is called before that. A symbolic link stays, and what it points at is written.
    """
    path = Path(os.path.realpath(path))
    unfinished = path.with_name(f"{path.name}.part")
    with alone(path.with_name(f"{path.name}.lock"), waits):
        with unfinished.open("a+b") as file:
            position = _resume(file, parts, on_bytes)
            try:
                _write(file, parts, position, fetch, threads, on_bytes)
            except DigestMismatch:
                file.truncate(_start_of_last_blob(file, parts))
                raise
            file.flush()
            os.fsync(file.fileno())
            _check_whole(file, parts)
        unfinished.replace(path)


def write_stream(
    stream: BinaryIO,
    parts: Sequence[Part],
    fetch: Fetch,
    *,
    threads: int = THREADS,
    on_bytes: OnBytes | None = None,
) -> None:
    """Writes the archive from its beginning to something that can't be sought in, such as a pipe.

    A blob that is not what its digest says ends the stream before the archive's end, so that no reader takes it.
    """
    _write(stream, parts, _Position(), fetch, threads, on_bytes)
    stream.write(END)
    stream.flush()


def header(part: Part) -> bytes:
    """The same for the same part: no times, no owners. GNU's form where a name or a size needs it."""
    info = tarfile.TarInfo(part.name)
    info.size = part.size
    info.mode = 0o644
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def padding(size: int) -> bytes:
    return bytes(-size % RECORD)


def _write(
    stream: BinaryIO,
    parts: Sequence[Part],
    position: _Position,
    fetch: Fetch,
    threads: int,
    on_bytes: OnBytes | None,
) -> None:
    with closing(fetch_in_order(_missing(parts, position), fetch, threads)) as fetched:
        for number in range(position.part, len(parts)):
            part = parts[number]
            resumed = number == position.part and position.hasher is not None
            if not resumed:
                stream.write(header(part))
            if part.blob is None:
                stream.write(part.data)
            else:
                done = position.offset if resumed else 0
                hasher = position.hasher if resumed and position.hasher else part.blob.digest.hasher()
                while done < part.size:
                    data = next(fetched)
                    hasher.update(data)
                    done += len(data)
                    if done == part.size:
                        check(part.blob, hasher.hexdigest())
                    stream.write(data)
                    _tell(on_bytes, part.blob.digest, done)
                if part.size == 0 or (resumed and position.offset == part.size):
                    check(part.blob, hasher.hexdigest())
                    _tell(on_bytes, part.blob.digest, done)
            stream.write(padding(part.size))


def _missing(parts: Sequence[Part], position: _Position) -> Iterator[Range]:
    for number in range(position.part, len(parts)):
        blob = parts[number].blob
        if blob is not None:
            yield from ranges(blob, position.offset if number == position.part else 0)


def _resume(file: BinaryIO, parts: Sequence[Part], on_bytes: OnBytes | None) -> _Position:
    """How much of what `file` has is right; the rest is cut off, and the file's position is its end."""
    file.seek(0)
    position = _Position(len(parts))
    right = 0
    for number, part in enumerate(parts):
        opening = header(part)
        if file.read(len(opening)) != opening:
            position = _Position(number)
            break
        if part.blob is None:
            closing_bytes = part.data + padding(part.size)
            if file.read(len(closing_bytes)) != closing_bytes:
                position = _Position(number)
                break
            right += len(opening) + len(closing_bytes)
            continue
        hasher = part.blob.digest.hasher()
        done = _hash(file, hasher, part.size)
        _tell(on_bytes, part.blob.digest, done)
        if done < part.size:
            position = _Position(number, done, hasher)
            right += len(opening) + done
            break
        if hasher.hexdigest() != part.blob.digest.encoded:
            position = _Position(number)
            break
        pad = padding(part.size)
        if file.read(len(pad)) != pad:
            position = _Position(number, done, hasher)
            right += len(opening) + done
            break
        right += len(opening) + part.size + len(pad)
    file.truncate(right)
    file.seek(right)
    return position


def _check_whole(file: BinaryIO, parts: Sequence[Part]) -> None:
    """Reads what lies in the file, whoever else wrote into it. Keeps what is right of it, and raises DigestMismatch, if
    it is not the archive."""
    if _resume(file, parts, None).part < len(parts):
        raise DigestMismatch(
            "read the archive that was written",
            "its bytes are not those that were fetched",
            "Run it again, with nothing else that writes there.",
        )
    file.write(END)
    file.flush()
    os.fsync(file.fileno())


def _hash(file: BinaryIO, hasher: Hasher, limit: int) -> int:
    """Hashes up to `limit` bytes of what is left of the file, and says how many there were."""
    done = 0
    while done < limit:
        data = file.read(min(BLOCK, limit - done))
        if not data:
            break
        hasher.update(data)
        done += len(data)
    return done


def _start_of_last_blob(file: BinaryIO, parts: Sequence[Part]) -> int:
    """Where the part begins that the file ends in."""
    file.flush()
    end = file.seek(0, os.SEEK_END)
    start = 0
    for part in parts:
        length = len(header(part)) + part.size + len(padding(part.size))
        if start + length > end:
            break
        start += length
    return start


def _tell(on_bytes: OnBytes | None, digest: Digest, done: int) -> None:
    if on_bytes is not None:
        on_bytes(digest, done)
