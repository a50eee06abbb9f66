"""Brings an image out of the mirror into a folder that any container tool reads."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

from acrmirror.reference import Digest
from testkit.reader.manifests import read_body
from testkit.reader.mirror import MirrorReader, NotServed

Progress = Callable[[Digest, int], None]
"""Called with a blob's digest and the bytes of it that have come."""


def pull_to_layout(
    reader: MirrorReader, repository: str, reference: str | Digest, folder: Path, progress: Progress | None = None
) -> Digest:
    """Writes an OCI layout (image-spec "image layout") of one tag or digest and all behind it; every digest is checked.

    What the folder has already is not fetched again. Raises NotServed or Damaged. Foreign layers that the mirror
    doesn't have are left out.
    """
    root = reader.resolve(repository, reference) if isinstance(reference, str) else reference
    seen: set[Digest] = set()
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
    listed: dict[str, object] = {"mediaType": served.media_type, "digest": str(root), "size": len(served.raw)}
    if isinstance(reference, str):
        listed["annotations"] = {"org.opencontainers.image.ref.name": reference}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [listed]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return root


def _fetch(reader: MirrorReader, repository: str, digest: Digest, folder: Path, progress: Progress | None) -> None:
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


def _path(folder: Path, digest: Digest) -> Path:
    path = folder / "blobs" / digest.algorithm / digest.encoded
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
