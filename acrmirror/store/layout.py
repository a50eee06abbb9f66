"""Where everything lies in the mirror's container.

The tree under `docker/registry/v2` is CNCF Distribution's storage layout (distribution, `registry/storage/paths.go`),
so that a stock `registry:3` with its azure driver serves it. `history/` is the mirror's own log beside that tree.
Every function takes checked values: a repository, tag or digest that reaches this module matches the grammar.
"""

import base64
import hashlib
import re

from acrmirror.reference import Digest

ROOT = "docker/registry/v2"
BLOBS = f"{ROOT}/blobs"
REPOSITORIES = f"{ROOT}/repositories"
HISTORY = "history"

MIB = 1024 * 1024
BLOCK_SIZE = 8 * MIB
"""A blob up to this many bytes is one conditional put; larger ones are staged in blocks of at least this size."""
MAX_BLOCKS = 20_000
"""Blocks a blob may have; storage allows 50,000, and 200 GiB (the largest layer ACR takes) must fit with room."""

_PLAIN_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


def blob_data(digest: Digest) -> str:
    return f"{BLOBS}/{digest.algorithm}/{digest.encoded[:2]}/{digest.encoded}/data"


def repository(name: str) -> str:
    return f"{REPOSITORIES}/{name}"


def layer_link(name: str, digest: Digest) -> str:
    """What lets a repository serve a config or layer that stands under `blobs/`."""
    return f"{repository(name)}/_layers/{digest.algorithm}/{digest.encoded}/link"


def revisions(name: str) -> str:
    return f"{repository(name)}/_manifests/revisions"


def revision_link(name: str, digest: Digest) -> str:
    """What lets a repository serve a manifest; in this mirror also the promise that its whole closure stands."""
    return f"{revisions(name)}/{digest.algorithm}/{digest.encoded}/link"


def tags(name: str) -> str:
    return f"{repository(name)}/_manifests/tags"


def tag_link(name: str, tag: str) -> str:
    return f"{tags(name)}/{tag}/current/link"


def tag_indexes(name: str, tag: str) -> str:
    return f"{tags(name)}/{tag}/index"


def tag_index_link(name: str, tag: str, digest: Digest) -> str:
    """One for every digest that the tag ever had."""
    return f"{tag_indexes(name, tag)}/{digest.algorithm}/{digest.encoded}/link"


def tag_histories(name: str) -> str:
    """The folder with one for each tag that was observed. `_tags` is no repository component, so that tag `b` of `a`
    and the repository `a/b` never share a prefix."""
    return f"{HISTORY}/{name}/_tags"


def tag_history(name: str, tag: str) -> str:
    """The folder of a tag's observations."""
    return f"{tag_histories(name)}/{tag}"


def digest_history(name: str, digest: Digest) -> str:
    """The folder of the observations that name no tag: pushes by digest, and deletions."""
    return f"{HISTORY}/{name}/_digests/{digest.algorithm}-{digest.encoded}"


def observation(folder: str, at: str, sequence: int, digest: Digest, identity: str) -> str:
    """One observation's name: it sorts by `at`, a UTC time with nine digits of fraction, then by `sequence`."""
    return f"{folder}/{at}-{sequence:010d}-{digest.algorithm}-{digest.encoded}-{observer(identity)}"


def observer(identity: str) -> str:
    """How the id of an event or job is written in the name of an observation."""
    return identity if _PLAIN_ID.fullmatch(identity) else hashlib.sha256(identity.encode()).hexdigest()[:32]


def observed(name: str) -> tuple[str, int, Digest, str]:
    """What the last part of an observation's name says: its time, its sequence (0 in names of the first form, which had
    none), its digest, and the id of its event or job."""
    at, _, rest = name.partition("Z-")
    sequence, _, behind = rest.partition("-")
    if not sequence.isdecimal():
        sequence, behind = "0", rest
    algorithm, encoded, identity = behind.split("-", 2)
    return f"{at}Z", int(sequence), Digest(algorithm, encoded), identity


def trial(tag: str) -> str:
    """Where it is tried whether storage keeps the name of a tag: nothing else is there, whatever it makes of it."""
    return f"trials/{tag}/name"


def block_size(size: int) -> int:
    """Bytes in each block of a blob of `size` bytes but the last: the size alone decides (two workers that resume
    each other's blocks agree on it), and at most `MAX_BLOCKS` are needed."""
    length = BLOCK_SIZE
    while length * MAX_BLOCKS < size:
        length *= 2
    return length


def blocks(size: int) -> int:
    """How many blocks a blob of `size` bytes has; one of a single block is one put."""
    return max(1, -(-size // block_size(size)))


def block_id(offset: int, length: int, running: bytes) -> str:
    """Where a block lies and the running hash of the blob up to its end: 63 characters for every block.

    Offset and length are part of it because equal running hashes say nothing about where a block began: a 12 MiB
    layer ends in the same hash whether its last block has 2 or 4 MiB.
    """
    tail = base64.urlsafe_b64encode(running[:32]).rstrip(b"=").decode()
    return f"{offset:012d}{length:08d}{tail}"
