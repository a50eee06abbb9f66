"""Follows jobs to their ends, with a bar for each layer, or for each image if there are several."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from acrmirror.cli.output import errors, safe
from acrmirror.client import Client

ENDED = ("done", "incomplete", "failed", "gone", "cancelled")
ASKED = ("done", "incomplete")
"""How a pull of many reads once it has requested all that it could."""
POLL_SECONDS = 1.0
LISTING_SECONDS = 5.0
"""For which a pull of many is followed that nobody follows: most say by then that nothing matches."""
LISTING_POLL = 0.25
BARS_SHOWN = 24


def ended(pull: dict[str, Any]) -> bool:
    """A pull of many is over when what it requested is."""
    if pull["state"] not in ENDED:
        return False
    match = pull["match"]
    if match is None or match["dry_run"] or pull["state"] not in ASKED:
        return True
    if match["jobs"] is None:
        return False
    over = {state: number for state, number in match["jobs"].items() if state in ENDED}
    # After a run that was killed there are more jobs than the next one requested.
    return len(over) == len(match["jobs"]) and sum(over.values()) >= match["requested"]


def outcome(pull: dict[str, Any]) -> str:
    """The state; of a pull of many, the worst of what it requested."""
    match = pull["match"]
    if match is None or match["dry_run"] or pull["state"] not in ASKED:
        return str(pull["state"])
    if not ended(pull):
        return "running"
    return next((it for it in ("failed", "gone", "cancelled") if match["jobs"].get(it)), str(pull["state"]))


def bars(shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=not (shown and errors.is_terminal),
    )


def follow(client: Client, pulls: Sequence[dict[str, Any]], seconds: float | None, shown: bool) -> list[dict[str, Any]]:
    """The jobs as they were when all had ended, or when `seconds` were over."""
    until = time.monotonic() + seconds if seconds is not None else None
    current = {pull["id"]: pull for pull in pulls}
    tasks: dict[str, Any] = {}
    with bars(shown) as progress:
        while True:
            for identity, pull in current.items():
                if not ended(pull):
                    current[identity] = client.show(identity)
            for key, label, done, total in _bars_of(list(current.values())):
                if key not in tasks and len(tasks) < BARS_SHOWN:
                    tasks[key] = progress.add_task(safe(label), total=total or None)
                if key in tasks:
                    progress.update(tasks[key], description=safe(label), completed=done, total=total or None)
            left = [pull for pull in current.values() if not ended(pull)]
            if not left or (until is not None and time.monotonic() >= until):
                return [current[pull["id"]] for pull in pulls]
            time.sleep(POLL_SECONDS if until is None else max(0.0, min(POLL_SECONDS, until - time.monotonic())))


def until_listed(client: Client, pull: dict[str, Any]) -> dict[str, Any]:
    """A pull of many as it is once it has listed something or ended, or as it is after `LISTING_SECONDS`."""
    until = time.monotonic() + LISTING_SECONDS
    while not (pull["state"] in ENDED or pull["match"]["listed"]) and time.monotonic() < until:
        time.sleep(LISTING_POLL)
        pull = client.show(pull["id"])
    return pull


def _bars_of(pulls: Sequence[dict[str, Any]]) -> list[tuple[str, str, int, int]]:
    if len(pulls) == 1 and pulls[0]["match"] is None:
        return [
            (layer["digest"], layer["digest"].partition(":")[2][:12], layer["done"], layer["size"])
            for layer in pulls[0]["progress"]["layers"]
        ]
    return [_bar_of(it) for it in pulls]


def _bar_of(pull: dict[str, Any]) -> tuple[str, str, int, int]:
    match, progress = pull["match"], pull["progress"]
    if match is None:
        return pull["id"], pull["image"][-48:], progress["bytes_done"], progress["bytes_total"]
    # Older function apps do not tell of bytes.
    return pull["id"], _so_far(match), match.get("bytes_done") or 0, match.get("bytes_total") or 0


def _so_far(match: dict[str, Any]) -> str:
    """Of a pull of many: how far its listing is, or its jobs are."""
    jobs = match["jobs"] or {}
    if not jobs:
        return f"{match['listed']} images listed" if match["listed"] else "listing"
    failed = sum(count for state, count in jobs.items() if state in ("failed", "gone", "cancelled"))
    over = sum(count for state, count in jobs.items() if state in ENDED)
    return f"{over} of {sum(jobs.values())} jobs" + (f", {failed} failed" if failed else "")


def follow_task(
    show: Callable[[], dict[str, Any]], label: str, seconds: float | None, shown: bool, *, done: str, total: str
) -> dict[str, Any]:
    """A task as it was when it had ended, or when `seconds` were over; `done` and `total` are the fields of its bar."""
    until = time.monotonic() + seconds if seconds is not None else None
    with bars(shown) as progress:
        bar = progress.add_task(safe(label), total=None)
        while True:
            task = show()
            progress.update(bar, completed=task[done], total=task[total] or None)
            if task["state"] in ENDED or (until is not None and time.monotonic() >= until):
                return task
            time.sleep(POLL_SECONDS if until is None else max(0.0, min(POLL_SECONDS, until - time.monotonic())))
