"""What everything that a copy reads from promises (`acrmirror/copying/ports.py`), in the manner of containerd's
suite of its content stores: one class of tests, and a bed for each implementation."""

import json
import re
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from acrmirror.copying import Source
from acrmirror.errors import (
    Cancelled,
    Denied,
    DigestMismatch,
    Malformed,
    MirrorError,
    NotFound,
    Throttled,
    TooLarge,
    Unavailable,
)
from acrmirror.oci import OCI_MANIFEST, Descriptor
from acrmirror.reference import Digest, Reference

OCTETS = "application/octet-stream"
NINE_DIGITS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
PAGE = 2
"""Referrers that a bed's registry lists in one answer."""


class SourceBed(ABC):
    """A registry or mirror that a test pushes to, and that can be made to misbehave. `repository` has what was pushed,
    and `another` nothing."""

    source: Source
    repository: str
    another: str

    @abstractmethod
    def push_blob(self, data: bytes) -> Descriptor: ...
    @abstractmethod
    def push_manifest(self, raw: bytes, tag: str | None = None) -> Descriptor:
        """An OCI image manifest."""

    @abstractmethod
    def requests(self, kind: str) -> int:
        """How many there were: `manifest`, `blob`, `referrers`, or `data` for bytes of blobs."""

    @abstractmethod
    def refuse(self, status: int) -> None:
        """Answers 403, 429 or 503 to everything from now on."""

    @abstractmethod
    def stall_blobs(self) -> None:
        """From now on no byte of a blob comes."""

    @abstractmethod
    def spoil_manifests(self) -> None:
        """From now on a byte of each manifest is another."""

    @abstractmethod
    def inflate_manifests(self) -> None:
        """From now on each manifest has more than 4 MiB."""


class RegistryBed(SourceBed):
    """A registry, which lists `PAGE` referrers in one answer."""

    @abstractmethod
    def list_oddly(self, subject: Digest) -> None:
        """From now on the list of what refers to the subject begins with an entry without a digest."""


