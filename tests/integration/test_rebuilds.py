"""Tags whose links are lost, damaged or elsewhere, set anew from history: dry, in earnest, and with overwriting."""

import json

from acrmirror.mirror.layout import Layout
from testkit.images import oci_image
from tests.integration.command import Command
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring


def link(repository: str, tag: str) -> str:
    return Layout().tag_link(repository, tag)


def test_links_that_are_lost_or_damaged_are_made_anew_and_others_only_when_asked(
    mirror: Mirroring, call: Caller, run: Command, repository: str
) -> None:
    mirror.stack.registry.set_event_manner(hold=False)
    images = {tag: oci_image(f"{repository}{tag}", tag=tag) for tag in ("well", "lost", "damaged", "dangling", "other")}
    for tag, image in images.items():
        mirror.push(repository, image)
        mirror.wait(lambda t=tag, it=image: mirror.tagged(repository, t) == it.root.digest)  # type: ignore[misc]
    blobs = mirror.container
    blobs.delete_blob(link(repository, "lost"))
    blobs.upload_blob(link(repository, "damaged"), b"no digest", overwrite=True)
    blobs.upload_blob(link(repository, "dangling"), f"sha256:{'0' * 64}".encode(), overwrite=True)
    other = str(images["well"].root.digest)
    blobs.upload_blob(link(repository, "other"), other.encode(), overwrite=True)
    well = blobs.get_blob_client(link(repository, "well")).get_blob_properties().etag

    broken = {f"{repository}:{tag}" for tag in ("lost", "damaged", "dangling")}
    dry = json.loads(run.inside("rebuild-tags", repository, "--dry-run", "--output", "json").stdout)
    assert (dry["state"], dry["looked_at"], dry["set"], set(dry["tags"])) == ("done", 5, 3, broken)
    assert call("GET", f"images/{repository}:lost").status == 404

    told = run.inside("rebuild-tags", f"{repository}:*", f"!{repository}:lost")
    assert "2 of 4 tags set" in told.stderr
    assert f"{repository}:other: left as it is" in told.stderr
    done = json.loads(run.inside("rebuild-tags", repository, "--output", "json").stdout)
    assert set(done["tags"]) == {f"{repository}:lost"}
    for tag in ("lost", "damaged", "dangling", "well"):
        assert call("GET", f"images/{repository}:{tag}").json["digest"] == str(images[tag].root.digest)
    assert call("GET", f"images/{repository}:other").json["digest"] == other

    done = json.loads(run.inside("rebuild-tags", repository, "--overwrite", "--output", "json").stdout)
    assert list(done["tags"]) == [f"{repository}:other"]
    assert call("GET", f"images/{repository}:other").json["digest"] == str(images["other"].root.digest)
    assert blobs.get_blob_client(link(repository, "well")).get_blob_properties().etag == well
    again = call("GET", f"rebuilds/{done['id']}").json
    assert (again["state"], again["overwrite"], again["dry_run"]) == ("done", True, False)


def test_what_can_not_be_rebuilt_is_named(mirror: Mirroring, call: Caller, run: Command, repository: str) -> None:
    mirror.stack.registry.set_event_manner(hold=False)
    image = mirror.push(repository, oci_image(repository, tag="v1"))
    mirror.wait(lambda: mirror.tagged(repository, "v1") == image.root.digest)
    mirror.container.delete_blob(link(repository, "v1"))
    mirror.container.delete_blob(Layout().revision_link(repository, image.root.digest))
    # Another manifest keeps the repository in the mirror.
    kept = mirror.push(repository, oci_image(f"{repository} kept", tag="kept"))
    mirror.wait(lambda: mirror.tagged(repository, "kept") == kept.root.digest)
    told = run.inside("rebuild-tags", repository, code=7)
    assert f"{repository}:v1: the mirror has nothing that history has of it" in told.stderr
    assert call("POST", "rebuilds", {"match": ["!x"]}).status == 400
    assert call("POST", "rebuilds", {"match": ["*"], "colour": "red"}).status == 400
    assert call("GET", "rebuilds/8203933347065-9ea8540c26c1").status == 404
