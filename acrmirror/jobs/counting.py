"""How jobs went lately, counted from their records."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from acrmirror.errors import Malformed
from acrmirror.jobs.records import JobRecords
from acrmirror.moments import EARLIEST, Moment, nine_digits, to_datetime
from acrmirror.patterns import Patterns
from acrmirror.work import FINAL_STATES, Record, State
from acrmirror.work.sweep import KIND as MATCH

SPAN = timedelta(days=7)
"""Of which jobs are counted: none is under way for longer."""
FAILED_WITHIN = timedelta(hours=24)
MOST = 200_000
"""Records that one count reads: a thousand come in one request."""
READ = ["PartitionKey", "RowKey", "state", "heartbeat", "received", "kind", "event_id", "at", "finished"]
READ += ["patterns", "dry_run", "match_requested"]


@dataclass(frozen=True, slots=True)
class Lately:
    """`jobs` are those requested within `SPAN`, by state; all of them unless `cut`. `failed` ended as failed within a
    day. `last_event` is the time of the newest event, `lag_seconds` how long the newest push took from its event until
    it was in the mirror, so far if it is not. `comparison` is the sweep over everything that ended last."""

    jobs: dict[State, int] = field(default_factory=dict)
    cut: bool = False
    failed: int = 0
    last_event: Moment | None = None
    lag_seconds: float | None = None
    comparison: Record | None = None


def count_lately(records: JobRecords, registry: str, mirrored: Sequence[str], now: datetime) -> Lately:
    """`registry` is the host that patterns may name, `mirrored` are the patterns of all that
    belongs in the mirror. Raises Unavailable and Denied."""
    jobs: dict[State, int] = {}
    failed = number = 0
    last_event: Moment | None = None
    newest: tuple[datetime, Record] | None = None
    comparison: Record | None = None
    for number, record in enumerate(islice(records.since(now - SPAN, READ), MOST), 1):  # noqa: B007 - how many came
        state, fields = record.state, record.fields
        jobs[state] = jobs.get(state, 0) + 1
        finished = _time(fields["finished"])
        failed += state == "failed" and finished is not None and now - finished <= FAILED_WITHIN
        at = _time(fields["at"]) if fields["event_id"] else None
        if at is not None:
            last_event = max(last_event or EARLIEST, nine_digits(fields["at"]))
            if fields["kind"] == "event" and (newest is None or at > newest[0]) and _tells_lag(state):
                newest = at, record
        if comparison is None and fields["kind"] == MATCH and state in FINAL_STATES:
            comparison = record if _is_whole(record, registry, mirrored) else None
    return Lately(jobs, number >= MOST, failed, last_event, _lag(newest, now), comparison)


def _tells_lag(state: str) -> bool:
    return state == "done" or state not in FINAL_STATES


def _lag(newest: tuple[datetime, Record] | None, now: datetime) -> float | None:
    if newest is None:
        return None
    at, record = newest
    ended = _time(record.fields["finished"]) if record.state == "done" else now
    return max(0.0, (ended - at).total_seconds()) if ended is not None else None


def _is_whole(record: Record, registry: str, mirrored: Sequence[str]) -> bool:
    try:
        return not record.fields["dry_run"] and Patterns.parse(record.fields["patterns"], registry).cover(mirrored)
    except Malformed:
        return False


def _time(text: str) -> datetime | None:
    try:
        return to_datetime(text) if text else None
    except Malformed:
        return None
