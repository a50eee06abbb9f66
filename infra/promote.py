"""Gives back what was deleted from the mirror, out of the versions that storage keeps: `python3 -m infra.promote`.

Storage with versioning keeps what a deletion took as an earlier version, and the blob's name leads nowhere. For each
name without a current version, this makes the newest version the current one again, byte for byte and with its
metadata; versions that were deleted themselves are undeleted first. What has a current version is left as it is, unless
`--overwritten-since MOMENT` asks for the version before that moment. It can be run again at any time, while the app
works, and loses nothing: what it replaces is a version, too. docs/recover.md says which roles it needs.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from operator import attrgetter

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobProperties, ContainerClient

THREADS = 16
SHOWN = 20
OVERWRITTEN = "also what was overwritten since then, such as 2026-11-01T12:00:00Z: the version before it"


@dataclass(frozen=True, slots=True)
class Version:
    """`id` is the moment of its writing, with seven digits of fraction: ids sort as they were written."""

    id: str
    current: bool
    deleted: bool


@dataclass(frozen=True, slots=True)
class Promotion:
    """`version` is to be current; `etag` is that of what it replaces, empty if there is nothing."""

    name: str
    version: Version
    etag: str = ""


@dataclass(slots=True)
class Report:
    promoted: int = 0
    untouched: int = 0
    lost: int = 0
    """Names of which there is no version that would do."""


def plan(name: str, versions: Sequence[Version], etag: str, overwritten_since: str) -> Promotion | None:
    """What to do for one name; None if there is nothing to do, or nothing to do it with."""
    current = next((it for it in versions if it.current and not it.deleted), None)
    if current is None:
        fits = [it for it in versions if not overwritten_since or it.id < overwritten_since] or list(versions)
        return Promotion(name, max(fits, key=attrgetter("id"))) if fits else None
    if not overwritten_since or current.id < overwritten_since:
        return None
    before = [it for it in versions if it.id < overwritten_since]
    return Promotion(name, max(before, key=attrgetter("id")), etag) if before else None


def promotions(listed: Iterable[BlobProperties], overwritten_since: str, report: Report) -> Iterator[Promotion]:
    """Storage lists all versions of a name one after the other."""
    for name, found in groupby(listed, key=attrgetter("name")):
        items = list(found)
        versions = [
            Version(str(it.version_id), bool(it.is_current_version), bool(it.deleted)) for it in items if it.version_id
        ]
        current = next((it for it in items if it.is_current_version and not it.deleted), None)
        promotion = plan(name, versions, quoted(str(current.etag)) if current else "", overwritten_since)
        if promotion is not None:
            yield promotion
        elif current is not None:
            report.untouched += 1
        else:
            report.lost += 1


def quoted(etag: str) -> str:
    """A listing has it without the quotes that a condition needs."""
    return etag if etag.startswith('"') else f'"{etag}"'


def promote(container: ContainerClient, one: Promotion) -> bool:
    """False if the blob has become current in the meantime. Raises AzureError."""
    blob = container.get_blob_client(one.name)
    if one.version.deleted:
        blob.undelete_blob()
    source = f"{blob.url}?versionid={one.version.id}"
    try:
        if one.etag:
            blob.start_copy_from_url(source, etag=one.etag, match_condition=MatchConditions.IfNotModified)
        else:
            blob.start_copy_from_url(source, match_condition=MatchConditions.IfMissing)
    except ResourceExistsError:
        return False
    except HttpResponseError as error:
        if error.status_code == 412:
            return False
        raise
    return True


def run(container: ContainerClient, prefix: str, overwritten_since: str, *, dry_run: bool) -> tuple[Report, list[str]]:
    """What was done, and what failed, each with its name. Raises AzureError if versions can't be listed."""
    report = Report()
    failures: list[str] = []
    listed = container.list_blobs(name_starts_with=prefix or None, include=["versions", "deleted"])

    def attempt(one: Promotion) -> str | bool:
        try:
            return dry_run or promote(container, one)
        except AzureError as error:
            return f"{one.name}: {str(error).splitlines()[0]}"

    with ThreadPoolExecutor(THREADS) as pool:
        for one, outcome in each(pool, attempt, promotions(listed, overwritten_since, report)):
            if isinstance(outcome, str):
                failures.append(outcome)
            elif outcome:
                report.promoted += 1
                if report.promoted <= SHOWN:
                    print(f"{one.name}: the version of {one.version.id}")
            else:
                report.untouched += 1
    return report, failures


def each(
    pool: ThreadPoolExecutor, attempt: Callable[[Promotion], str | bool], wanted: Iterator[Promotion]
) -> Iterator[tuple[Promotion, str | bool]]:
    """A thousand at a time: of a large mirror not everything is held at once."""
    while batch := list(islice(wanted, 1000)):
        yield from zip(batch, pool.map(attempt, batch), strict=True)


def moment(text: str) -> str:
    """As version ids are written. Raises ArgumentTypeError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment such as 2026-11-01T12:00:00Z")
    return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m infra.promote", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--endpoint", required=True, metavar="URL", help="blob endpoint of the mirror's account")
    parser.add_argument("--container", default="mirror")
    parser.add_argument("--prefix", default="", help="only names that begin so")
    parser.add_argument("--overwritten-since", default="", type=moment, metavar="MOMENT", help=OVERWRITTEN)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    given = parser.parse_args(arguments)
    with (
        DefaultAzureCredential() as credential,
        ContainerClient(given.endpoint, given.container, credential=credential) as container,
    ):
        return tell(*run(container, given.prefix, given.overwritten_since, dry_run=given.dry_run), given.dry_run)


def tell(report: Report, failures: Sequence[str], dry_run: bool) -> int:
    """Prints what became of it; 1 if something could not be given back."""
    verb = "would be made current" if dry_run else "are current"
    print(
        f"{report.promoted} versions {verb}; {report.untouched} blobs are as they were; {report.lost} have no version."
    )
    for line in failures[:SHOWN]:
        print(line, file=sys.stderr)
    if failures:
        print(f"{len(failures)} failed. Run it again: it goes on with what is left.", file=sys.stderr)
    return 1 if failures or report.lost else 0


if __name__ == "__main__":
    sys.exit(main())
