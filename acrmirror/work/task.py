"""What a message of the queues may ask for."""

import json

from acrmirror.errors import Malformed
from acrmirror.reference import shown
from acrmirror.work.archive import Archive
from acrmirror.work.audit import Audit
from acrmirror.work.copy import Copy
from acrmirror.work.deletion import Deletion
from acrmirror.work.rebuild import Rebuild
from acrmirror.work.restore import ImageRestore, Restore
from acrmirror.work.sweep import Sweep

Job = Copy | Deletion
"""What is about one reference."""
BackfillTask = Sweep | Archive | Rebuild | Restore | ImageRestore
"""What goes through the queue of sweeps, and is no copy into the mirror."""
Task = Job | BackfillTask


def read_task(message: str) -> Task | Audit:
    """Raises Malformed (InvalidReference among it) for what no `to_json` wrote."""
    try:
        fields = json.loads(message)
        if not isinstance(fields, dict):
            raise ValueError("a message is a JSON object")
        match fields.get("kind"):
            case "match":
                return Sweep.of_fields(fields)
            case "archive":
                return Archive.of_fields(fields)
            case "rebuild":
                return Rebuild.of_fields(fields)
            case "deletion":
                return Deletion.of_fields(fields)
            case "restore":
                return Restore.of_fields(fields)
            case "restore-image":
                return ImageRestore.of_fields(fields)
            case "audit":
                return Audit.of_fields(fields)
        return Copy.of_fields(fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(
            f"read a job from the queue: {shown(message)}", f"it is no job ({error})", "Only the app writes this queue."
        ) from error
