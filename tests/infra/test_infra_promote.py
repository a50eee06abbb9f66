"""Giving back what was deleted from the mirror, on storage that versions as Azure's does."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest
from azure.storage.blob import ContainerClient

from infra.promote import Report, Version, moment, plan, run, tell
from tests.infra.versioned_storage import Storage, serving

LINK = "docker/registry/v2/repositories/team/ä b/_manifests/tags/v1/current/link"


class Mirror:
    def __init__(self, storage: Storage, client: ContainerClient) -> None:
        self.storage, self.client = storage, client

    def promote(self, prefix: str = "", since: str = "", *, dry_run: bool = False) -> tuple[Report, list[str]]:
        return run(self.client, prefix, since, dry_run=dry_run)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    storage = Storage()
    with serving(storage) as url, ContainerClient(url, "mirror", retry_total=0) as client:
        yield Mirror(storage, client)


def test_after_a_mass_delete_every_name_leads_to_its_newest_version_again(mirror: Mirror) -> None:
    """Over several pages of versions; metadata come along, which tags are listed by."""
    storage = mirror.storage
    storage.page = 7
    for number in range(20):
        storage.write(f"docker/blobs/{number}", b"old")
        storage.write(f"docker/blobs/{number}", b"%d" % number, {"digest": str(number)})
        storage.delete(f"docker/blobs/{number}")
    storage.write(LINK, b"link")
    report, failures = mirror.promote()
    assert (report, failures) == (Report(promoted=20, untouched=1), [])
    for number in range(20):
        assert storage.read(f"docker/blobs/{number}") == b"%d" % number
        current = storage.blobs[f"docker/blobs/{number}"].current
        assert current is not None
        assert current.metadata == {"digest": str(number)}
    assert mirror.promote() == (Report(untouched=21), []), "a second run has nothing to do"
    assert tell(report, failures, dry_run=False) == 0


def test_versions_that_were_deleted_as_well_are_undeleted_first(mirror: Mirror) -> None:
    """What somebody does who wants it gone: the blob, then each version."""
    kept = mirror.storage.write(LINK, b"link")
    mirror.storage.delete(LINK)
    mirror.storage.delete_version(LINK, kept)
    assert mirror.promote()[0] == Report(promoted=1)
    assert mirror.storage.read(LINK) == b"link"


def test_what_was_overwritten_goes_back_only_if_asked_for(mirror: Mirror) -> None:
    mirror.storage.write(LINK, b"right")
    mirror.storage.write("docker/later", b"a")
    since = mirror.storage.write(LINK, b"wrong").id
    mirror.storage.write("docker/new", b"made since then")
    assert mirror.promote()[0] == Report(untouched=3)
    assert mirror.promote(since=since)[0] == Report(promoted=1, untouched=2)
    assert mirror.storage.read(LINK) == b"right"
    assert mirror.storage.read("docker/new") == b"made since then"


def test_a_blob_that_came_back_meanwhile_is_left_alone(mirror: Mirror) -> None:
    """The app works on, and what it writes is newer than any version."""
    mirror.storage.write(LINK, b"link")
    mirror.storage.delete(LINK)
    listed = mirror.storage.listing

    def then_written(*asked: object) -> object:
        found = listed(*asked)  # type: ignore[arg-type]
        mirror.storage.write(LINK, b"newer")
        return found

    mirror.storage.listing = then_written  # type: ignore[method-assign, assignment]
    assert mirror.promote()[0] == Report(untouched=1)
    assert mirror.storage.read(LINK) == b"newer"


def test_what_fails_and_what_is_lost_is_told_and_the_rest_is_done(
    mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("docker/a", "docker/b", "other/c"):
        kept = mirror.storage.write(name, b"x")
        mirror.storage.delete(name)
    mirror.storage.refuses = {"docker/b"}
    report, failures = mirror.promote("docker/")
    assert report == Report(promoted=1)
    assert len(failures) == 1
    assert failures[0].startswith("docker/b: ")
    assert tell(report, failures, dry_run=False) == 1
    assert "1 failed. Run it again" in capsys.readouterr().err
    mirror.storage.delete_version("other/c", kept)
    mirror.storage.purge("other/c")
    assert mirror.promote("other/")[0] == Report(), "storage does not list what it has nothing of"


def test_a_dry_run_changes_nothing(mirror: Mirror) -> None:
    mirror.storage.write(LINK, b"link")
    mirror.storage.delete(LINK)
    assert mirror.promote(dry_run=True)[0] == Report(promoted=1)
    assert mirror.storage.read(LINK) is None


def test_moments_are_compared_as_versions_are_named() -> None:
    assert moment("2026-11-01T13:00:00+01:00") == "2026-11-01T12:00:00.0000000Z"
    for text in ("yesterday", "2026-11-01T12:00:00"):
        with pytest.raises(argparse.ArgumentTypeError):
            moment(text)


def test_of_a_deleted_name_the_version_before_the_damage_is_taken_if_there_is_one() -> None:
    versions = [Version(f"2026-11-01T0{hour}:00:00.0000000Z", False, False) for hour in (1, 2, 3)]
    chosen = plan("x", versions, "", moment("2026-11-01T02:30:00Z"))
    assert chosen is not None
    assert chosen.version == versions[1]
    assert plan("x", [], "", "") is None
