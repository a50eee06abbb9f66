"""What refers to something, and is in the mirror, but may not be on its subject's list yet."""

from collections.abc import Callable

from acrmirror.copying.ports import ListedReferrers
from acrmirror.errors import MirrorError
from acrmirror.moments import Moment
from acrmirror.oci import MAX_MANIFEST_SIZE, Descriptor, Manifest
from acrmirror.reference import Digest

ENTRY_BYTES = 300
"""What an entry weighs besides its annotations, roughly."""


class Referrals:
    """The referrers that a run found, by subject: a list is read and written once, not once for each entry (rule W9).

    Not for several threads. A run that is killed before it writes a list leaves referrers off it; the next run of their
    image, or of theirs, finds them in the mirror and adds them.
    """

    def __init__(self) -> None:
        self._found: dict[Digest, dict[Digest, Descriptor]] = {}
        self._weight = 0

    def add(self, manifest: Manifest) -> None:
        """A manifest that is in the mirror; nothing if it refers to none. Its subject need not be there (rule R2)."""
        if manifest.subject is None:
            return
        descriptor = manifest.descriptor()
        self._found.setdefault(manifest.subject.digest, {})[descriptor.digest] = descriptor
        self._weight += ENTRY_BYTES + sum(len(key) + len(text) for key, text in descriptor.annotations.items())

    def look_at(self, subject: Digest) -> None:
        """The subject's list is to be looked at, also if nothing is added to it: one that is damaged is rebuilt."""
        self._found.setdefault(subject, {})

    @property
    def heavy(self) -> bool:
        """Whether they are as much as one list can hold: then they are written, so that memory stays bounded."""
        return self._weight > MAX_MANIFEST_SIZE

    def write(self, lists: ListedReferrers, repository: str, at: Moment, note: Callable[[str], object]) -> None:
        """Adds them to their subjects' lists, and forgets them; notes what a tag of another kind keeps off a list. One
        list's failure does not keep the others from being written, and is raised in the end."""
        found, self._found, self._weight = self._found, {}, 0
        failure: MirrorError | None = None
        for subject, referrers in found.items():
            try:
                added = lists.add(repository, subject, referrers.values(), at)
            except MirrorError as error:
                failure = failure or error
                continue
            if not added:
                place = f"{repository}:{subject.referrers_tag}"
                for digest in referrers:
                    note(f"{place} is no list of referrers: {digest} is in the mirror, and not listed")
        if failure is not None:
            raise failure
