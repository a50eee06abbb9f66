"""The command that shows whether the function app has all that it needs."""

import typer

from acrmirror.cli import exits
from acrmirror.cli.options import OutputOption, client_of
from acrmirror.cli.output import Output, print_json, print_queues, print_table


def health(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Whether the function app has all that it needs."""
    with client_of(context, output) as client:
        found = client.health()
    if output is Output.JSON:
        print_json(found)
    else:
        print_table(
            ("CHECK", "", "WHAT TO DO"),
            (
                (
                    it["name"],
                    "ok" if it["ok"] else it["error"]["answered"],
                    it["error"]["remedy"] if it["error"] else "",
                )
                for it in found["checks"]
            ),
        )
        print_queues(found)
    raise typer.Exit(exits.DONE if found["ok"] else exits.FAILED)
