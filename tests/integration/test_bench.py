"""The benchmark's own servers do what the real ones do, as far as a copy sees it; and the benchmark runs."""

import hashlib
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from azure.containerregistry import ContainerRegistryClient
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobServiceClient, ContainerClient

from bench import fleet, services
from bench.contenders import Course, contenders
from bench.credential import AnyToken
from bench.link import Link
from bench.services import Counters, Peer
from bench.synthetic import UNIT, Bytes, Image, make_image
from standins.certificates import Certificates, make_certificates
from standins.foundation import Account
from testkit.reader import MirrorReader, verify_tag
from testkit.stack import CONTAINER

ROOT = Path(__file__).resolve().parents[2]
SIZE = 9 * UNIT + 5


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def source(certificates: Certificates) -> Iterator[Peer]:
    with services.source(certificates.ca.parent, certificates.server, SIZE, Link(), "source") as peer:
        yield peer


@pytest.fixture(scope="module")
def sink(certificates: Certificates) -> Iterator[Peer]:
    with services.sink(certificates.ca.parent, certificates.server) as peer:
        yield peer


@pytest.fixture
def image() -> Image:
    return make_image(SIZE)


@pytest.fixture
def container(sink: Peer, certificates: Certificates, request: pytest.FixtureRequest) -> Iterator[ContainerClient]:
    options: dict[str, Any] = {"connection_verify": str(certificates.ca), "retry_total": 0}
    with BlobServiceClient(f"https://{sink.host}", AnyToken(), **options) as service:
        yield service.create_container(request.node.name.replace("_", "-"))


def ask(
    host: str,
    certificates: Certificates,
    method: str,
    path: str,
    body: bytes | Iterator[bytes] | None = None,
    **headers: str,
) -> HTTPResponse:
    connection = HTTPSConnection(host, context=ssl.create_default_context(cafile=str(certificates.ca)), timeout=10)
    connection.request(method, path, body, headers, encode_chunked=not isinstance(body, bytes | None))
    return connection.getresponse()


# the source


def test_a_layer_read_in_any_parts_is_the_same_and_no_two_units_of_it_are_equal() -> None:
    whole = Bytes()
    units = [bytes(whole.piece(number * UNIT, UNIT)) for number in range(3)]
    assert len(set(units)) == 3
    assert bytes(Bytes().piece(UNIT + 7, 100)) == units[1][7:107]
    assert units[0][:2] == b"\x1f\x8b"


def test_the_source_serves_an_image_to_the_registry_sdk(source: Peer, certificates: Certificates, image: Image) -> None:
    with ContainerRegistryClient(
        f"https://{source.host}", AnyToken(), connection_verify=str(certificates.ca)
    ) as registry:
        assert registry.get_manifest(image.repository, image.tag).digest == image.manifest_digest
        # The SDK hashes what it downloads, and raises if that is not the digest.
        with registry.download_blob(image.repository, image.layer_digest) as stream:
            assert sum(len(piece) for piece in stream) == SIZE


def test_the_source_sends_blobs_from_another_host_by_ranges(
    source: Peer, certificates: Certificates, image: Image
) -> None:
    path = f"/v2/{image.repository}/blobs/{image.layer_digest}"
    assert ask(source.host, certificates, "GET", path).status == 401
    redirect = ask(source.host, certificates, "GET", path, Authorization="Bearer any")
    assert redirect.status == 307
    location = redirect.headers["Location"].removeprefix("https://")
    host, _, rest = location.partition("/")
    assert host != source.host
    part = ask(host, certificates, "GET", f"/{rest}", Range=f"bytes={SIZE - 10}-{SIZE + 5}")
    assert (part.status, part.headers["Content-Range"]) == (206, f"bytes {SIZE - 10}-{SIZE - 1}/{SIZE}")
    layer = Bytes()
    assert part.read() == bytes(layer.piece(SIZE - 10, 10)) + bytes(layer.piece(SIZE - 5, 5))


