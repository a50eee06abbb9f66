"""What is in the mirror: repositories, or the tags of one."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import Annotated, Any

import typer

from acrmirror.cli.failures import Usage
from acrmirror.cli.messages import plain
from acrmirror.cli.options import At, OutputOption, client_of
from acrmirror.cli.output import Output, at_second, in_bytes, print_json, print_table
from acrmirror.client import Client
from acrmirror.errors import NotFound

SIZE = "SIZE, ALL PLATFORMS"
"""Bytes of config and layers, of an index those of all that it lists: what a registry's own portal shows."""


def list_(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[REPOSITORY[:TAG]]", help="A repository, for its tags; `*` is any characters. All if left out."
        ),
    ] = None,
    at: At = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List what is in the mirror, or was in a repository of it."""
    repository, colon, tag = _parts(plain(name) if name is not None else "*")
    with client_of(context, output) as client:
        if "*" in repository and not colon:
            if at is not None:
                raise Usage("list repositories", "--at goes with the tags of one repository", "Name a repository.")
            names = list(islice((it for it in client.repositories() if fnmatchcase(it, repository)), limit))
            if name is not None and not names:
                raise _none(name)
            if output is Output.JSON:
                print_json(names)
            else:
                print_table(("REPOSITORY",), ((it,) for it in names))
            return
        if "*" in repository:
            raise Usage(f"list {name}", "tags are listed of one repository", f"See which: acrmirror ls '{repository}'.")
        tags = list(islice(_tags(client, repository, at, tag if colon else "*"), limit))
        if colon and not tags:
            raise _none(name or "")
    if output is Output.JSON:
        print_json(tags)
        return
    rows = (
        (
            it["tag"],
            it["digest"],
            "" if it.get("image_size") is None else in_bytes(it["image_size"]),
            at_second(it.get("pushed")),
            at_second(it.get("checked")),
        )
        for it in tags
    )
    print_table(("TAG", "DIGEST", SIZE, "PUSHED", "LAST CHECKED"), rows, right=(SIZE,))


def _parts(name: str) -> tuple[str, str, str]:
    """Repository and tag, where there is one."""
    head, colon, tag = name.rpartition(":")
    return (head, colon, tag) if colon and "/" not in tag else (name, "", "")


def _tags(client: Client, repository: str, at: str | None, pattern: str) -> Iterator[dict[str, Any]]:
    return (it for it in client.tags(repository, at, sizes=True) if fnmatchcase(it["tag"], pattern))


def _none(name: str) -> NotFound:
    return NotFound(f"look for {name} in the mirror", "nothing there has such a name", "See all: acrmirror ls.")
