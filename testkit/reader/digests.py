"""Digests as text, `<algorithm>:<hex>`: what is no digest, and which bytes have one.

The reader judges the app, so it takes nothing of how the app reads a digest.
"""

import hashlib
import re

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def check_digest(text: str) -> str:
    """The text itself; raises ValueError unless it is a sha256 or sha512 digest in lower-case hexadecimal digits."""
    if not _DIGEST.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is no digest")
    return text


def algorithm_of(digest: str) -> str:
    return digest.partition(":")[0]


def hex_of(digest: str) -> str:
    return digest.partition(":")[2]


def digest_of(data: bytes, algorithm: str) -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def has_digest(data: bytes, digest: str) -> bool:
    return digest_of(data, algorithm_of(digest)) == digest


def referrers_tag(digest: str) -> str:
    """distribution-spec "referrers tag schema": algorithm and digits with a dash between, cut to 32 and 64."""
    return f"{algorithm_of(digest)[:32]}-{hex_of(digest)[:64]}"
