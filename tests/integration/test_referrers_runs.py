"""Lists of referrers through whole runs: what is one and what is not, whose bytes they are, what damage does to them
(rules R1 to R4), and what they cost (rule W9)."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from acrmirror.app import App
from acrmirror.mirror import Layout
from acrmirror.oci import OCI_INDEX, Descriptor, parse_manifest
from acrmirror.reference import Digest, Reference
from acrmirror.work import Copy, RecordFields, Sweep
from standins.foundation import Foundation
from testkit.images import Image, docker_image, multi_arch, oci_image, sbom, signature
from testkit.images.values import entry
from testkit.reader import verify_repository
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, job_for
from tests.integration.storage_proxy import StorageProxy

LAYOUT = Layout()


@pytest.fixture
def mirror(bare_mirror: Mirroring) -> Mirroring:
    return bare_mirror


@pytest.fixture
def app(mirror: Mirroring) -> Iterator[App]:
    with app_of(mirror) as opened:
        yield opened


def ran(mirror: Mirroring, app: App, job: Copy) -> RecordFields:
    app.dispatch.run(job.to_json(), 1)
    record = mirror.records.get(job.id)
    assert record is not None
    assert record.state == "done", record.fields
    return record.fields


def mirrored(mirror: Mirroring, app: App, repository: str, image: Image, name: str = "event") -> RecordFields:
    mirror.push(repository, image)
    return ran(mirror, app, job_for(repository, image, f"{name} {image.root.digest}"))


def listed(mirror: Mirroring, repository: str, subject: Digest) -> set[Digest]:
    served = mirror.reader.manifest(repository, subject.referrers_tag)
    return {it.digest for it in parse_manifest(served.raw, served.media_type).manifests}


def own_list(mirror: Mirroring, repository: str, tag: str, *entries: Descriptor) -> Digest:
    """A list as a client pushes it to a registry without a referrers API: spaced otherwise than the mirror's."""
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry(it) for it in entries]}
    raw = json.dumps(body, indent=4).encode()
    return mirror.pusher.manifest(repository, raw, OCI_INDEX, tag).digest


def swept(mirror: Mirroring, app: App, repository: str, seed: str) -> int:
    """How many images a sweep would ask for."""
    sweep = Sweep.now((f"{repository}:*",), seed, dry_run=True)
    app.dispatch.run(sweep.to_json(), 1)
    record = mirror.records.get(sweep.id)
    assert record is not None
    assert record.state == "done", record.fields
    assert record.fields["match_listed"] > 0
    return record.fields["match_requested"]


# what is a list, and whose bytes it has


@pytest.mark.parametrize("kind", ["index with platforms", "image", "docker list"])
def test_an_image_under_such_a_tag_keeps_its_digest(mirror: Mirroring, app: App, kind: str) -> None:
    repository = f"looks/{kind.replace(' ', '-')}"
    subject = oci_image(f"{repository} subject")
    tag = subject.root.digest.referrers_tag
    made: dict[str, Callable[[], Image]] = {
        "index with platforms": lambda: multi_arch(repository, 2, tag=tag),
        "image": lambda: docker_image(repository, tag=tag),
        "docker list": lambda: multi_arch(repository, 2, family="docker", tag=tag),
    }
    image = made[kind]()
    fields = mirrored(mirror, app, repository, image)
    assert mirror.tagged(repository, tag) == image.root.digest
    assert tag in str(fields["notes"])
    mirrored(mirror, app, repository, subject)
    fields = mirrored(mirror, app, repository, signature(repository, subject.root).tagged(None))
    assert "not listed" in str(fields["notes"])
    assert mirror.tagged(repository, tag) == image.root.digest
    assert mirror.reader.manifest(repository, tag).raw == image.manifest(image.root.digest).raw
    assert app.images.image(Reference(repository, "latest")).referrers == ()
    assert swept(mirror, app, repository, kind) == 0


def test_the_registrys_own_list_keeps_its_bytes(mirror: Mirroring, app: App) -> None:
    repository = "own/kept"
    subject = oci_image(repository)
    tag = subject.root.digest.referrers_tag
    refers = signature(repository, subject.root)
    for image in (subject, refers):
        mirrored(mirror, app, repository, image)
    assert mirror.tagged(repository, tag) is not None
    digest = own_list(mirror, repository, tag, refers.root)
    for number in range(2):
        ran(mirror, app, Copy.of_pull(Reference(repository, tag), f"{number}"))
        assert mirror.tagged(repository, tag) == digest
    mirrored(mirror, app, repository, refers, "again")
    assert mirror.tagged(repository, tag) == digest
    assert swept(mirror, app, repository, "own") == 0


