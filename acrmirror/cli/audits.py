"""`acrmirror audit`: what is in the mirror is read again."""

import time
from itertools import islice
from typing import Annotated, Any

import typer

from acrmirror.cli import exits
from acrmirror.cli.options import OutputOption, Timeout, Wait, client_of
from acrmirror.cli.output import Output, at_second, console, in_bytes, print_json, print_table, safe
from acrmirror.client import Client

POLL_SECONDS = 2.0
FAULTS_SHOWN = 50
ENDED = ("done", "failed", "cancelled")
COLUMNS = ("ID", "STATE", "PROVEN", "BLOBS", "BYTES", "FAULTS LEFT", "REQUESTED")

audits = typer.Typer(help="Read again what is in the mirror, and tell what is damaged.", invoke_without_command=True)


@audits.callback()
def audit(
    context: typer.Context,
    wait: Wait = False,
    timeout: Timeout = None,
    output: OutputOption = Output.TABLE,
) -> None:
    if context.invoked_subcommand is not None:
        return
    with client_of(context, output) as client:
        found = client.audit()
        if wait:
            found = _followed(client, found, timeout)
    _print(found, output)
    raise typer.Exit(code(found) if wait else exits.DONE)


@audits.command()
def show(
    context: typer.Context,
    identity: Annotated[str | None, typer.Argument(metavar="[ID]", help="An audit; the newest if none.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what an audit found, or how far it is."""
    with client_of(context, output) as client:
        newest = identity or next((it["id"] for it in client.audits()), None)
        found = client.show_audit(newest) if newest is not None else None
    if found is None:
        console.print("There was no audit.")
        raise typer.Exit(exits.NOT_FOUND)
    _print(found, output)
    raise typer.Exit(code(found))


@audits.command("ls")
def list_(
    context: typer.Context,
    count: Annotated[int, typer.Option("-n", min=1, help="At most so many.")] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """List audits, newest first."""
    with client_of(context, output) as client:
        found = list(islice(client.audits(), count))
    if output is Output.JSON:
        print_json(found)
    else:
        print_table(COLUMNS, map(_row, found), right=("BLOBS", "BYTES", "FAULTS LEFT"))


@audits.command()
def cancel(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Cancel an audit that is under way; the next one begins anew."""
    with client_of(context, output) as client:
        found = client.cancel_audit(identity)
    _print(found, output)


@audits.command()
def verify(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Whether each report is there, and as it was written."""
    with client_of(context, output) as client:
        wrong = client.audit_chain()
    if output is Output.JSON:
        print_json({"chain": wrong})
    else:
        for line in wrong or ["Each report is there, and as it was written."]:
            console.print(safe(line), soft_wrap=True)
    raise typer.Exit(exits.FAILED if wrong else exits.DONE)


def code(found: dict[str, Any]) -> int:
    """0 for a mirror that is proven, 1 for one that is not, 6 while the audit is under way."""
    if found["state"] not in ENDED:
        return exits.UNFINISHED
    return exits.DONE if found["proven"] else exits.FAILED


def _followed(client: Client, found: dict[str, Any], timeout: float | None) -> dict[str, Any]:
    until = time.monotonic() + timeout if timeout is not None else None
    while code(found) == exits.UNFINISHED and (until is None or time.monotonic() < until):
        left = POLL_SECONDS if until is None else until - time.monotonic()
        time.sleep(max(0.0, min(POLL_SECONDS, left)))
        found = client.show_audit(found["id"])
    return found


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    proven = {True: "yes", False: "no", None: ""}[found["proven"]]
    size, blobs = in_bytes(found["bytes"]), found["checked"]["blobs"]
    return found["id"], found["state"], proven, blobs, size, found["faults_left"], at_second(found["requested"])


def _print(found: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        print_json(found)
        return
    told = {True: "proven", False: "[red]not proven[/red]", None: safe(found["state"])}[found["proven"]]
    checked = found["checked"]
    console.print(f"{safe(found['id'])}  [bold]{told}[/bold]", soft_wrap=True)
    figures = (
        f"  {checked['blobs']} blobs with {in_bytes(found['bytes'])}, {checked['manifests']} manifests, "
        f"{checked['tags']} tags, {checked['links']} other links; {found['slices']} slices"
    )
    console.print(safe(figures), soft_wrap=True)
    if found["finished"]:
        times = f"  from {at_second(found['started'])} to {at_second(found['finished'])}"
        console.print(safe(times), soft_wrap=True)
    elif found["started"]:
        console.print(safe(f"  {found['phase']}, last sign at {at_second(found['updated'])}"), soft_wrap=True)
    if found["report"]:
        before = f", after {safe(found['report']['before'])}" if found["report"]["before"] else ""
        console.print(f"  report {safe(found['report']['digest'])}{before}", soft_wrap=True)
    error = found["error"]
    if error is not None:
        console.print(f"  [red]{safe(error['asked'])}: {safe(error['answered'])}.[/red] {safe(error['remedy'])}")
    for fault in sorted(found["faults"], key=lambda it: bool(it["mended"]))[:FAULTS_SHOWN]:
        state = "mended" if fault["mended"] else f"[red]{safe(fault['kind'])}[/red]"
        console.print(f"  {state}  {safe(fault['what'])}: {safe(fault['why'])}", soft_wrap=True)
        if fault["breaks"]:
            more = f" and {fault['breaks_more']} more" if fault["breaks_more"] else ""
            console.print(safe(f"    breaks {', '.join(fault['breaks'][:10])}{more}"), soft_wrap=True)
    if found["faults_found"] > FAULTS_SHOWN:
        console.print(safe(f"  {found['faults_found']} faults in all: --output json has those that are named"))
