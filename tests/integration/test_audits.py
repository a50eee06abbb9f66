"""Audits of a mirror: what is wrong is found, mended while the registry has it, and named else; never called proven."""

from collections.abc import Iterator

import pytest

from acrmirror.proof.faults import Fault
from acrmirror.proof.report import Report
from acrmirror.reference import Digest
from standins.foundation import Account, Foundation
from standins.stack import Stack
from testkit.images import Image, multi_arch, oci_image, signature
from tests.integration.auditing import Audited, audited


@pytest.fixture
def mirror(
    bare_stack: Stack, account: Account, foundation: Foundation, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Audited]:
    for name, value in bare_stack.identity.environment().items():
        monkeypatch.setenv(name, value)
    with audited(bare_stack, account, foundation) as opened:
        yield opened


def report_of(mirror: Audited) -> Report:
    shown = mirror.audit()
    assert shown.report is not None, shown.progress
    assert shown.progress.state == "done"
    return shown.report


def layer_of(image: Image, number: int = -1) -> Digest:
    return image.blobs[number].descriptor.digest


def fault_at(report: Report, path: str) -> Fault:
    (found,) = [it for it in report.faults if it.path == path]
    return found


def test_a_mirror_as_it_should_be_is_proven(mirror: Audited, repository: str) -> None:
    image = mirror.pull(repository, multi_arch("proven"))
    mirror.pull(repository, signature("proven", image.root))
    report = report_of(mirror)
    assert report.proven
    assert report.faults == ()
    kinds = {kind: len(mirror.names(kind)) for kind in ("blob", "layer", "revision", "tag", "tag index")}
    assert report.counts == {
        "blobs": kinds["blob"],
        "links": kinds["layer"] + kinds["tag index"],
        "manifests": kinds["revision"],
        "tags": kinds["tag"],
        "other": 0,
        "passed": 0,
    }
    assert report.size == sum(it.size for it in mirror.container.list_blobs("docker/registry/v2/blobs/"))
    assert mirror.queue.get_queue_properties().approximate_message_count == 0


def damage_all(mirror: Audited, repository: str) -> dict[str, str]:
    """Of each kind of damage one, each in an image of its own: the path that is wrong, and the tag that it breaks."""
    layout = mirror.layout
    images = {it: mirror.pull(repository, oci_image(f"{repository}/{it}", tag=it)) for it in KINDS}
    index = mirror.pull(repository, multi_arch(f"{repository}/index", tag="child"))
    child = index.manifests[0].descriptor.digest
    wrong = {
        mirror.flip(layer_of(images["flipped"])): "flipped",
        mirror.truncate(layer_of(images["truncated"])): "truncated",
        layout.revision_link(repository, images["missing"].root.digest): "missing",
        layout.revision_link(repository, images["unlinked"].root.digest): "unlinked",
        layout.revision_link(repository, images["gone"].root.digest): "gone",
        layout.tag_link(repository, "dangling"): "dangling",
        layout.tag_link(repository, "tagged"): "tagged",
        layout.tag_link(repository, "beside"): "beside",
        layout.layer_link(repository, layer_of(images["linked"])): "linked",
        layout.revision_link(repository, index.root.digest): "child",
    }
    mirror.remove(mirror.data(layer_of(images["missing"])))
    mirror.remove(layout.layer_link(repository, layer_of(images["unlinked"])))
    mirror.remove(mirror.data(images["gone"].root.digest))
    mirror.remove(layout.revision_link(repository, images["dangling"].root.digest))
    mirror.overwrite(layout.tag_link(repository, "tagged"), b"sha256:nonsense")
    beside = mirror.container.get_blob_client(layout.tag_link(repository, "beside"))
    beside.set_blob_metadata((beside.get_blob_properties().metadata or {}) | {"digest": "nonsense"})
    mirror.overwrite(layout.layer_link(repository, layer_of(images["linked"])), str(Digest.of(b"other")).encode())
    mirror.remove(layout.revision_link(repository, child))
    return wrong


KINDS = ("flipped", "truncated", "missing", "unlinked", "gone", "dangling", "tagged", "beside", "linked", "whole")


