"""Answers about manifests, read as values: where a tag is, and a manifest's bytes."""

import re

from azure.core.rest import HttpResponse

from acrmirror.bounds import check_json
from acrmirror.errors import DigestMismatch, InvalidReference, Malformed, TooLarge, Unavailable
from acrmirror.oci import MAX_MANIFEST_SIZE, Descriptor
from acrmirror.reference import Digest, shown
from acrmirror.registry.clock import answered_at
from acrmirror.registry.failures import CHECK_WHO_ANSWERS, Headers
from acrmirror.registry.values import ManifestBytes, Resolved

_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)


def resolved(headers: Headers, digest: Digest | None, asked: str) -> Resolved:
    """What the answer to a HEAD says. Raises DigestMismatch where it is of another digest than `digest`."""
    found = _digest(headers.get("Docker-Content-Digest"), asked)
    if digest is not None and found != digest:
        raise DigestMismatch(asked, f"it answered with {found}", "If it lasts, ask the registry's operator.")
    length, media_type = headers.get("Content-Length") or "", headers.get("Content-Type") or ""
    if not _LENGTH.fullmatch(length) or not media_type:
        raise Malformed(asked, "it answered without a length or a type", CHECK_WHO_ANSWERS)
    return Resolved(Descriptor(media_type, found, int(length)), *answered_at(headers.get("Date")))


def read(response: HttpResponse, asked: str) -> ManifestBytes:
    """Reads a manifest's body, once its length is known to be within limits."""
    length = response.headers.get("Content-Length") or ""
    if not _LENGTH.fullmatch(length):
        response.close()
        raise Malformed(asked, "it did not say how many bytes there are", CHECK_WHO_ANSWERS)
    if int(length) > MAX_MANIFEST_SIZE:
        response.close()
        raise TooLarge(
            asked,
            f"it has {length} bytes",
            f"Registries take manifests of at most {MAX_MANIFEST_SIZE} bytes: check what answers as this registry.",
        )
    raw = response.read()
    if len(raw) != int(length):
        raise Unavailable(asked, f"{len(raw)} of {length} bytes arrived", "It is tried again later.")
    check_json(raw, asked)
    return ManifestBytes(raw, response.headers.get("Content-Type") or "")


def check_digest(manifest: ManifestBytes, digest: Digest, asked: str) -> None:
    """Raises DigestMismatch unless the bytes have the digest."""
    if not digest.matches(manifest.raw):
        raise DigestMismatch(
            asked,
            f"its bytes have the digest {Digest.of(manifest.raw, digest.algorithm)}",
            "If it lasts, the registry's copy is damaged: push the image again.",
        )


def _digest(text: str | None, asked: str) -> Digest:
    try:
        return Digest.parse(text or "")
    except InvalidReference as error:
        raise Malformed(asked, f"it answered with the digest {shown(text)}", CHECK_WHO_ANSWERS) from error
