"""What moved when."""

from itertools import islice
from typing import Annotated

import typer

from acrmirror.cli.messages import plain
from acrmirror.cli.options import At, OutputOption, client_of
from acrmirror.cli.output import Output, at_second, print_json, print_table


def history(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="REPOSITORY[:TAG]", callback=plain, help="A repository, or one tag of it.")
    ],
    deleted: Annotated[bool, typer.Option("--deleted", help="What was deleted at the registry, instead.")] = False,
    at: At = None,
    count: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 100,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what moved when, newest first: where each tag came to be, and since when."""
    with client_of(context, output) as client:
        moves = list(islice(client.history(name, deleted=deleted, at=at), count))
    if output is Output.JSON:
        print_json(moves)
        return
    rows = (
        (at_second(it["at"]), ", ".join(it["tags"]), it["digest"], it["kind"], "" if it["mirrored"] else "not mirrored")
        for it in moves
    )
    print_table(("TIME", "TAG", "DIGEST", "BY", ""), rows)
