"""The commands. Each asks the HTTP API, and prints what came back. It is as long as there are commands."""

from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any

import typer

from acrmirror.cli import exits
from acrmirror.cli.archives import Form, Hours, archive, export_in_storage, tell
from acrmirror.cli.audits import audits
from acrmirror.cli.credentials import credentials
from acrmirror.cli.drill import drill
from acrmirror.cli.exporting import ALL, Place, export
from acrmirror.cli.exporting_many import Request, are_many, chosen, export_many, tell_end
from acrmirror.cli.failures import Usage
from acrmirror.cli.following import follow, outcome, until_listed
from acrmirror.cli.group import Commands
from acrmirror.cli.health import health
from acrmirror.cli.history import history
from acrmirror.cli.inspecting import inspect
from acrmirror.cli.jobs import jobs
from acrmirror.cli.listing import list_
from acrmirror.cli.messages import (
    all_plain,
    check_ids,
    check_state,
    nothing_matched,
    with_way_out,
)
from acrmirror.cli.options import (
    CONFIG,
    At,
    Authority,
    ConfigFile,
    Key,
    OutputOption,
    Timeout,
    Url,
    Wait,
    client_of,
)
from acrmirror.cli.output import (
    JOB_COLUMNS,
    Output,
    console,
    errors,
    in_bytes,
    job_row,
    print_error,
    print_job,
    print_json,
    print_table,
    safe,
)
from acrmirror.cli.pointing import mirror_config
from acrmirror.cli.rebuilding import rebuild_tags
from acrmirror.cli.restoring import restore
from acrmirror.cli.settings import Connection
from acrmirror.cli.stats import stats
from acrmirror.errors import MirrorError, NotFound
from acrmirror.version import VERSION