def test_requests_are_counted_by_kind_and_401s_apart(source: Peer, certificates: Certificates, image: Image) -> None:
    counters = Counters(certificates.ca)
    counters.reset(source)
    path = f"/v2/{image.repository}/manifests/{image.tag}"
    ask(source.host, certificates, "GET", path)
    ask(source.host, certificates, "GET", path, Authorization="Bearer any")
    assert counters.read(source) == {"challenge": 1, "GET manifests": 1}


def test_the_link_delays_each_answer_and_holds_its_rate(certificates: Certificates, tmp_path: Path) -> None:
    link = Link(latency=0.05, rate=8e6)
    image = make_image(UNIT)
    with services.source(tmp_path, certificates.server, UNIT, link, "slow") as slow:
        opened = ask(
            slow.host, certificates, "GET", f"/v2/bench/image/blobs/{image.layer_digest}", Authorization="Bearer a"
        )
        host, _, rest = opened.headers["Location"].removeprefix("https://").partition("/")
        begin = time.monotonic()
        assert len(ask(host, certificates, "GET", f"/{rest}").read()) == UNIT
        seconds = time.monotonic() - begin
    assert seconds >= 0.05 + UNIT / 8e6


# the sink, as Blob Storage


def test_blocks_become_a_blob_only_by_a_list_of_blocks_that_are_there(container: ContainerClient) -> None:
    blob = container.get_blob_client("a/data")
    with pytest.raises(ResourceNotFoundError):
        blob.get_blob_properties()
    blob.stage_block("one", bytes(100_000))
    blob.stage_block("two", b"23")
    with pytest.raises(ResourceNotFoundError):
        blob.get_blob_properties()
    with pytest.raises(HttpResponseError) as refused:
        blob.commit_block_list([BlobBlock("one"), BlobBlock("three")])
    assert getattr(refused.value, "error_code", None) == "InvalidBlockList"
    _, staged = blob.get_block_list("uncommitted")
    assert {(block.id, block.size) for block in staged} == {("one", 100_000), ("two", 2)}
    blob.commit_block_list([BlobBlock("two"), BlobBlock("one")])
    assert blob.get_blob_properties().size == 100_002
    committed, staged = blob.get_block_list("all")
    assert ([block.id for block in committed], staged) == (["two", "one"], [])


def test_small_blobs_are_kept_with_their_metadata_and_large_ones_by_length(container: ContainerClient) -> None:
    small, large = container.get_blob_client("link"), container.get_blob_client("large")
    small.upload_blob(b"sha256:abc", metadata={"media_type": "text/plain"})
    large.upload_blob(bytes(70_000))
    assert small.download_blob().readall() == b"sha256:abc"
    assert small.get_blob_properties().metadata == {"media_type": "text/plain"}
    assert large.get_blob_properties().size == 70_000
    assert [blob.name for blob in container.list_blobs(name_starts_with="li")] == ["link"]


def test_conditions_are_kept_to(container: ContainerClient) -> None:
    blob = container.get_blob_client("tag")
    first = blob.upload_blob(b"one")["etag"]
    with pytest.raises(ResourceExistsError):
        blob.upload_blob(b"two")
    second = blob.upload_blob(b"two", overwrite=True, etag=first, match_condition=MatchConditions.IfNotModified)
    assert second["etag"] != first
    with pytest.raises(ResourceModifiedError):
        blob.upload_blob(b"three", overwrite=True, etag=first, match_condition=MatchConditions.IfNotModified)
    assert blob.download_blob().readall() == b"two"


# the sink, as a registry


def test_a_push_may_come_in_one_piece_or_in_chunks(sink: Peer, certificates: Certificates) -> None:
    begun = ask(sink.host, certificates, "POST", "/v2/team/app/blobs/uploads/")
    assert begun.status == 202
    location = begun.headers["Location"]
    pieces = iter([b"a" * 70_000, b"b" * 300_000])
    assert ask(sink.host, certificates, "PATCH", location, pieces).headers["Range"] == "0-369999"
    done = ask(sink.host, certificates, "PUT", f"{location}?digest=sha256:{'a' * 64}", b"")
    assert done.status == 201
    head = ask(sink.host, certificates, "HEAD", f"/v2/team/app/blobs/sha256:{'a' * 64}")
    assert (head.status, head.headers["Content-Length"]) == (200, "370000")
    assert ask(sink.host, certificates, "HEAD", f"/v2/other/app/blobs/sha256:{'a' * 64}").status == 404


