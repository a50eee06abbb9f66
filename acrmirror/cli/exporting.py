"""Writes an image of the mirror to a file, a folder or a pipe."""

import platform as machine
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acrmirror.archive import Exported, Fetch, image_parts, images_of, write_file, write_folder, write_stream
from acrmirror.cli.failures import CannotWrite, ReaderGone, Usage
from acrmirror.cli.following import bars
from acrmirror.cli.output import errors, safe
from acrmirror.client import ApiProblem, Client, ImageContent, LinkedBlobs
from acrmirror.errors import Malformed, NoSuchPlatform
from acrmirror.oci import Descriptor, Platform
from acrmirror.platforms import is_known, normal, parse_platform
from acrmirror.reference import Digest

ALL = "all"
BARS_SHOWN = 24


@dataclass(frozen=True, slots=True)
class Place:
    """Where an export goes: a file, a folder (one that is there, or named with a `/` at its end), or `-`."""

    named: str

    @property
    def is_pipe(self) -> bool:
        return self.named == "-"

    @property
    def is_folder(self) -> bool:
        return self.named.endswith("/") or Path(self.named).is_dir()

    def check(self) -> None:
        """Raises Usage for what nothing can be written to."""
        if self.is_pipe and sys.stdout.isatty():
            raise Usage("write the archive to the terminal", "nobody can read it there", "Pipe it, or give --to FILE.")
        if not self.is_pipe and (path := Path(self.named)).exists() and not (path.is_file() or path.is_dir()):
            # A pipe or a device would be replaced by a file.
            raise Usage(
                f"write the archive to {self.named}",
                "it is neither a file nor a folder",
                f"Give --to - > {self.named}.",
            )


@dataclass(frozen=True, slots=True)
class Ready:
    """An image that was read, but for its blobs. `platform` is the one that was chosen."""

    exported: Exported
    platform: str | None
    fetch: Fetch

    def figures(self, output: str) -> dict[str, Any]:
        exported = self.exported
        return {
            "image": exported.name,
            "digest": str(exported.root.digest),
            "platform": self.platform,
            "output": output,
            "bytes": sum(blob.size for blob in exported.blobs),
            "docker_load": exported.docker is not None,
            "docker_load_problem": exported.unloadable,
            "absent": sorted(str(it) for it in exported.absent),
        }


def here() -> Platform:
    """What containers on this machine are: docker runs linux ones everywhere but on windows servers."""
    return normal(Platform("linux", machine.machine() or "amd64"))


def wanted_platform(text: str | None) -> Platform | None:
    """None is all of them. Raises Usage for what is none."""
    if text is None:
        return here()
    try:
        return parse_platform(text) if text != ALL else None
    except Malformed as error:
        raise Usage(error.asked, error.answered, error.remedy) from error


def _content(
    client: Client, image: str, platform: str | None, at: str | None, *, named: bool
) -> tuple[ImageContent, str | None]:
    """With the platform that was chosen. If nobody named one, what is for none is taken whole, and an image of another
    platform than this machine's, if it is the only one."""
    try:
        return client.content(image, platform, at), platform
    except ApiProblem as error:
        if named or error.problem_code != NoSuchPlatform.code:
            raise
        content = client.content(image, None, at)
        root = content.manifests[0]
        stated = [it for _, it in images_of(root, {it.digest: it for it in content.manifests})]
        if root.is_index and any(map(is_known, stated)):
            raise
        return content, None


def read_image(client: Client, image: str, wanted: str | None, at: str | None) -> Ready:
    """Its manifests, and the config of what docker loads. Raises what the client does, and Usage."""
    chosen = wanted_platform(wanted)
    asked = str(chosen) if chosen is not None else None
    content, asked = _content(client, image, asked, at, named=wanted is not None)
    blobs = LinkedBlobs(content, lambda: client.content(image, asked, at), client.read_range)

    def read(blob: Descriptor) -> bytes:
        return blobs.fetch(blob, 0, blob.size) if blob.size else b""

    return Ready(content.exported(read, chosen or here()), asked, blobs.fetch)


def export(
    client: Client, image: str, output: str, wanted: str | None, threads: int, shown: bool, at: str | None = None
) -> dict[str, Any]:
    """What was written, in figures. Raises Usage, CannotWrite and ReaderGone besides what the client does."""
    place = Place(output)
    place.check()
    ready = read_image(client, image, wanted, at)
    exported = ready.exported
    with told_bytes(exported, shown) as on_bytes, told_failures(exported.name or image, place):
        if place.is_pipe:
            write_stream(sys.stdout.buffer, image_parts(exported), ready.fetch, threads=threads, on_bytes=on_bytes)
        elif place.is_folder:
            write_folder(
                Path(output), exported, ready.fetch, threads=threads, on_bytes=on_bytes, waits=waiting_for(place)
            )
        else:
            write_file(
                Path(output),
                image_parts(exported),
                ready.fetch,
                threads=threads,
                on_bytes=on_bytes,
                waits=waiting_for(place),
            )
    return ready.figures(output)


def waiting_for(place: Place) -> Callable[[], None]:
    return lambda: errors.print(f"another export writes {safe(place.named)}: waiting for its end", soft_wrap=True)


@contextmanager
def told_bytes(image: Exported, shown: bool) -> Iterator[Callable[[Digest, int], None]]:
    """A bar for each of the image's first blobs."""
    with bars(shown) as progress:
        tasks = {
            blob.digest: progress.add_task(blob.digest.encoded[:12], total=blob.size)
            for blob in image.blobs[:BARS_SHOWN]
        }

        def on_bytes(digest: Digest, done: int) -> None:
            if digest in tasks:
                progress.update(tasks[digest], completed=done)

        yield on_bytes


@contextmanager
def told_failures(name: str, place: Place) -> Iterator[None]:
    """Raises ReaderGone and CannotWrite for what the system says while `name` is written."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone(
            f"write {name} into the pipe", "its reader has gone away", "Look at what the reader says."
        ) from error
    except OSError as error:
        told = error.strerror or str(error)
        where = f" ({error.filename})" if error.filename and str(error.filename) != place.named else ""
        raise CannotWrite(
            f"write {place.named}", f"{told}{where}", "Check the path and the space left, and run it again."
        ) from error
