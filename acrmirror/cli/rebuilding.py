"""Tags, rebuilt from history."""

from typing import Annotated

import typer

from acrmirror.cli import exits
from acrmirror.cli.following import follow_task
from acrmirror.cli.options import OutputOption, Timeout, client_of
from acrmirror.cli.output import Output, errors, print_json, print_table, safe


def rebuild_tags(
    context: typer.Context,
    patterns: Annotated[
        list[str], typer.Argument(metavar="PATTERN...", help="Repositories and tags, such as 'team/*'; '*' is all.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be set.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also tags that are well, and elsewhere than history has them.")
    ] = False,
    timeout: Timeout = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Set tags of the mirror anew from history, where their links are lost or damaged."""
    with client_of(context, output) as client:
        identity = client.request_rebuild(patterns, dry_run=dry_run, overwrite=overwrite)["id"]
        found = follow_task(
            lambda: client.rebuild(identity), "tags", timeout, False, done="looked_at", total="looked_at"
        )
    if output is Output.JSON:
        print_json(found)
    else:
        print_table(("TAG", "DIGEST"), found["tags"].items())
        did = f"{found['set']} of {found['looked_at']} tags {'would be set' if dry_run else 'set'}"
        errors.print(f"{safe(found['id'])}  [bold]{safe(found['state'])}[/bold]  {did}", soft_wrap=True)
        for note in found["notes"]:
            errors.print(f"  {safe(note)}", soft_wrap=True)
        error = found["error"]
        if error is not None and found["state"] != "incomplete":
            told = f"{safe(error['asked'])}: {safe(error['answered'])}.[/red] {safe(error['remedy'])}"
            errors.print(f"  [red]{told}", soft_wrap=True)
    raise typer.Exit(exits.of_states([found["state"]]))
