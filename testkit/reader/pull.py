"""Brings an image out of the mirror into a folder that any container tool reads."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

from testkit.reader.digests import algorithm_of, hex_of
from testkit.reader.manifests import read_body
from testkit.reader.mirror import MirrorReader, NotServed

Progress = Callable[[str, int], None]
"""Called with a blob's digest and the bytes of it that have come."""


def pull_to_layout(
    reader: MirrorReader, repository: str, reference: str, folder: Path, progress: Progress | None = None
) -> str:
    """Writes an OCI layout (image-spec "image layout") of one tag or digest and all behind it; every digest is checked.

    What the folder has already is not fetched again. Raises NotServed or Damaged. Foreign layers that the mirror
    doesn't have are left out.
    """
    is_digest = ":" in reference
    root = reference if is_digest else reader.resolve(repository, reference)
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        digest = waiting.pop()
        if digest in seen:
            continue
        seen.add(digest)
        served = reader.manifest(repository, digest)
        body = read_body(served.raw)
        for blob in body.blobs:
            if blob.digest in seen:
                continue
            seen.add(blob.digest)
            with contextlib.suppress(*([NotServed] if blob.foreign else [])):
                _fetch(reader, repository, blob.digest, folder, progress)
        waiting += [child.digest for child in body.children]
        path = _path(folder, digest)
        path.write_bytes(served.raw)
    served = reader.manifest(repository, root)
    listed: dict[str, object] = {"mediaType": served.media_type, "digest": root, "size": len(served.raw)}
    if not is_digest:
        listed["annotations"] = {"org.opencontainers.image.ref.name": reference}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [listed]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return root


def _fetch(reader: MirrorReader, repository: str, digest: str, folder: Path, progress: Progress | None) -> None:
    path = _path(folder, digest)
    if path.exists():
        return
    part = path.with_suffix(".part")
    done = 0
    pieces = reader.blob(repository, digest)
    with part.open("wb") as file:
        for piece in pieces:
            file.write(piece)
            done += len(piece)
            if progress is not None:
                progress(digest, done)
    part.rename(path)  # only whole and checked content has its digest's name


def _path(folder: Path, digest: str) -> Path:
    path = folder / "blobs" / algorithm_of(digest) / hex_of(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