def test_a_list_that_is_larger_here_is_equal_for_a_sweep_and_gives_way_to_one_that_lacks_nothing(
    mirror: Mirroring, app: App
) -> None:
    repository = "own/larger"
    subject = oci_image(repository)
    tag = subject.root.digest.referrers_tag
    ours, theirs = signature(repository, subject.root), sbom(repository, subject.root)
    for image in (subject, ours, theirs):
        mirrored(mirror, app, repository, image)
    smaller = own_list(mirror, repository, tag, theirs.root)
    ran(mirror, app, Copy.of_pull(Reference(repository, tag), "smaller"))
    assert mirror.tagged(repository, tag) != smaller
    assert listed(mirror, repository, subject.root.digest) == {ours.root.digest, theirs.root.digest}
    assert str(smaller) in mirror.reader.revisions(repository)
    assert swept(mirror, app, repository, "larger") == 0
    later = signature(f"{repository} later", subject.root)
    mirrored(mirror, app, repository, later)
    assert swept(mirror, app, repository, "later") == 0
    whole = own_list(mirror, repository, tag, theirs.root, ours.root, later.root)
    assert swept(mirror, app, repository, "moved") == 1
    ran(mirror, app, Copy.of_pull(Reference(repository, tag), "whole"))
    assert mirror.tagged(repository, tag) == whole
    assert swept(mirror, app, repository, "whole") == 0


@pytest.mark.parametrize("digest", ["", "md5:d41d8cd98f00b204e9800998ecf8427e"])
def test_one_odd_entry_of_the_registrys_answer_keeps_no_other_referrer_away(
    mirror: Mirroring, app: App, digest: str
) -> None:
    repository = f"odd/{digest.partition(':')[0] or 'none'}"
    image = oci_image(repository)
    refers = signature(repository, image.root)
    for it in (image, refers):
        mirror.push(repository, it)
    mirror.stack.registry.set_faults([{"match": {"kind": "referrers"}, "do": {"also_list": digest}}])
    fields = ran(mirror, app, job_for(repository, image, repository))
    mirror.stack.registry.clear_faults()
    assert fields["referrers"] == 1
    assert listed(mirror, repository, image.root.digest) == {refers.root.digest}
    assert f"a referrer of {image.root.digest} was left out" in str(fields["notes"])
    assert "manifests[0].digest" in str(fields["notes"])


# damage


def everywhere(mirror: Mirroring, repository: str, tag: str) -> list[Digest]:
    """All lists that were ever under the tag."""
    folder = LAYOUT.tag_indexes(repository, tag)
    return [Digest(*name.removeprefix(f"{folder}/").split("/")[:2]) for name in mirror.reader.names(f"{folder}/")]


def damage(mirror: Mirroring, repository: str, tag: str, kind: str) -> None:
    current = mirror.tagged(repository, tag)
    assert current is not None

    def put(name: str, body: bytes) -> None:
        mirror.container.get_blob_client(name).upload_blob(body, overwrite=True)

    def spoil(digest: Digest) -> None:
        size = len(mirror.reader.manifest(repository, str(digest)).raw)
        put(LAYOUT.blob_data(digest), b"x" * size)

    if kind == "its bytes":
        spoil(current)
    elif kind == "all lists' bytes":
        for digest in everywhere(mirror, repository, tag):
            spoil(digest)
    elif kind == "its content is gone":
        mirror.container.delete_blob(LAYOUT.blob_data(current))
    elif kind == "its revision is gone":
        mirror.container.delete_blob(LAYOUT.revision_link(repository, current))
    elif kind == "its tag":
        put(LAYOUT.tag_link(repository, tag), b"not a digest")
    else:
        mirror.container.delete_blob(LAYOUT.tag_link(repository, tag))


def forget_damage(mirror: Mirroring, repository: str, tag: str) -> None:
    """Takes away earlier lists that stay damaged: what they had is in the present one."""
    current = mirror.tagged(repository, tag)
    for digest in everywhere(mirror, repository, tag):
        data = mirror.container.get_blob_client(LAYOUT.blob_data(digest))
        if digest != current and not digest.matches(data.download_blob().readall()):
            for name in (LAYOUT.tag_index_link(repository, tag, digest), LAYOUT.revision_link(repository, digest)):
                mirror.container.delete_blob(name)
            data.delete_blob()


