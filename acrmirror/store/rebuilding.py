"""Where tags are by history alone, and their links made anew from it (rule H3)."""

from dataclasses import dataclass

from acrmirror.history import Observation, TagEvent
from acrmirror.oci import Descriptor, is_referrers_index
from acrmirror.reference import Digest, is_referrers_tag
from acrmirror.store.mirror import MirrorStore


@dataclass(frozen=True, slots=True)
class Last:
    """The last observation of a tag whose digest is in the mirror, that manifest, and the newest event of the tag."""

    seen: Observation
    descriptor: Descriptor
    event: TagEvent | None


def last_in_mirror(store: MirrorStore, repository: str, tag: str) -> Last | None:
    """Where the tag was seen last, of what the mirror can serve: a push that could not be copied is in history, too."""
    history = list(store.history(repository, tag))
    event = TagEvent.newest(*(it.event for it in history if it.kind == "event"))
    looked_at: set[Digest] = set()
    for seen in reversed(history):
        if seen.digest in looked_at:
            continue
        looked_at.add(seen.digest)
        descriptor = store.stands(repository, seen.digest)
        if descriptor is not None:
            return Last(seen, descriptor, event)
    return None


def rebuild_tags(store: MirrorStore, repository: str) -> dict[str, Digest]:
    """Sets every tag of a repository that history has to where it was seen last, and returns these.

    A tag's link that is right already is left as it is. What the registry has as a list of referrers is merged with
    what the mirror has (rule R1). Raises TagMoved where a job sets the tag at the same time: then that is newer.
    """
    rebuilt: dict[str, Digest] = {}
    for tag in store.observed_tags(repository):
        last = last_in_mirror(store, repository, tag)
        if last is None:
            continue
        digest = last.descriptor.digest
        rebuilt[tag] = digest
        current = store.read_tag(repository, tag)
        if current is not None and current.digest == digest:
            continue
        manifest = store.read_manifest(repository, last.descriptor)
        if is_referrers_index(manifest) and is_referrers_tag(tag):
            store.merge_referrers_tag(repository, tag, manifest, last.seen.at, current, last.event)
        else:
            store.tag(repository, tag, last.descriptor, last.seen.at, current, last.event)
    return rebuilt
