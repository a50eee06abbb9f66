"""The grammar of names, by distribution-spec 1.1 ("Pulling manifests") and image-spec 1.1 ("Digests")."""

from __future__ import annotations

import hashlib
import re

from .errors import RegistryError

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def check_repository(name: str) -> str:
    if len(name) > 255 or not _REPOSITORY.fullmatch(name):
        raise RegistryError("NAME_INVALID", "invalid repository name", {"name": name})
    return name


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def check_digest(text: str) -> str:
    # The text and the detail as Azure Container Registry was seen to answer.
    if not is_digest(text):
        message = "provided digest did not match uploaded content"
        raise RegistryError("DIGEST_INVALID", message, "digest parsing failed")
    return text


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
