"""What clients sign in with to pull from the mirror."""

from typing import Annotated, Any

import typer

from acrmirror.cli.options import OutputOption, client_of
from acrmirror.cli.output import Output, at_second, console, errors, print_json, print_table, safe

credentials = typer.Typer(help="Make, list and revoke what clients pull from the mirror with.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What a client signs in as, such as aks-prod.")]


@credentials.command()
def create(
    context: typer.Context,
    name: Name,
    expires: Annotated[
        str | None, typer.Option(help="Until when it is good: a day (its end in UTC) or a time; 90 days if left out.")
    ] = None,
    repository: Annotated[
        list[str] | None, typer.Option(help="What it may pull, such as 'team/*' (again and again); all if left out.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make one. The password is shown this once, alone on standard output."""
    with client_of(context, output) as client:
        made = client.create_credential(name, expires, repository or ["*"])
    if output is Output.JSON:
        print_json(made)
        return
    name_, patterns, until = made["name"], ", ".join(made["repositories"]), at_second(made["expires"])
    told = f"{safe(name_)} may pull {safe(patterns)} until {until}. This is its password, which is not shown again:"
    errors.print(told, soft_wrap=True)
    console.print(safe(made["password"]), soft_wrap=True, highlight=False)


@credentials.command("list")
def list_(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """List them, without their passwords."""
    with client_of(context, output) as client:
        found = client.credentials()
    if output is Output.JSON:
        print_json(found)
        return
    print_table(("NAME", "CREATED", "EXPIRES", "REPOSITORIES"), (_row(it) for it in found))


@credentials.command()
def revoke(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="As `list` shows them.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Revoke some. They fail within a minute."""
    with client_of(context, output) as client:
        revoked = [client.revoke_credential(it) for it in names]
    if output is Output.JSON:
        print_json(revoked)
    else:
        print_table(("REVOKED",), ((it["name"],) for it in revoked))


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    return found["name"], at_second(found["created"]), at_second(found["expires"]), ", ".join(found["repositories"])
