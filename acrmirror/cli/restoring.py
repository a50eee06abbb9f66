"""Images of the mirror, restored into a registry."""

from typing import Annotated, Any

import typer

from acrmirror.cli import exits
from acrmirror.cli.following import ASKED, ENDED, follow_task
from acrmirror.cli.options import At, OutputOption, Timeout, Wait, client_of
from acrmirror.cli.output import Output, at_second, errors, in_bytes, print_json, print_table, safe


def restore(
    context: typer.Context,
    patterns: Annotated[
        list[str], typer.Argument(metavar="PATTERN...", help="Repositories and tags, such as 'team/*'; '*' is all.")
    ],
    to: Annotated[
        str | None, typer.Option("--to", help="The registry; the only one that the app may restore into if left out.")
    ] = None,
    at: At = None,
    prefix: Annotated[str, typer.Option(help="Put before each repository's name there, with a slash.")] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also set tags that the registry has elsewhere.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    wait: Wait = False,
    timeout: Timeout = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Copy images of the mirror into a registry, with what refers to them."""
    with client_of(context, output) as client:
        found = client.request_restore(patterns, target=to, at=at, prefix=prefix, overwrite=overwrite, dry_run=dry_run)
        if wait or dry_run:
            identity = found["id"]
            found = follow_task(
                lambda: _shown(client.restore(identity)),
                "images",
                timeout,
                output is Output.TABLE,
                done="ended",
                total="requested_images",
            )
            found["state"] = found.pop("outcome")
            del found["ended"]
    if output is Output.JSON:
        print_json(found)
    else:
        _print(found)
    raise typer.Exit(exits.of_states([found["state"]]) if wait or dry_run else exits.DONE)


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    """With how many images have ended, and what it came to: a restore is over when its images are."""
    ended = sum(count for state, count in found["jobs"].items() if state in ENDED)
    requested = found["state"] in ASKED and not found["dry_run"]
    outcome = found["state"]
    if requested:
        over = ended == sum(found["jobs"].values()) and ended >= found["requested_images"]
        states = ("failed", "cancelled", "incomplete")
        outcome = next((it for it in states if found["jobs"].get(it)), outcome) if over else "running"
    return found | {"ended": ended, "outcome": outcome, "state": outcome}


def _print(found: dict[str, Any]) -> None:
    then = f", as they were at {at_second(found['at'])}" if found["at"] else ""
    named = f"{safe(' '.join(found['patterns']))} into {safe(found['target'])}{safe(then)}"
    errors.print(f"{safe(found['id'])}  [bold]{safe(found['state'])}[/bold]  {named}", soft_wrap=True)
    if found["dry_run"]:
        told = (
            f"{found['requested_images']} of {found['listed']} images would be restored, {found['present']} are there, "
            f"{found['refused']} would be refused: {in_bytes(found['bytes'])} in about {found['requests']} requests"
        )
    else:
        told = (
            f"{found['restored']} of {found['listed']} images restored, {found['present']} were there, "
            f"{len(found['failures'])} failed: {in_bytes(found['bytes'])} sent"
        )
    errors.print(f"  {told}", soft_wrap=True)
    for note in found["notes"]:
        errors.print(f"  {safe(note)}", soft_wrap=True)
    error = found["error"]
    if error is not None:
        told = f"{safe(error['asked'])}: {safe(error['answered'])}.[/red] {safe(error['remedy'])}"
        errors.print(f"  [red]{told}", soft_wrap=True)
    if found["failures"]:
        print_table(
            ("IMAGE", "STATE", "WHY", "WHAT TO DO"),
            (
                (it["image"], it["state"], it["error"]["answered"], it["error"]["remedy"])
                if it["error"]
                else (it["image"], it["state"], "", "")
                for it in found["failures"]
            ),
        )