DAMAGE = ("its bytes", "all lists' bytes", "its content is gone", "its revision is gone", "its tag", "its tag is gone")
FLOWS = ("force on the subject", "force on a referrer", "a new referrer", "a pull of the tag")


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("flow", FLOWS)
def test_a_damaged_list_is_rebuilt(mirror: Mirroring, app: App, kind: str, flow: str) -> None:
    """With the registry's own list of referrers at hand or, for a pull of the tag, without it."""
    repository = "damaged/" + re.sub("[^a-z]+", "-", f"{flow}-{kind}")
    subject = oci_image(repository)
    refers = [made(repository, subject.root) for made in (signature, sbom)]
    for image in (subject, *refers):
        mirrored(mirror, app, repository, image)
    tag = subject.root.digest.referrers_tag
    damage(mirror, repository, tag, kind)
    # What the mirror shows meanwhile is what it knows.
    known = {it.digest for it in app.images.image(Reference(repository, "latest")).referrers}
    assert known == {it.root.digest for it in refers}
    if flow == "force on the subject":
        ran(mirror, app, replace(job_for(repository, subject, flow), force=True))
    elif flow == "force on a referrer":
        ran(mirror, app, replace(job_for(repository, refers[0], flow), force=True))
    elif flow == "a new referrer":
        refers.append(signature(f"{repository} later", subject.root))
        mirrored(mirror, app, repository, refers[-1])
    else:
        nothing = {"match": {"kind": "referrers"}, "do": {"status": 404}}
        mirror.stack.registry.set_faults([nothing])
        fields = ran(mirror, app, Copy.of_pull(Reference(repository, tag), flow))
        assert fields["tagged_digest"] == str(mirror.tagged(repository, tag))
    assert listed(mirror, repository, subject.root.digest) == {it.root.digest for it in refers}
    assert {it.digest for it in app.images.image(Reference(repository, "latest")).referrers} == {
        it.root.digest for it in refers
    }
    if kind == "all lists' bytes":
        forget_damage(mirror, repository, tag)
    report = verify_repository(mirror.reader, repository)
    assert report.is_whole, str(report)


def test_a_damaged_list_of_the_registrys_own_is_read_from_there_again(mirror: Mirroring, app: App) -> None:
    repository = "damaged/own"
    subject = oci_image(repository)
    tag = subject.root.digest.referrers_tag
    refers = signature(repository, subject.root)
    for image in (subject, refers):
        mirrored(mirror, app, repository, image)
    digest = own_list(mirror, repository, tag, refers.root)
    ran(mirror, app, Copy.of_pull(Reference(repository, tag), "one"))
    damage(mirror, repository, tag, "its bytes")
    ran(mirror, app, Copy.of_pull(Reference(repository, tag), "two"))
    assert mirror.tagged(repository, tag) == digest
    assert listed(mirror, repository, subject.root.digest) == {refers.root.digest}


def test_a_referrer_whose_own_bytes_are_damaged_is_read_again_and_listed(mirror: Mirroring, app: App) -> None:
    repository = "damaged/referrer"
    subject = oci_image(repository)
    refers = signature(repository, subject.root)
    for image in (subject, refers):
        mirrored(mirror, app, repository, image)
    data = mirror.container.get_blob_client(LAYOUT.blob_data(refers.root.digest))
    data.upload_blob(b"x" * refers.root.size, overwrite=True)
    mirrored(mirror, app, repository, refers, "again")
    report = verify_repository(mirror.reader, repository)
    assert report.is_whole, str(report)


def test_a_tag_of_that_form_that_nobody_has_is_gone(mirror: Mirroring, app: App) -> None:
    mirrored(mirror, app, "damaged/none", oci_image("damaged none"))
    job = Copy.of_pull(Reference("damaged/none", Digest.of(b"nobody").referrers_tag), "none")
    app.dispatch.run(job.to_json(), 1)
    record = mirror.records.get(job.id)
    assert record is not None
    assert (record.state, record.fields["error_code"]) == ("waiting", "not-found")


# cost


def cost(mirror: Mirroring, foundation: Foundation, repository: str, count: int) -> dict[str, int]:
    """What a run over an image with so many referrers reads and writes of lists, and all that it asks of storage."""
    subject = oci_image(repository)
    mirror.push(repository, subject)
    for number in range(count):
        mirror.push(repository, signature(f"{repository} {number}", subject.root).tagged(None))
    account, tag = mirror.stack.account, subject.root.digest.referrers_tag
    with StorageProxy(account.ca, foundation.certificates.server) as proxy:
        proxy.upstream = account.blob_endpoint
        with app_of(mirror, MIRROR_BLOB_ENDPOINT=proxy.endpoint) as app:
            ran(mirror, app, job_for(repository, subject))
        asked = list(proxy.asked)
    assert len(listed(mirror, repository, subject.root.digest)) == count
    lists = {
        LAYOUT.blob_data(it): len(mirror.reader.manifest(repository, str(it)).raw)
        for it in everywhere(mirror, repository, tag)
    }
    moved = [(it.method, size) for it in asked for name, size in lists.items() if name in it.target]
    return {
        "requests": len(asked),
        "tag": sum(LAYOUT.tag_link(repository, tag) in it.target for it in asked),
        "reads": sum(method == "GET" for method, _ in moved),
        "writes": sum(method == "PUT" for method, _ in moved),
        "bytes": sum(size for method, size in moved if method in ("GET", "PUT")),
    }


def test_a_list_is_read_and_written_once_a_run_however_many_refer(mirror: Mirroring, foundation: Foundation) -> None:
    few, many = (cost(mirror, foundation, f"cost/n{count}", count) for count in (25, 100))
    for one in (few, many):
        assert (one["tag"], one["writes"]) == (2, 1), one
        assert one["reads"] <= 1
    assert many["bytes"] <= 4.2 * few["bytes"]
    assert many["requests"] <= 4 * few["requests"]
