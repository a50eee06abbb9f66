"""What is printed: tables for people, JSON for scripts. Errors and progress go to stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from acrmirror.errors import MirrorError

console = Console()
errors = Console(stderr=True)


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_error(error: MirrorError, output: Output) -> None:
    if output is Output.JSON:
        code = getattr(error, "problem_code", error.code)
        told = {"code": code, "asked": error.asked, "answered": error.answered, "remedy": error.remedy}
        sys.stderr.write(json.dumps({"error": told}, ensure_ascii=False) + "\n")
        return
    errors.print(f"[red]{escape(error.asked)}: {escape(error.answered)}.[/red] {escape(error.remedy)}", soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> None:
    """A table that a pipe gets without borders and without cuts."""
    if not console.is_terminal:
        for row in rows:
            sys.stdout.write("\t".join(str(cell) for cell in row) + "\n")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console.print(table)


def in_bytes(size: int) -> str:
    """As people say it, in decimal units."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def at_second(moment: str | None) -> str:
    return f"{moment[:19]}Z" if moment else ""


def job_row(pull: dict[str, Any]) -> list[object]:
    progress = pull["progress"]
    done = f"{in_bytes(progress['bytes_done'])} of {in_bytes(progress['bytes_total'])}"
    return [pull["id"], pull["state"], pull["kind"], _named(pull), done, at_second(pull["received"])]


def _named(pull: dict[str, Any]) -> str:
    return " ".join(pull["match"]["patterns"]) if pull["match"] is not None else str(pull["image"])


def print_queues(health: dict[str, Any]) -> None:
    """How much waits in each queue. An older function app has one, and does not know of the other."""
    dead = f", {health['dead_messages']} dead" if health.get("dead_messages") else ""
    for messages, oldest, what, more in (
        ("queue_messages", "oldest_message_seconds", "the queue", dead),
        ("backfill_messages", "oldest_backfill_seconds", "the queue of sweeps", ""),
    ):
        if health.get(messages) is None:
            continue
        waits = f", the next one for {health[oldest]:.0f} s" if health.get(oldest) is not None else ""
        console.print(f"{health[messages]} messages in {what}{waits}{more}", soft_wrap=True)
    if health.get("compared"):
        console.print(f"everything was compared at {at_second(health['compared'])}", soft_wrap=True)


JOB_COLUMNS = ("ID", "STATE", "KIND", "IMAGE", "BYTES", "ASKED")


def print_job(pull: dict[str, Any]) -> None:
    """One job in words."""
    console.print(f"{pull['id']}  [bold]{pull['state']}[/bold]  {escape(_named(pull))}", soft_wrap=True)
    match = pull["match"]
    if match is not None:
        console.print(
            f"  {match['listed']} images in {match['repositories']} repositories, {match['standing']} in the mirror, "
            f"{match.get('under_way', 0)} under way, {match['asked']} "
            f"{'would be' if match['dry_run'] else 'were'} asked for",
            soft_wrap=True,
        )
        for state, count in (match["jobs"] or {}).items():
            console.print(f"  {count} {state}")
        for image in match["sample"] if match["dry_run"] else ():
            console.print(f"  {escape(image)}", soft_wrap=True)
    progress = pull["progress"]
    if progress["layers_total"]:
        console.print(
            f"  {progress['layers_done']} of {progress['layers_total']} layers, "
            f"{in_bytes(progress['bytes_done'])} of {in_bytes(progress['bytes_total'])}; "
            f"{pull['requests']} requests to the registry",
            soft_wrap=True,
        )
    if pull["tagged_digest"] or pull["mirrored_digest"]:
        console.print(f"  {pull['tagged_digest'] or pull['mirrored_digest']}", soft_wrap=True)
    if pull["next_attempt"]:
        console.print(f"  next attempt at {at_second(pull['next_attempt'])}", soft_wrap=True)
    for note in pull["notes"]:
        console.print(f"  {escape(note)}", soft_wrap=True)
    error = pull["error"]
    if error is not None:
        console.print(
            f"  [red]{escape(error['asked'])}: {escape(error['answered'])}.[/red] {escape(error['remedy'])}",
            soft_wrap=True,
        )
