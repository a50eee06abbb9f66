"""What is in a folder that a client pulled into, checked by its digests."""

import hashlib
import re
from pathlib import Path

from testkit.images import Image
from testkit.reader.manifests import read_body

_NAMED = re.compile(r"([0-9a-f]{64}|[0-9a-f]{128})(?:\.manifest\.json)?")


def contents(folder: Path) -> set[str]:
    """The hex digests of all content, each file hashed again: an OCI layout's blobs, or the files of skopeo's `dir:`
    form, where the root is `manifest.json`."""
    found: set[str] = set()
    for file in folder.rglob("*"):
        data = file.read_bytes() if file.is_file() else b""
        if file.name == "manifest.json":
            found.add(hashlib.sha256(data).hexdigest())
        elif named := _NAMED.fullmatch(file.name):
            algorithm = hashlib.sha256 if len(named[1]) == 64 else hashlib.sha512
            assert algorithm(data).hexdigest() == named[1], f"{file} is not what its name says"
            found.add(named[1])
    return found


def digests(image: Image) -> set[str]:
    """The hex digests of all that an image consists of."""
    return {b.descriptor.digest.encoded for b in image.blobs} | {m.descriptor.digest.encoded for m in image.manifests}


def closure(image: Image) -> set[str]:
    """The hex digests of the root and of what it points at: neither referrers, nor foreign layers (clients leave those
    out)."""
    manifests = {str(stored.descriptor.digest): stored for stored in image.manifests}
    found: set[str] = set()
    waiting = [str(image.root.digest)]
    while waiting:
        digest = waiting.pop()
        found.add(digest.partition(":")[2])
        if digest in manifests:
            listed = read_body(manifests[digest].raw)
            waiting += [item.digest for item in (*listed.blobs, *listed.children) if not item.foreign]
    return found
