"""Two exports into one place: one at a time, and what is renamed was hashed as it lies on disk."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from acrmirror.archive import Exported, image_parts, write_file, write_folder
from acrmirror.archive.alone import alone
from acrmirror.errors import DigestMismatch
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from testkit.images import oci_image
from tests.unit.test_archive import Store, _archive, _exported

Write = Callable[[Path, Exported, Callable[[Descriptor, int, int], bytes]], None]


def into_folder(place: Path, exported: Exported, fetch: Callable[[Descriptor, int, int], bytes]) -> None:
    write_folder(place / "layout", exported, fetch)


def into_file(place: Path, exported: Exported, fetch: Callable[[Descriptor, int, int], bytes]) -> None:
    write_file(place / "image.tar", image_parts(exported), fetch)


def wrong_under_a_digest(place: Path) -> list[Path]:
    found = [path for path in place.rglob("blobs/*/*") if len(path.name) in (64, 128)]
    return [path for path in found if not Digest(path.parent.name, path.name).matches(path.read_bytes())]


def test_the_second_waits_for_the_first_and_says_so_once(tmp_path: Path) -> None:
    lock, begun, told, order = tmp_path / "x.lock", threading.Event(), [], []

    def second() -> None:
        begun.wait()
        with alone(lock, lambda: told.append(1)):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with alone(lock):
        begun.set()
        time.sleep(0.4)
        order.append("first")
    thread.join()
    assert (order, told) == (["first", "second"], [1])
    assert list(tmp_path.iterdir()) == []


def test_many_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    """Each takes the lock's file away at its end, while others have it open."""
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(15):
            with alone(tmp_path / "x.lock"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_whoever_dies_holds_it_no_longer(tmp_path: Path) -> None:
    code = "import sys, time; from pathlib import Path; from acrmirror.archive.alone import alone\n"
    code += "with alone(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    lock = tmp_path / "x.lock"
    with subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        threading.Timer(0.3, held.kill).start()
        told: list[int] = []
        with alone(lock, lambda: told.append(1)):
            assert told == [1]
            assert held.wait(5) != 0


@pytest.mark.parametrize("write", [into_folder, into_file])
def test_what_another_wrote_into_it_meanwhile_is_noticed(tmp_path: Path, write: Write) -> None:
    image = oci_image("shared", (90_000,))
    store = Store(image)
    exported = _exported(image, store)

    def fetch(blob: Descriptor, offset: int, length: int) -> bytes:
        for unfinished in tmp_path.rglob("*.part"):
            with unfinished.open("ab") as file:
                file.write(b"from elsewhere")
        return store.fetch(blob, offset, length)

    with pytest.raises(DigestMismatch):
        write(tmp_path, exported, fetch)
    assert wrong_under_a_digest(tmp_path) == []
    assert not (tmp_path / "image.tar").exists()
    assert not (tmp_path / "layout" / "index.json").exists()
    write(tmp_path, exported, store.fetch)
    if write is into_file:
        assert (tmp_path / "image.tar").read_bytes() == _archive(exported, store.fetch)


@pytest.mark.parametrize("write", [into_folder, into_file])
def test_both_of_two_at_once_are_whole(tmp_path: Path, write: Write) -> None:
    images = [oci_image(name, (70_000, 30_000)) for name in ("first", "second")]
    stores = [Store(image) for image in images]

    def slowly(store: Store) -> Callable[[Descriptor, int, int], bytes]:
        def fetch(blob: Descriptor, offset: int, length: int) -> bytes:
            time.sleep(0.05)
            return store.fetch(blob, offset, length)

        return fetch

    threads = [
        threading.Thread(target=write, args=(tmp_path, _exported(image, store), slowly(store)))
        for image, store in zip(images, stores, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong_under_a_digest(tmp_path) == []
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".part", ".lock")]
    if write is into_file:
        whole = [_archive(_exported(it, store), store.fetch) for it, store in zip(images, stores, strict=True)]
        assert (tmp_path / "image.tar").read_bytes() in whole
