"""What a listing of tags says of each: how large its image is, when it was pushed, and when it was last checked."""

from azure.storage.blob import ContainerClient

from acrmirror.history import TagEvent
from acrmirror.mirror import Layout, MirrorStore
from acrmirror.mirror.listing import TagEntry
from acrmirror.serve.sizes import ImageSizes
from testkit.images import multi_arch, oci_image
from testkit.images.values import Image
from tests.integration.command import Command
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring
from tests.integration.test_store_listing import AT, LATER, manifest, put


def pulled(image: Image) -> int:
    """Bytes of all its configs and layers."""
    return sum(it.descriptor.size for it in image.blobs)


def test_sizes_are_of_images_and_a_check_is_no_push(
    mirror: Mirroring, call: Caller, run: Command, repository: str
) -> None:
    one = mirror.push(repository, oci_image("one", layers=(30_000, 5_000), tag="a-one"))
    many = mirror.push(repository, multi_arch("many", 3, shared_layers=(9_000,), attestations=True, tag="many"))
    run.inside("pull", f"{repository}:a-one", f"{repository}:many", "--wait")
    plain = call("GET", f"images/{repository}").json["tags"]
    assert [it["image_size"] for it in plain] == [None, None], "nobody asked for it"
    first, second = call("GET", f"images/{repository}?sizes=true").json["tags"]
    assert first["image_size"] == pulled(one)
    assert second["image_size"] == pulled(many)
    assert first["size"] == one.root.size
    assert first["pushed"] is None, "no event told of it"
    assert [it["tag"] for it in call("GET", f"images/{repository}?sizes=true&n=1").json["tags"]] == ["a-one"]

    mirror.stack.registry.release_events()
    mirror.wait(lambda: bool(call("GET", f"images/{repository}").json["tags"][0]["pushed"]))
    told = call("GET", f"images/{repository}").json["tags"][0]
    run.inside("pull", f"{repository}:a-one", "--force", "--wait")
    again = call("GET", f"images/{repository}").json["tags"][0]
    assert again["pushed"] == told["pushed"]
    assert again["checked"] >= told["checked"]
    shown = run.inside("ls", f"{repository}:a-one").stdout.strip().split("\t")
    assert shown == [
        "a-one",
        str(one.root.digest),
        f"{pulled(one) / 1000:.1f} kB",
        f"{again['pushed'][:19]}Z",
        f"{again['checked'][:19]}Z",
    ]


def test_a_page_reads_a_bounded_number_of_manifests_and_none_of_them_twice(
    store: MirrorStore, container: ContainerClient
) -> None:
    for number in range(5):
        put(store, "team/app", f"image {number}", f"v{number}", "latest")
    entries = store.listing.tags("team/app", 100).tags
    digests = {it.digest for it in entries}
    sizes = ImageSizes(store, limit=3)
    first = sizes.of("team/app", entries)
    assert set(first.values()) == {2}
    assert len(first) == 3
    assert len(sizes.of("team/app", entries)) == len(digests)
    for it in digests:
        container.delete_blob(Layout().blob_data(it))
    assert len(sizes.of("team/app", entries)) == len(digests)
    assert ImageSizes(store).of("team/app", entries) == {}, "what is damaged has none"


def test_a_push_that_is_known_is_told_only_where_it_is_of_the_tags_digest(store: MirrorStore) -> None:
    ours, other = put(store, "team/app", "ours"), manifest("other").digest
    for tag, digest in (("told", ours.digest), ("elsewhere", other)):
        store.tags.set("team/app", tag, ours, LATER, None, TagEvent(AT, digest))
    found: dict[str, TagEntry] = {it.name: it for it in store.listing.tags("team/app", 10).tags}
    assert found["told"].pushed == AT
    assert found["told"].time == LATER
    assert found["elsewhere"].pushed is None
