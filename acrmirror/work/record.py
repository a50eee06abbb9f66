"""The record of a task: what was requested, and how far it is. docs/records.md has the meaning of each field."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, TypedDict, cast, get_origin, get_type_hints

from acrmirror.errors import Malformed
from acrmirror.moments import Moment, from_datetime, nine_digits, to_datetime
from acrmirror.work.ids import JobId
from acrmirror.work.state import LayerState, State

SILENT_AFTER = timedelta(seconds=45)
"""A run writes its record at least every ten seconds: one that is silent for longer has lost its worker."""
COMES_AGAIN_AFTER = timedelta(minutes=10)
"""How long the message of a lost worker stays hidden at most; while it runs, the platform renews that every five."""
OVERDUE_AFTER = timedelta(seconds=60)
"""How long a record may say `queued` before whoever asks for the same sends its message once more (rule W6)."""


class LayerFigures(NamedTuple):
    """One blob: its bytes, and those of them that have arrived."""

    size: int
    done: int
    state: LayerState


class RecordFields(TypedDict, total=False):
    """What a writer merges into a record: the fields that it names. What is empty or zero is not known, or is not of
    this kind of task. Times are moments (`acrmirror.moments`)."""

    state: State
    kind: str
    repository: str
    tag: str
    digest: str
    platforms: list[str]
    force: bool
    parent: str
    event_id: str
    at: str
    received: str

    patterns: list[str]
    dry_run: bool
    match_repositories: int
    match_manifests: int
    match_listed: int
    match_mirrored: int
    match_under_way: int
    match_requested: int
    match_sample: list[str]

    images: list[str]
    form: str
    moment: str

    rebuilt: dict[str, str]
    rebuild_looked_at: int
    rebuild_set: int

    target: str
    prefix: str
    overwrite: bool
    outcome: Literal["restored", "present", ""]
    restore_bytes: int
    restore_requests: int
    restore_present: int
    restore_refused: int

    run: str
    deliveries: int
    attempt: int
    retries: int
    cancel_requested: bool
    first_started: str
    started: str
    heartbeat: str
    finished: str
    next_attempt: str
    message: str

    bytes_total: int
    bytes_done: int
    bytes_read: int
    bytes_written: int
    layers_total: int
    layers_done: int
    layers_skipped: int
    layers: dict[str, LayerFigures]
    manifests: int
    requests: int
    requests_by_kind: dict[str, int]
    requests_by_status: dict[str, dict[str, int]]

    mirrored_digest: str
    tagged_digest: str
    referrers: int
    missing: bool
    left_out: dict[str, str]
    notes: list[str]
    error_code: str
    error_asked: str
    error_answered: str
    error_remedy: str

    check: int
    check_state: State | Literal[""]
    check_finished: str
    check_next_attempt: str
    check_notes: list[str]
    check_error_code: str
    check_error_asked: str
    check_error_answered: str
    check_error_remedy: str


FIELD_TYPES: dict[str, type] = {
    name: str if name in ("state", "check_state", "outcome") else get_origin(kind) or kind
    for name, kind in get_type_hints(RecordFields).items()
}
"""The type of each field's value: str, int, bool, list or dict."""


def complete(fields: RecordFields) -> RecordFields:
    """All fields: those that are given, and the others as empty, zero or false. A record without a state is queued."""
    empty = cast(RecordFields, {name: kind() for name, kind in FIELD_TYPES.items()})
    return empty | {"state": "queued"} | fields


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read, with all `fields`; `etag` is empty where it is not known."""

    id: JobId
    fields: RecordFields
    etag: str = ""

    @property
    def state(self) -> State:
        """The state, which for a run that has gone silent is `interrupted`."""
        return "interrupted" if self.fields["state"] == "running" and self.silent else self.fields["state"]

    @property
    def silent(self) -> bool:
        return self._quiet_for(SILENT_AFTER)

    @property
    def overdue(self) -> bool:
        """Whether it is `queued`, and no run of it has been heard of for so long that its message may be lost."""
        return self.state == "queued" and self._quiet_for(OVERDUE_AFTER)

    @property
    def retries(self) -> int:
        """How often a person has sent it again."""
        return self.fields["retries"]

    @property
    def last_sign(self) -> str:
        """When it last gave a sign of itself; empty if that is not known."""
        return self.fields["heartbeat"] or self.fields["received"]

    @property
    def next_attempt(self) -> Moment | None:
        """When a job that waits runs again; one that was interrupted does by then."""
        if self.state == "interrupted":
            return from_datetime(self.last_sign_at + COMES_AGAIN_AFTER) if self.last_sign_at is not None else None
        try:
            return nine_digits(self.fields["next_attempt"])
        except Malformed:
            return None

    @property
    def last_sign_at(self) -> datetime | None:
        """`last_sign` as a datetime; None where it is not known, or is no moment."""
        try:
            return to_datetime(self.last_sign)
        except Malformed:
            return None

    def _quiet_for(self, span: timedelta) -> bool:
        return self.last_sign_at is not None and datetime.now(UTC) - self.last_sign_at > span
