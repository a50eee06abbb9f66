"""Whose a container is, and what two mirrors in one are told."""

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.errors import Misconfigured
from acrmirror.mirror import MirrorStore, Owner
from testkit.images import oci_image
from tests.integration.filled_mirror import fill

ONE, OTHER = "one.azurecr.io", "other.azurecr.io"


def test_two_apps_of_a_registry_share_a_container_that_an_earlier_version_filled(store: MirrorStore) -> None:
    fill(store, "team/app", oci_image("earlier", tag="v1"))
    for _ in range(2):
        Owner(store.container, ONE).check()
        Owner(store.container, ONE).check()
    assert list(store.listing.repositories()) == ["team/app"]


@pytest.mark.parametrize(
    ("prefix", "another", "sees"),
    [
        ("", "", True),
        ("", "b", True),
        ("b", "", True),
        ("a", "a/b", True),
        ("a/b", "a", True),
        ("a", "a", True),
        ("a", "a-b", False),
        ("a/b", "a/c", False),
        ("a", "b", False),
    ],
)
def test_another_registry_whose_names_mix_with_ours_is_told_by_both(
    store: MirrorStore, prefix: str, another: str, sees: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = Owner(store.container, ONE, prefix), Owner(store.container, OTHER, another)
    ours.check()
    if not sees:
        theirs.check()
        ours.check()
        return
    with pytest.raises(Misconfigured, match=f"{ONE}. is mirrored there") as told:
        theirs.check()
    assert "MIRROR_CONTAINER" in told.value.remedy
    theirs.claim()
    assert ONE in caplog.text
    if prefix == another:
        ours.check()
    else:
        with pytest.raises(Misconfigured, match=OTHER):
            ours.check()


def test_a_marker_that_can_not_be_read_is_told_and_one_that_is_deleted_is_written_anew(
    store: MirrorStore, container: ContainerClient
) -> None:
    owner = Owner(store.container, ONE)
    owner.check()
    for body in (b"", b"[]", b"{", b"x" * 5000):
        container.upload_blob("owners/_owner", body, overwrite=True)
        with pytest.raises(Misconfigured, match="does not say") as told:
            owner.check()
        assert "delete the blob owners/_owner" in told.value.remedy
    container.delete_blob("owners/_owner")
    container.upload_blob("owners/stray", b"written by something else")
    owner.check()
