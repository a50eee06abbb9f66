"""Exports of large images: which bytes are fetched, from where, and how much memory that takes. Relays count them."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.storage.blob import BlobBlock, ContainerClient

from acrmirror.archive.fetching import BLOCK, THREADS
from acrmirror.mirror import Layout, MirrorStore
from acrmirror.oci import OCI_MANIFEST, Descriptor, parse_manifest
from acrmirror.reference import Digest
from standins.foundation import Foundation
from standins.process import wait_for
from standins.stack import Stack
from testkit.images.build import OCI_CONFIG
from testkit.images.layers import OCI_TYPES
from testkit.stack import CONTAINER, mirror_stack
from tests.integration.command import Command
from tests.interop.relay import Relay, RelayedFoundation

LAYOUT = Layout()

pytestmark = pytest.mark.interop
MIB = 1024 * 1024
PIECE = 32 * MIB
SMALL, LARGE = 384 * MIB, 2048 * MIB
OVERHEAD = 1.02
"""TLS, headers, manifests: bytes that come beside a layer's."""
MEASURED = r"""
import atexit, re, sys
from pathlib import Path
from acrmirror.cli.app import app

told = Path(sys.argv.pop(1))
atexit.register(lambda: told.write_text(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]))
app()
"""
"""The command line, which leaves in a file how many KiB of memory it had at the most."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A stack whose storage and whose functions are reached through relays."""

    stack: Stack
    blobs: Relay
    functions: Relay

    def stand(self, repository: str, sizes: tuple[int, ...]) -> Digest:
        """Puts an image into the mirror. A layer is one block, listed again and again: so it costs one upload."""
        stack = self.stack
        credential = stack.identity.credential()
        with (
            ContainerClient(stack.blob_endpoint, CONTAINER, **stack.account.client_options) as container,
            MirrorStore.open(stack.blob_endpoint, CONTAINER, credential, trust_bundle=stack.ca) as store,
        ):
            layers = [_layer(container, size) for size in sizes]
            config = Digest.of(b"{}")
            container.upload_blob(LAYOUT.blob_data(config), b"{}", overwrite=True)
            raw = _manifest(Descriptor(OCI_CONFIG, config, 2), layers)
            manifest = parse_manifest(raw, OCI_MANIFEST)
            for blob in manifest.blobs:
                store.blobs.link(repository, blob)
            store.manifests.write(repository, manifest)
        return manifest.digest


@pytest.fixture(scope="module")
def counted(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    account = foundation.account()
    with ExitStack() as running:
        blobs = running.enter_context(Relay(account.blob_endpoint))
        relayed = RelayedFoundation(foundation, account, blobs)
        folder = tmp_path_factory.mktemp("large")
        stack = running.enter_context(mirror_stack(foundation=relayed, folder=folder))
        yield Counted(stack, blobs, running.enter_context(Relay(stack.functions.url)))


def _layer(container: ContainerClient, size: int) -> Descriptor:
    piece, times = os.urandom(PIECE), size // PIECE
    assert size == PIECE * times
    hasher = hashlib.sha256()
    for _ in range(times):
        hasher.update(piece)
    digest = Digest("sha256", hasher.hexdigest())
    with container.get_blob_client(LAYOUT.blob_data(digest)) as blob:
        blob.stage_block("0" * 64, piece)
        blob.commit_block_list([BlobBlock("0" * 64)] * times)
    return Descriptor(OCI_TYPES["tar"], digest, size)


def _manifest(config: Descriptor, layers: list[Descriptor]) -> bytes:
    config_entry, *layer_entries = (
        {"mediaType": it.media_type, "digest": str(it.digest), "size": it.size} for it in (config, *layers)
    )
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config_entry, "layers": layer_entries}
    return json.dumps(body).encode()


def test_no_layer_passes_through_the_function_and_memory_stays_flat(counted: Counted, tmp_path: Path) -> None:
    peaks = {}
    for size in (SMALL, LARGE):
        digest = counted.stand("large/flat", (size // 2, size // 2))
        run = Command.of(counted.stack, tmp_path, url=counted.functions.url)
        from_blobs, from_functions = counted.blobs.answered, counted.functions.answered
        peak = tmp_path / "peak"
        line = [sys.executable, "-c", MEASURED, str(peak), "export", f"large/flat@{digest}", "-o", "-"]
        subprocess.run(line, env=run.environment, cwd=tmp_path, stdout=subprocess.DEVNULL, check=True, timeout=400)
        peaks[size] = int(peak.read_text()) * 1024
        assert size < counted.blobs.answered - from_blobs < OVERHEAD * size
        assert counted.functions.answered - from_functions < 64 * 1024
    small, large = peaks.values()
    print(f"peak memory: {small / MIB:.0f} MiB for {SMALL // MIB} MiB, {large / MIB:.0f} MiB for {LARGE // MIB} MiB")
    assert large - small < 24 * MIB
    assert large < 160 * MIB


@pytest.mark.parametrize("target", ["image.tar", "layout/"])
def test_an_export_that_was_killed_fetches_only_the_rest(counted: Counted, tmp_path: Path, target: str) -> None:
    size = 256 * MIB
    digest = counted.stand("large/killed", (size // 2, size // 2))
    run = Command.of(counted.stack, tmp_path)
    start = counted.blobs.answered
    line = run.line("export", f"large/killed@{digest}", "-o", target)
    with subprocess.Popen(line, env=run.environment, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        assert wait_for(lambda: counted.blobs.answered - start > size // 2, 60, every=0.002)
        process.kill()
        process.communicate()
    kept = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    at_kill = counted.blobs.answered - start
    assert size // 4 < kept < size
    assert not (tmp_path / "image.tar").exists()
    run("export", f"large/killed@{digest}", "-o", target)
    fetched = counted.blobs.answered - start
    print(
        f"{target}: killed at {at_kill / MIB:.0f} MiB with {kept / MIB:.0f} MiB kept, "
        f"then {(fetched - at_kill) / MIB:.0f} MiB"
    )
    assert fetched - at_kill < OVERHEAD * (size - kept) + 2 * BLOCK
    assert fetched < OVERHEAD * size + 2 * THREADS * BLOCK
    if target == "layout/":
        run("export", f"large/killed@{digest}", "-o", target)
        assert counted.blobs.answered - start - fetched < MIB
    blobs = _blobs(tmp_path / target)
    assert len(blobs) == 4
    assert all(hashlib.sha256(data).hexdigest() == name for name, data in blobs.items())


def _blobs(written: Path) -> dict[str, bytes]:
    """What an archive or a folder has under `blobs/sha256`."""
    if written.is_dir():
        return {path.name: path.read_bytes() for path in (written / "blobs" / "sha256").iterdir()}
    with tarfile.open(written) as archive:
        members = [it for it in archive.getmembers() if it.name.startswith("blobs/sha256/")]
        return {Path(it.name).name: archive.extractfile(it).read() for it in members}  # type: ignore[union-attr]
