"""What is printed: tables for people, JSON for scripts. Errors and progress go to stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.errors import MarkupError
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from acrmirror.cli.messages import told
from acrmirror.errors import MirrorError


def visible(text: object) -> str:
    """Text from outside on one line of a terminal or a pipe: control characters, escape sequences, line breaks and what
    turns the direction of writing become U+FFFD (rule S6)."""
    return "".join(it if it.isprintable() else "\ufffd" for it in str(text))


def safe(text: object) -> str:
    """The same where markup is read, which it has none of."""
    return escape(visible(text))


class _Terminal(Console):
    """Whatever is printed, no character of it but a line's end does anything to a terminal, and what is no markup of
    ours is text."""

    def print(self, *objects: Any, **options: Any) -> None:
        lines = ["\n".join(map(visible, it.split("\n"))) if isinstance(it, str) else it for it in objects]
        super().print(*map(_marked_up, lines), **options)


def _marked_up(printed: Any) -> Any:
    try:
        return Text.from_markup(printed, emoji=False) if isinstance(printed, str) else printed
    except MarkupError:
        return Text(printed)


console = _Terminal(emoji=False)
errors = _Terminal(stderr=True, emoji=False)


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"


def print_json(value: object) -> None:
    sys.stdout.write(_json(value, indent=2) + "\n")


def _json(value: object, indent: int | None = None) -> str:
    """With every character escaped that is none to be seen, of which JSON asks that only for some."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return "".join(it if it.isprintable() or it == "\n" else json.dumps(it)[1:-1] for it in text)


def print_error(error: MirrorError, output: Output) -> None:
    if output is Output.JSON:
        code = getattr(error, "problem_code", error.code)
        parts = {"code": code, "asked": error.asked, "answered": error.answered, "remedy": error.remedy}
        sys.stderr.write(_json({"error": parts}) + "\n")
        return
    asked, answered, remedy = told(error)
    errors.print(f"[red]{safe(asked)}: {safe(answered)}.[/red] {safe(remedy)}", soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> None:
    """A table that a pipe gets without borders and without cuts."""
    if not console.is_terminal:
        for row in rows:
            sys.stdout.write("\t".join(visible(cell) for cell in row) + "\n")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(safe(cell) for cell in row))
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
    """Cells of tables are cleaned there; in a sentence it is `safe` that does it."""
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
    for warning in health.get("warnings", []):
        console.print(f"warning: {safe(warning)}", soft_wrap=True)
    if health.get("compared"):
        console.print(f"everything was compared at {safe(at_second(health['compared']))}", soft_wrap=True)
    if health.get("audited"):
        left = f", {health['faults_left']} faults left" if health.get("faults_left") else ""
        console.print(f"the mirror was audited at {safe(at_second(health['audited']))}{safe(left)}", soft_wrap=True)


JOB_COLUMNS = ("ID", "STATE", "KIND", "IMAGE", "BYTES", "ASKED")


def print_job(pull: dict[str, Any]) -> None:
    """One job in words."""
    console.print(f"{safe(pull['id'])}  [bold]{safe(pull['state'])}[/bold]  {safe(_named(pull))}", soft_wrap=True)
    match = pull["match"]
    if match is not None and (match["listed"] or pull["state"] not in ("queued", "running")):
        # Older function apps have other names for these.
        mirrored = match["mirrored"] if "mirrored" in match else match["standing"]
        requested = match["requested"] if "requested" in match else match["asked"]
        console.print(
            f"  {match['listed']} images in {match['repositories']} repositories, {mirrored} in the mirror, "
            f"{match.get('under_way', 0)} under way, {requested} "
            f"{'would be' if match['dry_run'] else 'were'} requested",
            soft_wrap=True,
        )
        for state, count in (match["jobs"] or {}).items():
            console.print(f"  {count} {safe(state)}")
        if match.get("bytes_total"):
            done, total = in_bytes(match["bytes_done"]), in_bytes(match["bytes_total"])
            console.print(f"  {done} of {total} in these jobs", soft_wrap=True)
        for image in match["sample"] if match["dry_run"] else ():
            console.print(f"  {safe(image)}", soft_wrap=True)
    progress = pull["progress"]
    if progress["layers_total"]:
        console.print(
            f"  {progress['layers_done']} of {progress['layers_total']} layers, "
            f"{in_bytes(progress['bytes_done'])} of {in_bytes(progress['bytes_total'])}; "
            f"{pull['requests']} requests to the registry",
            soft_wrap=True,
        )
    if pull["tagged_digest"] or pull["mirrored_digest"]:
        console.print(f"  {safe(pull['tagged_digest'] or pull['mirrored_digest'])}", soft_wrap=True)
    if pull["state"] == "interrupted":
        by = f" by {safe(at_second(pull['next_attempt']))}" if pull["next_attempt"] else ""
        console.print(f"  its worker was lost: it runs again{by}; or retry it now", soft_wrap=True)
    elif pull["next_attempt"]:
        console.print(f"  next attempt at {safe(at_second(pull['next_attempt']))}", soft_wrap=True)
    for note in pull["notes"]:
        console.print(f"  {safe(note)}", soft_wrap=True)
    error = pull["error"]
    if error is not None:
        console.print(
            f"  [red]{safe(error['asked'])}: {safe(error['answered'])}.[/red] {safe(error['remedy'])}",
            soft_wrap=True,
        )
