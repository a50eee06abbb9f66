"""`acrmirror drill`: images are pulled back as on the day they are needed, and it is written down how that went."""

import hashlib
import json
import os
import random
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from acrmirror.cli import exits
from acrmirror.cli.drill_restore import Target, restored
from acrmirror.cli.exporting import ALL, export
from acrmirror.cli.failures import CannotWrite, Usage
from acrmirror.cli.options import OutputOption, client_of
from acrmirror.cli.output import Output, console, in_bytes, print_json, safe
from acrmirror.cli.settings import Connection
from acrmirror.client import Client
from acrmirror.client.pulling import Puller
from acrmirror.errors import DigestMismatch, MirrorError
from acrmirror.reference import Digest, Reference

TAGS_LIMIT = 50_000
"""Tags from which the sample is taken."""
ENOUGH = 100_000_000
"""Bytes from which on the seconds for a GB say something."""
GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Secrets:
    """The pull credential's password, and what signs in at the registry that is restored into: no flag has these, since
    others see the flags of a process."""

    password: str = field(repr=False)
    target_username: str | None
    target_password: str = field(repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str], stdin: TextIO | None) -> "Secrets":
        given = stdin.readline().rstrip("\r\n") if stdin is not None else environment.get("ACRMIRROR_PASSWORD", "")
        target = environment.get("ACRMIRROR_TARGET_USERNAME") or None
        return cls(given, target, environment.get("ACRMIRROR_TARGET_PASSWORD", ""))