class SourceContract:
    """Derive `Test…` from it, with a fixture `bed`."""

    # resolving

    def test_a_tag_is_where_it_was_pushed_last(self, bed: SourceBed) -> None:
        image(bed, b"first", "v1")
        second = image(bed, b"second", "v1")
        found = bed.source.resolve(Reference(bed.repository, "v1"))
        assert same(found.descriptor, second)
        assert found.clock == "registry"
        assert NINE_DIGITS.fullmatch(found.at)

    def test_a_reference_without_a_tag_is_resolved_by_its_digest(self, bed: SourceBed) -> None:
        first = image(bed, b"first", "v1")
        image(bed, b"second", "v1")
        assert same(bed.source.resolve(Reference(bed.repository, None, first.digest)).descriptor, first)

    def test_the_tag_of_a_reference_comes_before_its_digest(self, bed: SourceBed) -> None:
        first = image(bed, b"first", "v1")
        second = image(bed, b"second", "v1")
        assert same(bed.source.resolve(Reference(bed.repository, "v1", first.digest)).descriptor, second)

    def test_what_is_not_there_is_not_found(self, bed: SourceBed) -> None:
        known = image(bed, b"one", "v1")
        for missing in (
            Reference(bed.repository, "v2"),
            Reference(bed.repository, None, Digest.of(b"none")),
            Reference(bed.another, "v1"),
            Reference(bed.another, None, known.digest),
        ):
            with pytest.raises(NotFound):
                bed.source.resolve(missing)

    # manifests

    def test_a_manifest_comes_as_the_bytes_that_were_pushed(self, bed: SourceBed) -> None:
        raw = manifest(bed, b"one", spaced=True)
        descriptor = bed.push_manifest(raw)
        served = bed.source.manifest(bed.repository, descriptor.digest)
        assert (served.raw, served.media_type) == (raw, OCI_MANIFEST)

    def test_a_manifest_of_another_repository_is_not_found(self, bed: SourceBed) -> None:
        known = image(bed, b"one")
        for repository, digest in ((bed.another, known.digest), (bed.repository, Digest.of(b"none"))):
            with pytest.raises(NotFound):
                bed.source.manifest(repository, digest)

    def test_a_manifest_of_other_bytes_is_a_mismatch(self, bed: SourceBed) -> None:
        known = image(bed, b"one")
        bed.spoil_manifests()
        with pytest.raises(DigestMismatch):
            bed.source.manifest(bed.repository, known.digest)

    def test_a_manifest_over_the_limit_is_refused(self, bed: SourceBed) -> None:
        known = image(bed, b"one")
        bed.inflate_manifests()
        with pytest.raises(TooLarge):
            bed.source.manifest(bed.repository, known.digest)

    # blobs

    def test_a_blob_is_read_at_any_offset_by_many_threads_and_told_of_once(self, bed: SourceBed) -> None:
        data = bytes(range(256)) * 4_000
        known = bed.push_blob(data)
        buffer = memoryview(bytearray(len(data)))
        step, lock = 100_001, threading.Lock()
        came: list[int] = []

        def arrived(count: int) -> None:
            with lock:
                came.append(count)

        with bed.source.blob(bed.repository, known) as reader:

            def read(offset: int) -> None:
                reader.read_into(offset, buffer[offset : offset + step], arrived)

            with ThreadPoolExecutor(4) as pool:
                list(pool.map(read, reversed(range(0, len(data), step))))
        assert bytes(buffer) == data
        assert sum(came) == len(data)

    def test_a_blob_of_another_repository_is_not_found(self, bed: SourceBed) -> None:
        known = bed.push_blob(b"only here")
        for repository, descriptor in ((bed.another, known), (bed.repository, described(b"none"))):
            with pytest.raises(NotFound):
                self._read(bed, repository, descriptor)
            with pytest.raises(NotFound):
                bed.source.check_blob(repository, descriptor)

    @pytest.mark.parametrize("wrong", [-1, 1])
    def test_a_blob_of_another_length_is_a_mismatch(self, bed: SourceBed, wrong: int) -> None:
        known = bed.push_blob(b"x" * 1000)
        with pytest.raises(DigestMismatch):
            self._read(bed, bed.repository, Descriptor(OCTETS, known.digest, 1000 + wrong))

    def test_a_read_beyond_the_end_is_the_callers_mistake(self, bed: SourceBed) -> None:
        known = bed.push_blob(b"x" * 10)
        with bed.source.blob(bed.repository, known) as reader, pytest.raises(ValueError):
            reader.read_into(5, memoryview(bytearray(6)), lambda count: None)

    def test_an_empty_blob_needs_no_request(self, bed: SourceBed) -> None:
        self._read(bed, bed.repository, Descriptor(OCTETS, Digest.of(b""), 0))
        assert bed.requests("blob") == 0

    def test_a_reader_that_was_closed_is_cancelled(self, bed: SourceBed) -> None:
        known = bed.push_blob(b"x" * 10)
        with bed.source.blob(bed.repository, known) as reader:
            reader.close()
            with pytest.raises(Cancelled):
                reader.read_into(0, memoryview(bytearray(10)), lambda count: None)

    def test_a_read_that_is_blocked_is_cancelled_from_another_thread(self, bed: SourceBed) -> None:
        known = bed.push_blob(b"x" * 1000)
        bed.stall_blobs()
        with bed.source.blob(bed.repository, known) as reader:
            timer = threading.Timer(0.5, reader.close)
            timer.start()
            begun = time.monotonic()
            with pytest.raises(Cancelled):
                reader.read_into(0, memoryview(bytearray(1000)), lambda count: None)
            timer.join()
        assert time.monotonic() - begun < 15

    def test_a_blob_is_looked_for_without_its_bytes(self, bed: SourceBed) -> None:
        known = bed.push_blob(b"x" * 10)
        before = bed.requests("blob")
        bed.source.check_blob(bed.repository, known)
        assert bed.requests("blob") == before + 1
        assert bed.requests("data") == 0

    # referrers

    def test_all_that_refers_to_a_digest_is_listed(self, bed: SourceBed) -> None:
        subject = image(bed, b"subject")
        signatures = {image(bed, f"signature {n}".encode(), subject=subject).digest for n in range(2 * PAGE + 1)}
        assert {it.digest for it in bed.source.referrers(bed.repository, subject.digest, unexpected)} == signatures

    def test_a_referrer_comes_with_its_type_and_annotations(self, bed: SourceBed) -> None:
        subject = image(bed, b"subject")
        more: dict[str, Any] = {"artifactType": "application/vnd.test", "annotations": {"key": "value"}}
        image(bed, b"signature", subject=subject, **more)
        (found,) = bed.source.referrers(bed.repository, subject.digest, unexpected)
        assert (found.artifact_type, dict(found.annotations)) == ("application/vnd.test", {"key": "value"})

    def test_what_nothing_refers_to_has_no_referrers(self, bed: SourceBed) -> None:
        known = image(bed, b"one")
        for digest in (known.digest, Digest.of(b"none")):
            assert list(bed.source.referrers(bed.repository, digest, unexpected)) == []

    # what a registry refuses

    @pytest.mark.parametrize(("status", "kind"), [(403, Denied), (429, Throttled), (503, Unavailable)])
    def test_a_refusal_is_no_missing_content(self, bed: SourceBed, status: int, kind: type[MirrorError]) -> None:
        known, blob = image(bed, b"one", "v1"), bed.push_blob(b"x")
        bed.refuse(status)
        for ask in (
            lambda: bed.source.resolve(Reference(bed.repository, "v1")),
            lambda: bed.source.manifest(bed.repository, known.digest),
            lambda: self._read(bed, bed.repository, blob),
            lambda: bed.source.check_blob(bed.repository, blob),
            lambda: list(bed.source.referrers(bed.repository, known.digest, unexpected)),
        ):
            with pytest.raises(kind):
                ask()

    @staticmethod
    def _read(bed: SourceBed, repository: str, descriptor: Descriptor) -> bytes:
        buffer = bytearray(descriptor.size)
        with bed.source.blob(repository, descriptor) as reader:
            reader.read_into(0, memoryview(buffer), lambda count: None)
        return bytes(buffer)