def test_what_the_registry_has_is_mended(mirror: Audited, repository: str) -> None:
    wrong = damage_all(mirror, repository)
    report = report_of(mirror)
    assert report.proven, report.left
    assert set(wrong) <= {it.path for it in report.faults}
    assert all(it.mended for it in report.faults)
    # It is as it was: nothing is found any more.
    again = report_of(mirror)
    assert again.faults == ()
    assert again.before is not None
    assert again.before.id == report.id
    assert again.before.digest == report.digest


def test_what_nobody_has_any_more_is_named_with_the_tags_that_it_breaks(mirror: Audited, repository: str) -> None:
    wrong = damage_all(mirror, repository)
    mirror.stack.registry.set_faults([{"match": {"kind": it}, "do": {"status": 404}} for it in ("manifest", "blob")])
    report = report_of(mirror)
    assert not report.proven
    for path, tag in wrong.items():
        fault = fault_at(report, path)
        if tag == "linked":
            # Its path says all that is in it.
            assert fault.mended
            continue
        assert not fault.mended, fault
        assert fault.breaks == (f"{repository}:{tag}",), fault
        if not path.endswith("/data"):
            assert "not fetched again" in fault.why, fault
    assert report.broken == tuple(sorted(f"{repository}:{it}" for it in set(wrong.values()) - {"linked"}))


def test_what_storage_refuses_to_read_is_not_proven(mirror: Audited, repository: str) -> None:
    image = mirror.pull(repository, oci_image("refused", tag="v1"))
    mirror.pull(repository, oci_image("read", tag="v2"))
    refused = layer_of(image)
    mirror.refused.add(refused.encoded)
    report = report_of(mirror)
    assert not report.proven
    fault = fault_at(report, mirror.data(refused))
    assert (fault.kind, fault.mended, fault.breaks) == ("unread", False, (f"{repository}:v1",))
    assert "403" in fault.why
    assert report.broken == (f"{repository}:v1",)
    mirror.refused.clear()
    assert report_of(mirror).proven


def test_a_damaged_blob_that_nothing_needs_is_named(mirror: Audited, repository: str) -> None:
    mirror.pull(repository, oci_image("needed"))
    path = mirror.data(Digest.of(b"promised"))
    mirror.container.upload_blob(path, b"something else")
    report = report_of(mirror)
    assert not report.proven
    assert (fault_at(report, path).kind, fault_at(report, path).breaks) == ("damaged", ())


def test_storage_that_lets_nothing_be_read_proves_nothing(mirror: Audited, repository: str) -> None:
    mirror.pull(repository, oci_image("away"))
    asked = mirror.app.audits.ask()
    mirror.refused.update(("/data", "comp=list"))
    mirror.run_messages()
    progress = mirror.app.audits.get(asked.id).progress
    assert (progress.state, progress.error["code"]) == ("waiting", "denied")
    assert progress.faults == ()
    mirror.refused.clear()
    report = report_of(mirror)
    assert (report.id, report.proven) == (asked.id, True)


def test_a_report_can_neither_be_changed_nor_taken_away_unseen(mirror: Audited, repository: str) -> None:
    mirror.pull(repository, oci_image("chain"))
    reports = [report_of(mirror) for _ in range(3)]
    assert [it.before.id if it.before else None for it in reports] == [None, reports[0].id, reports[1].id]
    assert mirror.app.audits.chain() == []
    paths = [mirror.layout.audit_report(it.id) for it in reports]
    mirror.overwrite(paths[1], reports[1].raw.replace(b'"slices": 1', b'"slices": 2'))
    assert mirror.app.audits.chain() == [
        f"the report {reports[1].id} was changed: its digest is not the one that was noted"
    ]
    mirror.overwrite(paths[1], reports[1].raw)
    for number in (0, 1, 2):
        mirror.remove(paths[number])
        assert any("removed" in it for it in mirror.app.audits.chain()), number
        mirror.overwrite_new(paths[number], reports[number].raw)
    assert mirror.app.audits.chain() == []
    mirror.overwrite_new(mirror.layout.audit_report("0000000000000-0123456789ab"), reports[1].raw)
    assert mirror.app.audits.chain() == ["the report 0000000000000-0123456789ab is in no chain"]