def test_manifests_come_back_as_they_were_pushed(sink: Peer, certificates: Certificates) -> None:
    raw = b'{"schemaVersion": 2}'
    digest = "sha256:" + hashlib.sha256(raw).hexdigest()
    put = ask(sink.host, certificates, "PUT", "/v2/team/app/manifests/v1", raw, **{"Content-Type": "application/json"})
    assert (put.status, put.headers["Docker-Content-Digest"]) == (201, digest)
    for reference in ("v1", digest):
        assert ask(sink.host, certificates, "GET", f"/v2/team/app/manifests/{reference}").read() == raw


# the contenders


def test_ours_copies_the_whole_image_into_the_sink(
    source: Peer, sink: Peer, certificates: Certificates, image: Image, container: ContainerClient
) -> None:
    made: list[str] = []
    ours = contenders(threads=2)[0]
    taken = ours.run(Course(source.host, f"https://{sink.host}", None, certificates.ca, image, made.append))
    assert 0 < taken.cpu < 60
    assert taken.idle_rss is not None
    assert taken.peak_rss > taken.idle_rss > UNIT
    with BlobServiceClient(f"https://{sink.host}", AnyToken(), connection_verify=str(certificates.ca)) as service:
        mirror = service.get_container_client(made[0])
        tree = "docker/registry/v2"
        link = f"{tree}/repositories/{image.repository}/_manifests/tags/{image.tag}/current/link"
        assert mirror.download_blob(link).readall().decode() == image.manifest_digest
        encoded = image.layer_digest.removeprefix("sha256:")
        data = mirror.get_blob_client(f"{tree}/blobs/sha256/{encoded[:2]}/{encoded}/data")
        assert data.get_blob_properties().size == SIZE


def test_one_short_run_gives_every_figure(tmp_path: Path) -> None:
    told = tmp_path / "figures.json"
    command = [sys.executable, "-m", "bench", "--runs", "1", "--size", "9", "--only", "plain", "--json", str(told)]
    command += ["--contender", "acrmirror", "SDK tuned"]
    found = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stderr
    assert "no simulated link" in found.stdout
    figures = json.loads(told.read_text())
    course = figures["courses"][0]
    assert {run["contender"] for run in course["runs"]} == {"acrmirror", "SDK tuned"}
    for run in course["runs"]:
        assert run["mb_per_s"] > 0
        assert run["cpu_s_per_gb"] > 0
        assert run["registry_requests"] > 0
        assert run["counts"]["sink"]
    assert len(course["ratios"]["SDK tuned"]) == 1


# many images


def test_a_mirror_that_is_filled_is_whole_with_all_its_tags(account: Account) -> None:
    placed = [*fleet.small_images(12), *fleet.many_tags(30)]
    fleet.fill(account, CONTAINER, placed)
    with BlobServiceClient(account.blob_endpoint, **account.client_options) as service:
        mirror = MirrorReader(service.get_container_client(CONTAINER))
        for it in placed:
            for stored in it.image.manifests:
                assert stored.tag is not None
                assert mirror.resolve(it.repository, stored.tag) == str(stored.descriptor.digest)
                assert verify_tag(mirror, it.repository, stored.tag).is_whole


def test_a_contender_that_fails_says_why(source: Peer, sink: Peer, certificates: Certificates, image: Image) -> None:
    ours = contenders(threads=2)[0]
    nowhere = Image(
        "no/such",
        "tag",
        image.manifest,
        image.manifest_digest,
        image.config,
        image.config_digest,
        image.layer_digest,
        SIZE,
    )
    course = Course(source.host, f"https://{sink.host}", None, certificates.ca, nowhere, lambda container: None)
    with pytest.raises(RuntimeError, match="no/such"):
        ours.run(course)
