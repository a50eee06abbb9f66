"""Archives that storage puts together."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from acrmirror.cli import exits
from acrmirror.cli.exporting import ALL, here
from acrmirror.cli.failures import Usage
from acrmirror.cli.following import follow_task
from acrmirror.cli.options import OutputOption, Timeout, Wait, client_of
from acrmirror.cli.output import Output, console, errors, in_bytes, print_json, safe
from acrmirror.client import Client


class Form(StrEnum):
    DOCKER = "docker"
    OCI = "oci"


Hours = Annotated[int, typer.Option("--hours", min=1, max=144, help="For which the link is good.")]


def export_in_storage(
    client: Client,
    images: Sequence[str],
    form: Form,
    platform: str | None,
    at: str | None,
    timeout: float | None,
    hours: int,
    shown: bool,
) -> dict[str, Any]:
    """Requests an archive, and follows it to its end."""
    if platform == ALL and form is Form.DOCKER:
        raise Usage("put all platforms into an archive for docker", "it takes one of an index", "Give --form oci.")
    chosen = str(here()) if platform is None and form is Form.DOCKER else None if platform == ALL else platform
    asked = client.request_archive(images, form, chosen, at)
    return _followed(client, asked["id"], timeout, hours, shown)


def _followed(client: Client, identity: str, timeout: float | None, hours: int, shown: bool) -> dict[str, Any]:
    return follow_task(
        lambda: client.archive(identity, hours), "archive", timeout, shown, done="bytes_done", total="size"
    )


def archive(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="Of an archive, as export --in-storage shows it.")],
    hours: Hours = 1,
    wait: Wait = False,
    timeout: Timeout = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how an archive in storage is, with a new link to it."""
    with client_of(context, output) as client:
        found = client.archive(identity, hours)
        if wait:
            found = _followed(client, identity, timeout, hours, output is Output.TABLE)
    tell(found, output)
    raise typer.Exit(exits.of_states([found["state"]]) if wait else exits.DONE)


def tell(found: dict[str, Any], output: Output) -> None:
    """The link goes to the standard output, alone, and the rest beside it."""
    if output is Output.JSON:
        print_json(found)
        return
    size = f", {in_bytes(found['size'])}" if found["size"] else ""
    errors.print(f"{safe(found['id'])}  [bold]{safe(found['state'])}[/bold]  {len(found['images'])} images{size}")
    for note in found["notes"]:
        errors.print(f"  {safe(note)}", soft_wrap=True)
    error, link = found["error"], found["link"]
    if error is not None:
        told = f"{safe(error['asked'])}: {safe(error['answered'])}.[/red] {safe(error['remedy'])}"
        errors.print(f"  [red]{told}", soft_wrap=True)
    if link is not None:
        errors.print(f"  until {safe(link['expires'])}, for whoever has it:", soft_wrap=True)
        console.print(safe(link["url"]), soft_wrap=True)
    elif found["state"] == "done":
        errors.print("  it is no longer there: archives are removed after some days. Request it anew.", soft_wrap=True)