app = typer.Typer(
    name="acrmirror",
    cls=Commands,
    help="Copies images into the mirror of a container registry, shows what is there, and exports it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        console.print(f"acrmirror {VERSION}")
        raise typer.Exit


@app.callback()
def connect(
    context: typer.Context,
    url: Url = None,
    key: Key = None,
    ca: Authority = None,
    config: ConfigFile = CONFIG,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    context.obj = Connection(url, key, ca, config)


app.add_typer(audits, name="audit")


def _each(identities: list[str], call: Callable[[str], dict[str, Any]], output: Output) -> tuple[list[Any], int]:
    """All are requested, whatever happens to one; the first failure's exit code."""
    found, code = [], exits.DONE
    for identity in identities:
        try:
            found.append(call(identity))
        except MirrorError as error:
            print_error(error, output)
            code = code or exits.exit_code(error)
    return found, code


def _print_jobs(pulls: list[dict[str, Any]], output: Output) -> None:
    if output is Output.JSON:
        print_json(pulls)
        return
    for pull in pulls:
        print_job(pull)


@app.command()
def pull(
    context: typer.Context,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...",
            callback=all_plain,
            help="Repositories with tags or digests, or patterns such as 'team/*'.",
        ),
    ],
    platform: Annotated[list[str] | None, typer.Option(help="Only this platform of a multi-arch image.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Look at all again, even what is in the mirror.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Of patterns, only say what would be requested.")] = False,
    wait: Wait = False,
    timeout: Timeout = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Copy images into the mirror; with a pattern among them, all that they match and the mirror lacks."""
    many = dry_run or any("*" in it or it.startswith("!") for it in images)
    with client_of(context, output) as client:
        if many and (platform or force):
            raise Usage("pull patterns", "--platform and --force go with single images", "Leave these flags out.")
        if many:
            found, code = [client.match(images, dry_run=dry_run)], exits.DONE
            wait = wait or dry_run
            if not wait:
                found = [until_listed(client, found[0])]
        else:
            ask = with_way_out(lambda it: client.pull(it, platforms=platform or (), force=force))
            found, code = _each(images, ask, output)
        if wait:
            found = follow(client, found, timeout, output is Output.TABLE)
            code = code or exits.of_states([outcome(it) for it in found])
        _print_jobs(found, output)
        if many and nothing_matched(found, images):
            raise NotFound(
                f"pull {' '.join(images)}",
                "the registry has nothing that matches",
                "Look at the names, and at the quotes.",
            )
    raise typer.Exit(code)


@app.command()
def status(
    context: typer.Context,
    identities: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Pulls; the newest if none.")
    ] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    repository: Annotated[str | None, typer.Option(help="Only those of this repository.")] = None,
    count: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    wait: Wait = False,
    timeout: Timeout = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how pulls are going."""
    code = exits.DONE
    with client_of(context, output) as client:
        check_ids("status", identities or ())
        check_state(state)
        if identities:
            found, code = _each(identities, client.show, output)
            if wait:
                found = follow(client, found, timeout, output is Output.TABLE)
                code = code or exits.of_states([outcome(it) for it in found])
            _print_jobs(found, output)
        else:
            found = list(islice(client.pulls(state=state, repository=repository), count))
            if output is Output.JSON:
                print_json(found)
            else:
                print_table(JOB_COLUMNS, (job_row(it) for it in found))
    raise typer.Exit(code)


@app.command()
def cancel(
    context: typer.Context,
    identities: Annotated[list[str], typer.Argument(metavar="ID...")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Cancel pulls; what is staged is used when they are requested again."""
    with client_of(context, output) as client:
        check_ids("cancel", identities)
        found, code = _each(identities, client.cancel, output)
        _print_jobs(found, output)
    raise typer.Exit(code)


@app.command()
def retry(
    context: typer.Context,
    identities: Annotated[list[str], typer.Argument(metavar="ID...")],
    wait: Wait = False,
    timeout: Timeout = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Try failed pulls again."""
    with client_of(context, output) as client:
        check_ids("retry", identities)
        found, code = _each(identities, client.retry, output)
        if wait:
            found = follow(client, found, timeout, output is Output.TABLE)
            code = code or exits.of_states([outcome(it) for it in found])
        _print_jobs(found, output)
    raise typer.Exit(code)


app.command("ls")(list_)


app.command()(inspect)
app.command()(history)
app.add_typer(credentials, name="credentials")
app.command()(drill)
app.command("mirror-config")(mirror_config)


app.command()(archive)
app.command("rebuild-tags")(rebuild_tags)
app.command("restore")(restore)


@app.command("export")
def export_(
    context: typer.Context,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...",
            callback=all_plain,
            help="Repositories with tags or digests, or patterns such as 'team/*': all tags of the mirror that match.",
        ),
    ],
    to: Annotated[
        str | None, typer.Option("--to", help="A file; a folder (one that is there, or with a / at its end); - .")
    ] = None,
    platform: Annotated[
        str | None, typer.Option(help=f"Such as linux/arm64; `{ALL}` for all. This machine's if left out.")
    ] = None,
    at: At = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Ranges fetched at once.")] = 8,
    in_storage: Annotated[
        bool, typer.Option("--in-storage", help="Have storage put them into one archive, and print a link to it.")
    ] = False,
    form: Annotated[
        Form, typer.Option("--form", help="In storage: for docker load and OCI tools, or an OCI layout of all.")
    ] = Form.DOCKER,
    hours: Hours = 1,
    timeout: Timeout = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Write images to an archive for docker load and OCI tools, or to an OCI layout folder."""
    with client_of(context, output) as client:
        if in_storage:
            if to is not None:
                raise Usage("export in storage", "--to is for archives that are written here", "Leave --to out.")
            shown = output is Output.TABLE
            found = export_in_storage(client, chosen(client, images, at), form, platform, at, timeout, hours, shown)
            tell(found, output)
            raise typer.Exit(exits.of_states([found["state"]]))
        if to is None or form is not Form.DOCKER:
            raise Usage("export here", "that takes --to, and no --form", "Give --to FILE, or --in-storage.")
        if are_many(images):
            asked = Request(client, Place(to), platform, threads, at, output)
            results, code = export_many(asked, chosen(client, images, at))
            tell_end(asked, results)
            raise typer.Exit(code)
        written = export(client, images[0], to, platform, threads, output is Output.TABLE, at)
    if output is Output.JSON and to != "-":
        print_json(written)
    elif output is Output.TABLE:
        errors.print(
            f"{safe(written['image'])} {safe(written['digest'])}: {in_bytes(written['bytes'])}", soft_wrap=True
        )
        if not written["docker_load"]:
            errors.print(
                f"docker load can't take it: {safe(written['docker_load_problem'])}. OCI tools can.", soft_wrap=True
            )


app.command()(health)
app.command()(stats)
app.command()(jobs)
