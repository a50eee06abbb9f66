"""Manifests from outside: a body is read as what it claims to be, or refused by name.

image-spec 1.1 (manifest, image-index, descriptor), docker's "image manifest version 2, schema 2", the OCI artifact
manifest of the 1.1 release candidates, and ORAS artifact manifests.
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import replace

from acrmirror.errors import DigestMismatch, InvalidReference, Malformed, TooLarge, Unsupported
from acrmirror.oci.media import (
    ARTIFACT_TYPES,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    GENERIC_TYPES,
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_INDEX,
    SCHEMA1_TYPES,
    is_manifest_type,
    plain_type,
)
from acrmirror.oci.objects import Object, Reader
from acrmirror.oci.values import MAX_MANIFEST_SIZE, Descriptor, Manifest, Platform
from acrmirror.reference import Digest, shown

_MANIFEST_KEYS = (
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "blobs",
    "manifests",
    "subject",
    "annotations",
)
_DESCRIPTOR_KEYS = ("mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform")
_PLATFORM_KEYS = ("architecture", "os", "os.version", "os.features", "variant", "features")

_NO_ARTIFACT_MANIFESTS = "stock registries do not know artifact manifests"
_PARAMETERS = "its mediaType has parameters, which stock registries do not recognise"
_ODD_ANNOTATIONS = "an annotation is not a string, which stock registries fail to read"


def parse_manifest(raw: bytes, media_type: str, digest: Digest | None = None) -> Manifest:
    """The checked view of a manifest that came with the content type `media_type`.

    With `digest` the bytes are checked against it first. Raises TooLarge over 4 MiB, DigestMismatch, Unsupported for
    docker schema 1 and unknown types, Malformed for everything that the body and its type do not agree on.
    """
    name = str(digest) if digest is not None else f"of {len(raw)} bytes"
    if len(raw) > MAX_MANIFEST_SIZE:
        raise TooLarge(
            f"read manifest {name}",
            f"it has more than {MAX_MANIFEST_SIZE} bytes",
            "Split the index, or shorten its annotations: registries take manifests of at most 4 MiB.",
        )
    if digest is None:
        digest = Digest.of(raw)
        name = str(digest)
    elif not digest.matches(raw):
        raise DigestMismatch(
            f"read manifest {digest}",
            f"its bytes have the digest {Digest.of(raw, digest.algorithm)}",
            "If it lasts, the content at its source is damaged: push it again.",
        )
    reader = Reader(name)
    body = reader.load(raw)
    stated = reader.media_type(body.get("mediaType"), "mediaType") or ""
    kind = _kind(reader, body, plain_type(media_type), plain_type(stated))
    reader.fields(body, "it", _MANIFEST_KEYS)
    _check_shape(reader, body, kind)
    manifest = _read(reader, body, kind, digest, raw)
    if kind in ARTIFACT_TYPES:
        return replace(manifest, unservable=_NO_ARTIFACT_MANIFESTS)
    if ";" in stated:
        return replace(manifest, unservable=_PARAMETERS)
    return replace(manifest, unservable=_ODD_ANNOTATIONS) if reader.odd_annotations else manifest


def parse_referrers(raw: bytes, odd: Callable[[Malformed], None]) -> tuple[list[Descriptor], int]:
    """The manifests that a page of the referrers API lists (distribution-spec "listing referrers"), and how many
    entries it has.

    An entry that can not be read, or is no manifest, is told to `odd` and left out: one tool's mistake does not hide
    the others' signatures. Raises Malformed, Unsupported for a page that is no index.
    """
    reader = Reader("that lists referrers")
    body = reader.load(raw)
    kind = _kind(reader, body, OCI_INDEX, plain_type(reader.media_type(body.get("mediaType"), "mediaType") or ""))
    reader.fields(body, "it", _MANIFEST_KEYS)
    _check_shape(reader, body, kind)
    found: list[Descriptor] = []
    entries = reader.array(body.get("manifests"), "manifests")
    for i, item in enumerate(entries):
        place = f"manifests[{i}]"
        try:
            entry = _descriptor(reader, item, place)
            if not is_manifest_type(entry.media_type):
                raise reader.malformed(f"{place}.mediaType", f"is {shown(entry.media_type)}, which is no manifest's")
        except Malformed as error:
            odd(error)
        else:
            found.append(entry)
    return found, len(entries)


def _kind(reader: Reader, body: Object, served: str, stated: str) -> str:
    """Which of the known types this is, from the content type and from what the body says."""
    kind = stated if served in GENERIC_TYPES else served
    schema1 = kind in SCHEMA1_TYPES or (kind in GENERIC_TYPES and body.get("schemaVersion") == 1)
    if schema1:
        raise Unsupported(
            f"read manifest {reader.name}",
            "it is docker's image manifest version 2, schema 1, which registries no longer take",
            "Push the image again with any docker since 1.10, which writes schema 2.",
        )
    if kind not in MANIFEST_TYPES:
        raise Unsupported(
            f"read manifest {reader.name}",
            f"its media type {shown(kind)} is not one that this mirror knows",
            "The mirror takes docker schema 2 and OCI manifests and indexes, and artifact manifests.",
        )
    if stated and stated != kind:
        raise reader.malformed("its mediaType", f"is {shown(stated)}, but it was served as {kind}")
    return kind


def _check_shape(reader: Reader, body: Object, kind: str) -> None:
    """Refuses bodies that could be taken for another type than the one they came as."""
    if kind not in ARTIFACT_TYPES:
        version = body.get("schemaVersion")
        if not isinstance(version, int) or isinstance(version, bool) or version != 2:
            raise reader.malformed("its schemaVersion", f"is {shown(version, 20)}, and 2 is what its type has")
    elif body.get("mediaType") is None:
        raise reader.malformed("its mediaType", "is missing, and artifact manifests have to name theirs")
    others: tuple[str, ...] = ("manifests",)
    if kind in INDEX_TYPES:
        others = ("config", "layers")
    elif kind in ARTIFACT_TYPES:
        others = ("manifests", "config", "layers")
    for key in others:
        if body.get(key) is not None:
            raise reader.malformed("it", f"has {key}, which contradicts its type {kind}")


def _read(reader: Reader, body: Object, kind: str, digest: Digest, raw: bytes) -> Manifest:
    config: Descriptor | None = None
    blobs: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    if kind in INDEX_TYPES:
        entries = tuple(_descriptors(reader, body, "manifests"))
        manifests = tuple(entry for entry in entries if is_manifest_type(entry.media_type))
        # A build cache's index lists its layers and its config where others list manifests.
        blobs = tuple(entry for entry in entries if not is_manifest_type(entry.media_type))
    elif kind in ARTIFACT_TYPES:
        blobs = tuple(_descriptors(reader, body, "blobs"))
    else:
        config = _descriptor(reader, body.get("config"), "config")
        blobs = (config, *_descriptors(reader, body, "layers"))
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] = {}
    if kind not in (DOCKER_MANIFEST, DOCKER_MANIFEST_LIST):
        if body.get("subject") is not None:
            subject = _descriptor(reader, body["subject"], "subject")
        artifact_type = reader.media_type(body.get("artifactType"), "artifactType") or None
        annotations = reader.annotations(body.get("annotations"), "annotations")
    return Manifest(kind, digest, raw, config, blobs, manifests, subject, artifact_type, annotations)


def _descriptors(reader: Reader, body: Object, key: str) -> Iterator[Descriptor]:
    for i, item in enumerate(reader.array(body.get(key), key)):
        yield _descriptor(reader, item, f"{key}[{i}]")


def _descriptor(reader: Reader, value: object, place: str) -> Descriptor:
    fields = reader.fields(value, place, _DESCRIPTOR_KEYS)
    media_type = reader.media_type(fields.get("mediaType"), f"{place}.mediaType")
    if not media_type:
        raise reader.malformed(f"{place}.mediaType", "is missing")
    text = reader.text(fields.get("digest"), f"{place}.digest")
    if text is None:
        raise reader.malformed(f"{place}.digest", "is missing")
    try:
        digest = Digest.parse(text)
    except InvalidReference as error:
        raise reader.malformed(f"{place}.digest", f"is {shown(text)}: {error.answered}") from error
    size = reader.integer(fields.get("size"), f"{place}.size")
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        artifact_type=reader.media_type(fields.get("artifactType"), f"{place}.artifactType") or None,
        annotations=reader.annotations(fields.get("annotations"), f"{place}.annotations"),
        platform=_platform(reader, fields.get("platform"), f"{place}.platform"),
        urls=reader.texts(fields.get("urls"), f"{place}.urls"),
        data=_data(reader, fields.get("data"), f"{place}.data", digest, size),
    )


def _platform(reader: Reader, value: object, place: str) -> Platform | None:
    if value is None:
        return None
    fields = reader.fields(value, place, _PLATFORM_KEYS)
    reader.texts(fields.get("features"), f"{place}.features")
    return Platform(
        os=reader.text(fields.get("os"), f"{place}.os") or "",
        architecture=reader.text(fields.get("architecture"), f"{place}.architecture") or "",
        variant=reader.text(fields.get("variant"), f"{place}.variant") or None,
        os_version=reader.text(fields.get("os.version"), f"{place}.os.version") or None,
        os_features=reader.texts(fields.get("os.features"), f"{place}.os.features"),
    )


def _data(reader: Reader, value: object, place: str, digest: Digest, size: int) -> bytes | None:
    """Embedded content (image-spec "embedded content"): what it holds has to be what the descriptor says."""
    text = reader.text(value, place)
    if text is None:
        return None
    try:
        data = base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise reader.malformed(place, "is not base64") from error
    if len(data) != size or not digest.matches(data):
        raise _lying_data(reader, place, digest, size, data)
    return data


def _lying_data(reader: Reader, place: str, digest: Digest, size: int, data: bytes) -> Malformed:
    found = Digest.of(data, digest.algorithm)
    return reader.malformed(place, f"has {len(data)} bytes of {found}, and the descriptor says {size} of {digest}")