class RegistryContract(SourceContract):
    """What a registry promises besides."""

    def test_referrers_are_read_page_by_page(self, bed: RegistryBed) -> None:
        subject = image(bed, b"subject")
        signatures = {image(bed, f"signature {n}".encode(), subject=subject).digest for n in range(2 * PAGE + 1)}
        before = bed.requests("referrers")
        listing = bed.source.referrers(bed.repository, subject.digest, unexpected)
        found = {next(listing).digest}
        assert bed.requests("referrers") == before + 1
        found |= {it.digest for it in listing}
        assert found == signatures
        assert bed.requests("referrers") == before + 3

    def test_an_odd_entry_is_told_of_and_hides_no_other(self, bed: RegistryBed) -> None:
        subject = image(bed, b"subject")
        signature = image(bed, b"signature", subject=subject)
        bed.list_oddly(subject.digest)
        told: list[Malformed] = []
        assert [it.digest for it in bed.source.referrers(bed.repository, subject.digest, told.append)] == [
            signature.digest
        ]
        assert len(told) == 1


def manifest(bed: SourceBed, name: bytes, spaced: bool = False, **more: Any) -> bytes:
    """The bytes of an image with one layer, which is pushed."""

    def entry(media_type: str, descriptor: Descriptor) -> dict[str, object]:
        return {"mediaType": media_type, "digest": str(descriptor.digest), "size": descriptor.size}

    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": entry("application/vnd.oci.image.config.v1+json", bed.push_blob(b"{}")),
        "layers": [entry("application/vnd.oci.image.layer.v1.tar", bed.push_blob(name))],
        **more,
    }
    return json.dumps(body, indent=3 if spaced else None).encode()


def image(
    bed: SourceBed, name: bytes, tag: str | None = None, subject: Descriptor | None = None, **more: Any
) -> Descriptor:
    if subject is not None:
        more["subject"] = {"mediaType": OCI_MANIFEST, "digest": str(subject.digest), "size": subject.size}
    return bed.push_manifest(manifest(bed, name, **more), tag)


def same(one: Descriptor, other: Descriptor) -> bool:
    """What a HEAD says of a manifest: its type, digest and size."""
    return (one.media_type, one.digest, one.size) == (other.media_type, other.digest, other.size)


def described(data: bytes) -> Descriptor:
    return Descriptor(OCTETS, Digest.of(data), len(data))


def unexpected(error: Malformed) -> None:
    raise error
