"""What becomes of a deletion that an event tells of."""

from acrmirror.copying import Copied
from acrmirror.errors import NotFound
from acrmirror.history import Observation
from acrmirror.mirror.history import History
from acrmirror.reference import Reference
from acrmirror.registry import Registry
from acrmirror.work import Deletion


def note_deletion(source: Registry, history: History, deletion: Deletion) -> Copied:
    """Observed once the registry has answered 404 itself; what is in the mirror stays (rule H4). Raises what the
    registry and storage raise."""
    digest = deletion.reference.digest
    copied = Copied(digest=digest)
    if digest is None:
        return copied
    named = Reference(deletion.reference.repository, None, digest)
    try:
        source.resolve(named)
    except NotFound:
        history.observe(named, Observation(deletion.at, digest, deletion.event_id, "deleted"))
        copied.notes.append("deleted at the registry; kept in the mirror")
    else:
        copied.notes.append("an event says deleted, but the registry still has it")
    return copied
