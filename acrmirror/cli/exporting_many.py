"""Writes many images of the mirror into one folder or one archive. What fails of one is told, and ends no other."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acrmirror.archive import archive_parts, write_file, write_folder, write_stream
from acrmirror.cli import exits
from acrmirror.cli.exporting import Place, Ready, read_image, told_bytes, told_failures, waiting_for, wanted_platform
from acrmirror.cli.failures import CannotWrite, ReaderGone, Usage
from acrmirror.cli.following import bars
from acrmirror.cli.messages import told
from acrmirror.cli.output import Output, errors, in_bytes, print_json, safe
from acrmirror.client import ApiProblem, BadKey, Client
from acrmirror.errors import MirrorError, Misconfigured, NotFound, Throttled, Unavailable
from acrmirror.oci import Descriptor
from acrmirror.patterns import Patterns
from acrmirror.reference import Digest

IN_A_ROW = 3
"""Images that could not be reached, one after the other, after which no other is tried."""
_OF_ALL = (BadKey, CannotWrite, Misconfigured, ReaderGone, Usage)
"""Failures that every image would meet."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: images by name, from where, and how they are written."""

    client: Client
    place: Place
    platform: str | None
    threads: int
    at: str | None
    output: Output

    @property
    def shown(self) -> bool:
        return self.output is Output.TABLE


def are_many(images: Sequence[str]) -> bool:
    return len(images) > 1 or any("*" in it or it.startswith("!") for it in images)


def chosen(client: Client, images: Sequence[str], at: str | None) -> list[str]:
    """Images by name: those that are named or, where there is a pattern among them, all tags of the mirror that match,
    in the order of their names. Raises NotFound where there are none, and Usage for what is no pattern."""
    if not any("*" in it or it.startswith("!") for it in images):
        return list(dict.fromkeys(images))
    try:
        patterns = Patterns.parse(images, client.registry())
    except MirrorError as error:
        raise Usage(error.asked, error.answered, error.remedy) from error
    found = [f"{repository}:{tag}" for repository, tag in _tags(client, patterns, at)]
    if not found:
        raise NotFound(
            f"export {' '.join(images)}",
            "the mirror has no tag that matches",
            "See what it has: acrmirror ls. Look at the quotes.",
        )
    return found


def _tags(client: Client, patterns: Patterns, at: str | None) -> Iterator[tuple[str, str]]:
    for repository in client.repositories():
        if not patterns.may_match(repository):
            continue
        try:
            yield from (
                (repository, str(it["tag"]))
                for it in client.tags(repository, at)
                if patterns.matches(repository, str(it["tag"]))
            )
        except ApiProblem as error:
            # It has no tag, or had none at that moment.
            if error.status != 404:
                raise


def export_many(request: Request, names: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    """What was written, a line for each image, with its `error` where it failed; and the exit code. Raises what ends
    all of it."""
    request.place.check()
    wanted_platform(request.platform)
    results = list(_into_folder(request, names)) if request.place.is_folder else _into_archive(request, names)
    failed = [it for it in results if it["error"] is not None]
    if not failed:
        return results, exits.DONE
    return results, exits.PARTLY if len(failed) < len(results) else failed[0]["exit_code"]


def _into_folder(request: Request, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each is in the folder's list as soon as it is whole."""
    attempts = _Attempts(request, len(names))
    for name in names:
        result = attempts.of(name, lambda ready: _add(request, ready))
        attempts.tell(name, result)
        yield result


def _add(request: Request, ready: Ready) -> None:
    place, exported = request.place, ready.exported
    with told_bytes(exported, request.shown) as on_bytes, told_failures(exported.name or "", place):
        write_folder(
            Path(place.named),
            exported,
            ready.fetch,
            threads=request.threads,
            on_bytes=on_bytes,
            waits=waiting_for(place),
            in_full=True,
        )


def _into_archive(request: Request, names: Sequence[str]) -> list[dict[str, Any]]:
    """The archive has all that could be read; one that is run again has the same bytes, if the same could."""
    attempts = _Attempts(request, len(names))
    ready: list[Ready] = []
    results = []
    for name in names:
        results.append(attempts.of(name, ready.append))
        attempts.tell(name, results[-1])
    if ready:
        _write(request, ready)
    return results


def _write(request: Request, ready: Sequence[Ready]) -> None:
    parts = archive_parts([it.exported for it in ready])
    sources = {blob.digest: it for it in reversed(ready) for blob in it.exported.blobs}
    place, done = request.place, dict[Digest, int]()

    def fetch(blob: Descriptor, offset: int, length: int) -> bytes:
        return sources[blob.digest].fetch(blob, offset, length)

    with bars(request.shown) as progress, told_failures(f"{len(ready)} images", place):
        bar = progress.add_task("archive", total=sum(it.blob.size for it in parts if it.blob is not None))

        def on_bytes(digest: Digest, count: int) -> None:
            done[digest] = count
            progress.update(bar, completed=sum(done.values()))

        if place.is_pipe:
            write_stream(sys.stdout.buffer, parts, fetch, threads=request.threads, on_bytes=on_bytes)
        else:
            write_file(
                Path(place.named),
                parts,
                fetch,
                threads=request.threads,
                on_bytes=on_bytes,
                waits=waiting_for(place),
            )


class _Attempts:
    """One image after the other, until what would fail for all of them."""

    def __init__(self, request: Request, count: int) -> None:
        self._request = request
        self._count = count
        self._number = 0
        self._unreached = 0

    def of(self, name: str, do: Callable[[Ready], object]) -> dict[str, Any]:
        request = self._request
        self._number += 1
        try:
            ready = read_image(request.client, name, request.platform, request.at)
            do(ready)
        except _OF_ALL:
            raise
        except MirrorError as error:
            away = isinstance(error, (Unavailable, Throttled)) or exits.exit_code(error) == exits.UNAVAILABLE
            self._unreached = self._unreached + 1 if away else 0
            if self._unreached == IN_A_ROW:
                raise
            code = getattr(error, "problem_code", error.code)
            asked, answered, remedy = told(error)
            parts = {"code": code, "asked": asked, "answered": answered, "remedy": remedy}
            return {"image": name, "error": parts, "exit_code": exits.exit_code(error)}
        self._unreached = 0
        return {**ready.figures(request.place.named), "error": None}

    def tell(self, name: str, result: dict[str, Any]) -> None:
        if not self._request.shown:
            return
        counted = f"{self._number}/{self._count}"
        error = result["error"]
        if error is not None:
            errors.print(
                f"{counted}  [red]{safe(name)}: {safe(error['answered'])}.[/red] {safe(error['remedy'])}",
                soft_wrap=True,
            )
            return
        note = "" if result["docker_load"] else f"  (docker load can't take it: {safe(result['docker_load_problem'])})"
        errors.print(f"{counted}  {safe(name)}  {in_bytes(result['bytes'])}{note}", soft_wrap=True)


def tell_end(request: Request, results: Sequence[dict[str, Any]]) -> None:
    """The figures of all of it, for scripts or for people."""
    if request.output is Output.JSON:
        if not request.place.is_pipe:
            print_json([{name: it for name, it in result.items() if name != "exit_code"} for result in results])
        return
    failed = sum(it["error"] is not None for it in results)
    kept = ", and what is there already is not fetched again" if request.place.is_folder else ""
    size = in_bytes(sum(it["bytes"] for it in results if it["error"] is None))
    errors.print(
        f"{len(results) - failed} of {len(results)} images with {size} (what they share counted each time) are in "
        f"{safe(request.place.named)}" + (f"; {failed} failed: run it again{kept}" if failed else ""),
        soft_wrap=True,
    )
