"""Writes an image of the mirror to a file, a folder or a pipe."""

import platform as machine
import sys
from pathlib import Path
from typing import Any

from acrmirror.archive import image_parts, images_of, write_file, write_folder, write_stream
from acrmirror.cli.failures import CannotWrite, ReaderGone, Usage
from acrmirror.cli.following import bars
from acrmirror.cli.output import errors, safe
from acrmirror.client import ApiProblem, Client, ImageContent, LinkedBlobs
from acrmirror.errors import Malformed, NoSuchPlatform
from acrmirror.oci import Descriptor, Platform
from acrmirror.platforms import is_known, normal, parse_platform
from acrmirror.reference import Digest

ALL = "all"


def here() -> Platform:
    """What containers on this machine are: docker runs linux ones everywhere but on windows servers."""
    return normal(Platform("linux", machine.machine() or "amd64"))


def _platform(text: str) -> Platform:
    try:
        return parse_platform(text)
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


def export(
    client: Client, image: str, output: str, wanted: str | None, threads: int, shown: bool, at: str | None = None
) -> dict[str, Any]:
    """What was written, in figures. Raises Usage, CannotWrite and ReaderGone besides what the client does."""
    if output == "-" and sys.stdout.isatty():
        raise Usage("write the archive to the terminal", "nobody can read it there", "Pipe it, or give --to FILE.")
    if output != "-" and (place := Path(output)).exists() and not (place.is_file() or place.is_dir()):
        # A pipe or a device would be replaced by a file.
        raise Usage(f"write the archive to {output}", "it is neither a file nor a folder", f"Give --to - > {output}.")
    chosen = here() if wanted is None else _platform(wanted) if wanted != ALL else None
    asked = str(chosen) if chosen is not None else None
    content, asked = _content(client, image, asked, at, named=wanted is not None)
    blobs = LinkedBlobs(content, lambda: client.content(image, asked, at), client.read_range)

    def read(blob: Descriptor) -> bytes:
        return blobs.fetch(blob, 0, blob.size) if blob.size else b""

    exported = content.exported(read, chosen or here())
    first: dict[Digest, int] = {}
    with bars(shown) as progress:
        tasks = {
            blob.digest: progress.add_task(blob.digest.encoded[:12], total=blob.size) for blob in exported.blobs[:24]
        }

        def on_bytes(digest: Digest, done: int) -> None:
            first.setdefault(digest, done)
            if digest in tasks:
                progress.update(tasks[digest], completed=done)

        def waits() -> None:
            errors.print(f"another export writes {safe(output)}: waiting for its end", soft_wrap=True)

        try:
            if output == "-":
                write_stream(sys.stdout.buffer, image_parts(exported), blobs.fetch, threads=threads, on_bytes=on_bytes)
            elif output.endswith("/") or Path(output).is_dir():
                write_folder(Path(output), exported, blobs.fetch, threads=threads, on_bytes=on_bytes, waits=waits)
            else:
                write_file(
                    Path(output), image_parts(exported), blobs.fetch, threads=threads, on_bytes=on_bytes, waits=waits
                )
        except BrokenPipeError as error:
            raise ReaderGone(
                f"write {exported.name} into the pipe", "its reader has gone away", "Look at what the reader says."
            ) from error
        except OSError as error:
            told = error.strerror or str(error)
            where = f" ({error.filename})" if error.filename and str(error.filename) != output else ""
            raise CannotWrite(
                f"write {output}", f"{told}{where}", "Check the path and the space left, and run it again."
            ) from error
    return {
        "image": exported.name,
        "digest": str(exported.root.digest),
        "platform": asked,
        "output": output,
        "bytes": sum(blob.size for blob in exported.blobs),
        "docker_load": exported.docker is not None,
        "docker_load_problem": exported.unloadable,
        "absent": sorted(str(it) for it in exported.absent),
    }
