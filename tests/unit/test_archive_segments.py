"""Archives as blocks that storage puts together: the same bytes as those that are written here."""

import io
import json
import tarfile
from collections.abc import Sequence

import pytest

from acrmirror.archive import Exported, Part, archive_parts, image_parts, write_stream
from acrmirror.errors import TooLarge
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.serve.archives.segments import COPIED, COPIED_LIMIT, segments, size_of
from testkit.images import SHAPES, oci_image, together
from tests.unit.test_archive import Store, _archive, _exported

MIB = 1024 * 1024


def _assembled(parts: Sequence[Part], store: Store) -> bytes:
    """What storage makes of the blocks."""
    body = bytearray()
    for it in segments(parts):
        assert it.offset == len(body)
        copied = it.copied
        body += store.fetch(copied.blob, copied.offset, copied.length) if copied is not None else it.data
    return bytes(body)


@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_make_the_archive_that_is_written_here(shape: str) -> None:
    image = SHAPES[shape]()
    store = Store(image)
    parts = image_parts(_exported(image, store))
    whole = _archive(_exported(image, store), store.fetch)
    assert _assembled(parts, store) == whole
    assert size_of(parts) == len(whole) == sum(it.size for it in segments(parts))


def _many(count: int) -> tuple[list[Exported], Store]:
    base = oci_image("base", (90_000,))
    images = [oci_image(f"app-{number}", (5_000, 6_000)) for number in range(count)]
    store = Store(together(base, *images))
    exported = [_exported(it, store) for it in (base, *images, base)]
    names = [f"demo.azurecr.io/team/app-{number}:1.2" for number in range(len(exported))]
    return [_renamed(it, name) for it, name in zip(exported, names, strict=True)], store


def _renamed(image: Exported, name: str) -> Exported:
    return Exported(image.root, image.manifests, name, image.tag, image.absent, image.docker)


def test_many_images_share_what_they_have_in_common_and_keep_their_names() -> None:
    images, store = _many(5)
    parts = archive_parts(images)
    assert len({it.name for it in parts}) == len(parts)
    stream = io.BytesIO()
    write_stream(stream, parts, store.fetch)
    assert _assembled(parts, store) == stream.getvalue()
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as archive:
        index = json.load(archive.extractfile("index.json") or b"")  # type: ignore[arg-type]
        docker = json.load(archive.extractfile("manifest.json") or b"")  # type: ignore[arg-type]
    names = [it.name for it in images]
    assert [it["annotations"]["org.opencontainers.image.ref.name"] for it in index["manifests"]] == names
    assert [it["RepoTags"] for it in docker] == [[name] for name in names]


def test_one_image_is_named_by_its_tag_as_ever() -> None:
    image = oci_image("one")
    (index,) = (it for it in image_parts(_exported(image, Store(image))) if it.name == "index.json")
    assert json.loads(index.data)["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] == "1.2"


def _blob(seed: str, size: int) -> Part:
    digest = Digest.of(seed.encode())
    return Part(f"blobs/sha256/{digest.encoded}", blob=Descriptor("application/octet-stream", digest, size))


def test_a_layer_of_any_size_is_copied_in_blocks_that_storage_takes() -> None:
    cut = segments([_blob("large", 5 * COPIED + 1)])
    assert [it.size for it in cut if it.copied is not None] == [COPIED] * 5 + [1]
    huge = segments([_blob(str(number), 1024 * 1024 * MIB) for number in range(10)])
    assert len(huge) <= 50_000
    assert max(it.size for it in huge) == 256 * MIB <= COPIED_LIMIT


def test_what_has_too_many_files_for_a_blob_is_refused() -> None:
    with pytest.raises(TooLarge, match="50000"):
        segments([_blob(str(number), 1) for number in range(25_000)])


def test_ids_of_blocks_fit_into_one_blob_and_tell_all_blocks_apart() -> None:
    images, _ = _many(3)
    parts = archive_parts(images)
    cut = segments([*parts, _blob("large", 3 * COPIED)])
    assert {len(it.block) for it in cut} == {57}
    assert len({it.block for it in cut}) == len(cut)


def test_the_same_place_with_other_content_is_another_block() -> None:
    one, two = (segments([_blob(seed, COPIED), Part("blobs/sha256/last", seed.encode())]) for seed in ("one", "two"))
    assert [it.offset for it in one] == [it.offset for it in two]
    assert not {it.block for it in one} & {it.block for it in two}
    assert one == segments([_blob("one", COPIED), Part("blobs/sha256/last", b"one")])


def test_what_is_sent_goes_in_pieces_of_bounded_size() -> None:
    parts = [Part(f"blobs/sha256/{number:064x}", bytes(3 * MIB)) for number in range(5)]
    cut = segments(parts)
    assert max(it.size for it in cut) <= 4 * MIB
    assert sum(it.size for it in cut) == size_of(parts)


def test_headers_and_padding_are_all_that_is_sent_beside_what_describes_the_images() -> None:
    """Forty images of three blobs each: far below what may go through the app."""
    images, _ = _many(38)
    cut = segments(archive_parts(images))
    assert sum(it.size for it in cut if it.copied is None) < MIB // 2
