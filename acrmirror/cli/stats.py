"""The command that shows the mirror in figures."""

from typing import Any

import typer

from acrmirror.cli.options import OutputOption, client_of
from acrmirror.cli.output import Output, at_second, in_bytes, print_json, print_table


def stats(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """The mirror in figures: tags, bytes, lag, queues, jobs that failed, the last comparison and audit."""
    with client_of(context, output) as client:
        found = client.stats()
    if output is Output.JSON:
        print_json(found)
    else:
        print_table(("", ""), _rows(found))


def _rows(found: dict[str, Any]) -> list[tuple[str, object]]:
    lag, stored, queues = found["lag_seconds"], found["bytes_stored"], found["queues"]
    return [
        ("registry", found["registry"]),
        ("version", found["version"]),
        *((name, _known(found[name])) for name in ("repositories", "tags", "digests")),
        ("bytes stored", _known(in_bytes(stored) if stored is not None else None)),
        ("these counted at", _time(found["computed"])),
        ("last event", _time(found["last_event"])),
        ("lag of the newest push", _known(f"{lag:.1f} s" if lag is not None else None)),
        ("messages", _known(_pairs(queues) if queues is not None else None)),
        ("jobs of seven days", _known(_pairs(found["jobs"]) if found["jobs"] is not None else None)),
        ("failed in 24 hours", _known(found["failed_24h"])),
        ("last comparison", _ended(found["last_comparison"], "drift")),
        ("last audit", _ended(found["last_audit"], "faults")),
    ]


def _known(value: object) -> object:
    return "not known yet" if value is None else value


def _time(moment: str | None) -> object:
    return _known(at_second(moment) if moment is not None else None)


def _pairs(counts: dict[str, Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _ended(it: dict[str, Any] | None, count: str) -> object:
    return _known(f"{it['state']} at {_time(it['finished'])}, {count} {it[count]}" if it is not None else None)
