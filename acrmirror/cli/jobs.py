"""The command that lists and shows jobs of every kind."""

from itertools import islice
from typing import Annotated, Any

import typer

from acrmirror.cli import exits
from acrmirror.cli.messages import check_ids, check_state
from acrmirror.cli.options import OutputOption, client_of
from acrmirror.cli.output import Output, at_second, console, in_bytes, print_error, print_json, print_table, safe
from acrmirror.errors import MirrorError

KINDS = "event, pull, deletion, sweep, archive, rebuild, restore, restore-image, audit"


def jobs(
    context: typer.Context,
    identities: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Jobs; the newest if none.")] = None,
    kind: Annotated[str | None, typer.Option(help=f"Only those of this kind: {KINDS}.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    repository: Annotated[str | None, typer.Option(help="Only those about one image of this repository.")] = None,
    parent: Annotated[str | None, typer.Option(help="Only those that this sweep or restore requested.")] = None,
    count: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show jobs of every kind: copies, deletions, sweeps, archives, rebuilds, restores and audits."""
    found, code = [], exits.DONE
    with client_of(context, output) as client:
        check_ids("jobs", identities or ())
        check_state(state)
        if not identities:
            listed = client.jobs(kind=kind, state=state, repository=repository, parent=parent)
            found = list(islice(listed, count))
        for identity in identities or ():
            try:
                found.append(client.job(identity))
            except MirrorError as error:
                print_error(error, output)
                code = code or exits.exit_code(error)
    if output is Output.JSON:
        print_json(found)
    elif identities:
        for job in found:
            _print(job)
    else:
        print_table(("ID", "STATE", "KIND", "ABOUT", "DONE", "REQUESTED"), map(_row, found))
    raise typer.Exit(code)


def _row(job: dict[str, Any]) -> list[object]:
    return [job["id"], job["state"], job["kind"], job["title"], _done(job["progress"]), at_second(job["requested"])]


def _done(progress: dict[str, Any]) -> str:
    done, total, unit = progress["done"], progress["total"], progress["unit"]
    if unit == "bytes":
        return f"{in_bytes(done)} of {in_bytes(total or 0)}"
    return f"{done}{f' of {total}' if total is not None else ''} {unit}"


def _print(job: dict[str, Any]) -> None:
    """One job in words."""
    console.print(
        f"{safe(job['id'])}  [bold]{safe(job['state'])}[/bold]  {safe(job['kind'])}  {safe(job['title'])}",
        soft_wrap=True,
    )
    console.print(f"  {safe(_done(job['progress']))}", soft_wrap=True)
    for name in ("requested", "started", "finished", "next_attempt"):
        if job[name]:
            console.print(f"  {name.replace('_', ' ')} at {safe(at_second(job[name]))}", soft_wrap=True)
    if job["parent"]:
        console.print(f"  requested by {safe(job['parent'])}", soft_wrap=True)
    for state, count in (job["details"].get("jobs") or {}).items():
        console.print(f"  {count} {safe(state)}", soft_wrap=True)
    for note in job["notes"]:
        console.print(f"  {safe(note)}", soft_wrap=True)
    if (error := job["error"]) is not None:
        told = f"{safe(error['asked'])}: {safe(error['answered'])}.[/red] {safe(error['remedy'])}"
        console.print(f"  [red]{told}", soft_wrap=True)
