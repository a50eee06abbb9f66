"""The image as a folder in OCI layout. Blobs appear under their names when they are whole and right."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from acrmirror.archive.alone import alone
from acrmirror.archive.contents import LAYOUT_VERSION, Exported, Part, content_parts
from acrmirror.archive.fetching import BLOCK, THREADS, Fetch, OnBytes, check, fetch_in_order, ranges
from acrmirror.archive.listed import INDEX, LAYOUT, listed, with_image
from acrmirror.errors import DigestMismatch
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest

LOCK = ".acrmirror.lock"


@dataclass(slots=True)
class _Wanted:
    """A blob that is not there yet: `done` bytes of it are in `unfinished`."""

    path: Path
    blob: Descriptor
    done: int

    @property
    def unfinished(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")


def write_folder(
    folder: Path,
    image: Exported,
    fetch: Fetch,
    *,
    threads: int = THREADS,
    on_bytes: OnBytes | None = None,
    waits: Callable[[], None] | None = None,
    in_full: bool = False,
) -> None:
    """Adds the image to the layout in `folder`, which is made if need be; other images in it stay.

    What is there already is checked byte for byte and not fetched again. `index.json` lists the image last of all, and
    keeps what else it has; Malformed where it is no layout's, or can't be read. Another export into the same folder is
    waited for: `waits` is called before that. Readers choose the image by its tag, or with `in_full` by its whole name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / LOCK, waits):
        _add(folder, image, fetch, threads, on_bytes, in_full)


def _add(folder: Path, image: Exported, fetch: Fetch, threads: int, on_bytes: OnBytes | None, in_full: bool) -> None:
    listed(folder)  # before anything is fetched
    parts = content_parts(image)
    for part in parts:
        (folder / part.name).parent.mkdir(parents=True, exist_ok=True)
    wanted = list(_missing(folder, parts, on_bytes))
    spans = (span for want in wanted for span in ranges(want.blob, want.done))
    with closing(fetch_in_order(spans, fetch, threads)) as fetched:
        for want in wanted:
            _complete(want, fetched, on_bytes)
    for part in parts:
        if part.blob is None:
            _put(folder / part.name, part.data)
    if not (folder / LAYOUT).exists():
        _put(folder / LAYOUT, LAYOUT_VERSION)
    _put(folder / INDEX, json.dumps(with_image(listed(folder), image, in_full=in_full), ensure_ascii=False).encode())


def _missing(folder: Path, parts: Sequence[Part], on_bytes: OnBytes | None) -> Iterator[_Wanted]:
    for part in parts:
        blob = part.blob
        if blob is None:
            continue
        want = _Wanted(folder / part.name, blob, 0)
        if want.path.exists() and want.path.stat().st_size == blob.size and _hash(want.path, blob) == blob.digest:
            _tell(on_bytes, want, blob.size)
            continue
        if want.unfinished.exists():
            want.done = want.unfinished.stat().st_size
            if want.done > blob.size:
                want.unfinished.unlink()
                want.done = 0
        _tell(on_bytes, want, want.done)
        yield want


def _complete(want: _Wanted, fetched: Iterator[bytes], on_bytes: OnBytes | None) -> None:
    with want.unfinished.open("ab") as file:
        while want.done < want.blob.size:
            data = next(fetched)
            file.write(data)
            want.done += len(data)
            _tell(on_bytes, want, want.done)
        file.flush()
        os.fsync(file.fileno())
    try:
        # What lies there is what counts, whoever else wrote into it.
        check(want.blob, _hash(want.unfinished, want.blob).encoded)
    except DigestMismatch:
        want.unfinished.unlink()
        raise
    want.unfinished.replace(want.path)


def _hash(path: Path, blob: Descriptor) -> Digest:
    hasher = blob.digest.hasher()
    with path.open("rb") as file:
        while data := file.read(BLOCK):
            hasher.update(data)
    return Digest(blob.digest.algorithm, hasher.hexdigest())


def _put(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _tell(on_bytes: OnBytes | None, want: _Wanted, done: int) -> None:
    if on_bytes is not None:
        on_bytes(want.blob.digest, done)