def drill(
    context: typer.Context,
    images: Annotated[list[str] | None, typer.Argument(metavar="[IMAGE]...", help="Instead of a sample.")] = None,
    sample: Annotated[int, typer.Option(min=1, max=1000, help="How many images, chosen at random.")] = 5,
    username: Annotated[
        str | None, typer.Option(envvar="ACRMIRROR_USERNAME", help="Name of the pull credential, if one is needed.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read its password from standard input; else ACRMIRROR_PASSWORD.")
    ] = False,
    restore_to: Annotated[
        str | None,
        typer.Option("--restore-to", help="Also restore one, into a scratch repository of this registry."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for that restore.")] = 3600,
    evidence: Annotated[
        Path | None, typer.Option("--to", help="The file that is written; drill-<time>.json if left out.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Pull images back through the mirror's registry, hash all, and write down how long that took."""
    begun = datetime.now(UTC)
    secrets = Secrets.of(os.environ, sys.stdin if password_stdin else None)
    with client_of(context, output) as client:
        chosen = [_tagged(it) for it in images] if images else _sampled(client, sample)
        if not chosen:
            raise Usage("pull images back", "the mirror has no tags", "Pull an image first.")
        connection: Connection = context.obj
        with Puller(client.url, username, secrets.password, connection.authority) as puller:
            found = [_pulled(puller, it) for it in chosen]
        good = [it for it in found if it["error"] is None]
        archive = _archived(client, good[0]["image"]) if good else None
        restore = None
        if restore_to is not None and good:
            target = Target(restore_to, secrets.target_username, secrets.target_password, connection.authority)
            restore = restored(client, target, good[0], f"{begun:%Y%m%d-%H%M%S}", timeout, time.sleep)
        told = _told(begun, client.url, found, archive, restore)
        place = evidence or Path(f"drill-{begun:%Y%m%dT%H%M%SZ}.json")
        try:
            place.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise CannotWrite(
                f"write {place}", error.strerror or str(error), "Give another file: --to FILE."
            ) from error
    _print(told, place, output)
    raise typer.Exit(exits.DONE if told["ok"] else exits.FAILED)


def _tagged(text: str) -> Reference:
    reference = Reference.parse(text)
    if reference.tag is None:
        raise Usage(f"pull {text} back", "it has no tag", "Name a tag: a digest proves itself.")
    return reference


def _sampled(client: Client, count: int) -> list[Reference]:
    tags = (Reference(name, tag["tag"]) for name in client.repositories() for tag in client.tags(name))
    known = list(islice(tags, TAGS_LIMIT))
    return random.sample(known, min(count, len(known)))


def _pulled(puller: Puller, reference: Reference) -> dict[str, Any]:
    """How one pull went; what fails is told, and the others are pulled."""
    found: dict[str, Any] = {"image": str(reference), "error": None}
    try:
        pulled = puller.pull(reference.repository, reference.tag or "")
    except MirrorError as error:
        return found | {
            "error": {"code": error.code, "asked": error.asked, "answered": error.answered, "remedy": error.remedy}
        }
    figures = {"digest": pulled.digest, "manifests": pulled.manifests, "blobs": pulled.blobs, "bytes": pulled.bytes}
    return found | figures | {"seconds": round(pulled.seconds, 3)}


def _archived(client: Client, image: str) -> dict[str, Any]:
    """One image as an archive, which is read again as a loader would."""
    begun = time.monotonic()
    found: dict[str, Any] = {"image": image, "error": None}
    try:
        with tempfile.TemporaryDirectory(prefix="acrmirror-drill-") as folder:
            path = Path(folder) / "image.tar"
            export(client, image, str(path), ALL, 8, False)
            files = check_archive(path)
            size = path.stat().st_size
    except MirrorError as error:
        return found | {
            "error": {"code": error.code, "asked": error.asked, "answered": error.answered, "remedy": error.remedy}
        }
    return found | {"files": files, "bytes": size, "seconds": round(time.monotonic() - begun, 3)}


def check_archive(path: Path) -> int:
    """How many files an archive has. Raises DigestMismatch where one is not what its name says, or something is
    missing that its index leads to."""
    asked = f"load the archive {path.name}"
    with tarfile.open(path) as archive:
        names = {it.name: it for it in archive.getmembers()}
        small: dict[str, bytes] = {}
        for name, member in names.items():
            stream = archive.extractfile(member)
            if stream is None:
                continue
            algorithm = name.split("/")[1] if name.startswith("blobs/") else "sha256"
            hasher = hashlib.new(algorithm)
            kept = bytearray()
            while piece := stream.read(1024 * 1024):
                hasher.update(piece)
                if member.size <= 4 * 1024 * 1024:
                    kept += piece
            if name.startswith("blobs/") and hasher.hexdigest() != name.rpartition("/")[2]:
                raise DigestMismatch(asked, f"{name} has another digest", "Export the image again.")
            small[name] = bytes(kept)
    rest = ["index.json"]
    seen = set(rest)
    while rest:
        document = json.loads(small.get(rest.pop(), b"{}") or b"{}")
        entries = [document.get("config"), *document.get("layers", ()), *document.get("manifests", ())]
        for entry in entries:
            if not isinstance(entry, dict):
                continue
            digest = Digest.parse(str(entry["digest"]))
            name = f"blobs/{digest.algorithm}/{digest.encoded}"
            if name not in names or names[name].size != entry["size"]:
                raise DigestMismatch(asked, f"{digest} is missing, or of another size", "Export the image again.")
            if name not in seen and ("manifest" in entry["mediaType"] or "index" in entry["mediaType"]):
                seen.add(name)
                rest.append(name)
    return len(names)


def _told(
    begun: datetime,
    url: str,
    found: list[dict[str, Any]],
    archive: dict[str, Any] | None,
    restore: dict[str, Any] | None,
) -> dict[str, Any]:
    good = [it for it in found if it["error"] is None]
    size, seconds = sum(it["bytes"] for it in good), sum(it["seconds"] for it in good)
    return {
        "version": 1,
        "url": url,
        "begun": f"{begun:%Y-%m-%dT%H:%M:%SZ}",
        "finished": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "ok": len(good) == len(found)
        and archive is not None
        and archive["error"] is None
        and (restore is None or restore["same"]),
        "images": found,
        "archive": archive,
        "restore": restore,
        "bytes": size,
        "seconds": round(seconds, 3),
        "seconds_per_gb": round(seconds * GB / size, 1) if size else None,
        "restore_seconds_per_gb": _per_gb(restore) if restore is not None else None,
    }


def _per_gb(restore: dict[str, Any]) -> float | None:
    """The recovery time that was measured."""
    return round(restore["seconds"] * GB / restore["bytes"], 1) if restore.get("bytes") else None


def _print(told: dict[str, Any], place: Path, output: Output) -> None:
    if output is Output.JSON:
        print_json(told)
        return
    archive = told["archive"]
    restore = told["restore"]
    pulls = [*told["images"], *([archive | {"image": f"archive of {archive['image']}"}] if archive else [])]
    pulls += [restore | {"image": f"{restore['image']} restored into {restore['repository']}"}] if restore else []
    for it in pulls:
        error = it["error"]
        what = (
            f"{error['asked']}: {error['answered']}. {error.get('remedy', '')}".rstrip()
            if error
            else f"{in_bytes(it['bytes'])} in {it['seconds']} s"
        )
        console.print(safe(f"{'failed' if error else 'whole'}  {it['image']}  {what}"), soft_wrap=True)
    if restore and restore["left"]:
        console.print(safe(f"left    remove it: {restore['left']}"), soft_wrap=True)
    if told["restore_seconds_per_gb"] is not None:
        pace = _pace(told["restore_seconds_per_gb"], told["restore"]["bytes"])
        console.print(safe(f"{pace} that is restored"), soft_wrap=True)
    if told["seconds_per_gb"] is not None:
        console.print(safe(f"{_pace(told['seconds_per_gb'], told['bytes'])}; evidence in {place}"), soft_wrap=True)


def _pace(seconds_per_gb: float, size: int) -> str:
    """Of a few megabytes most of the time is spent on requests, which a GB does not have in that number."""
    little = f" (estimated from {in_bytes(size)}, which is too little to go by)" if size < ENOUGH else ""
    return f"{seconds_per_gb} s for a GB{little}"
