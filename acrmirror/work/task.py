"""What a message of the queues may ask for."""

import json

from acrmirror.errors import Malformed
from acrmirror.reference import shown
from acrmirror.work.archive import Archive
from acrmirror.work.audit import Audit
from acrmirror.work.batch import Batch
from acrmirror.work.copy import Copy
from acrmirror.work.deletion import Deletion
from acrmirror.work.rebuild import Rebuild
from acrmirror.work.record import Record
from acrmirror.work.restore import ImageRestore, Restore
from acrmirror.work.sweep import Sweep

Job = Copy | Deletion
"""What is about one reference."""
BackfillTask = Sweep | Archive | Rebuild | Restore | ImageRestore
"""What goes through the queue of sweeps, and is no copy into the mirror."""
Task = Job | BackfillTask

_KINDS: dict[str, type[Task]] = {
    "event": Copy,
    "pull": Copy,
    "deletion": Deletion,
    "match": Sweep,
    "archive": Archive,
    "rebuild": Rebuild,
    "restore": Restore,
    "restore-image": ImageRestore,
}


def made_again(record: Record) -> Task:
    """What is behind a record, as at its first attempt. Raises ValueError for another kind, InvalidReference or
    Malformed where somebody wrote something odd into it."""
    return _kind(record.fields["kind"]).of_record(record)


def read_task(message: str) -> Task | Audit | Batch:
    """Raises Malformed (InvalidReference among it) for what no `to_json` wrote."""
    try:
        fields = json.loads(message)
        if not isinstance(fields, dict):
            raise ValueError("a message is a JSON object")
        if "batch" in fields:
            return Batch.of_fields(fields)
        if fields.get("kind") == "audit":
            return Audit.of_fields(fields)
        return _kind(fields["kind"]).of_fields(fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(
            f"read a job from the queue: {shown(message)}", f"it is no job ({error})", "Only the app writes this queue."
        ) from error


def _kind(name: object) -> type[Task]:
    if not isinstance(name, str) or name not in _KINDS:
        raise ValueError(f"no kind is called {shown(name)}")
    return _KINDS[name]
