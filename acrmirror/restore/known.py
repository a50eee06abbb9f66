"""Which repositories of a target have a blob, as far as restores put it there: what one has is mounted into another.

A note saves an upload; nothing rests on it. Where a registry does not have the blob there any more, it is uploaded.
"""

import logging
import threading
from collections import OrderedDict

from acrmirror.errors import Malformed, Transient
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.storage import Table
from acrmirror.work.ids import hash_of

REMEMBERED = 20_000
"""Blobs that this process remembers; the one not used for longest goes."""
LEAST = 4 * 1024
"""Bytes from which a note is worth its request: what is smaller is sent again in three."""
_ASKED = "note which repository of a target has a blob"

_log = logging.getLogger(__name__)


class KnownBlobs:
    """The blobs of one target, in the table of the records, one entity each. Thread-safe."""

    def __init__(self, table: Table, host: str) -> None:
        self._table = table
        self._partition = f"restored-{hash_of(host)}"
        self._lock = threading.Lock()
        self._known: OrderedDict[Digest, str] = OrderedDict()

    def where(self, descriptor: Descriptor) -> list[str]:
        """A repository that has the blob, if one is known."""
        with self._lock:
            found = self._known.get(descriptor.digest)
        if found is None and descriptor.size >= LEAST:
            try:
                entity = self._table.get(self._partition, _row(descriptor.digest), _ASKED)
            except (Transient, Malformed) as error:
                _log.info("Not known where %s is: %s", descriptor.digest, error)
                return []
            found = str(entity.fields.get("repository", "")) if entity is not None else ""
            if found:
                self._remember(descriptor.digest, found)
        return [found] if found else []

    def note(self, descriptor: Descriptor, repository: str) -> None:
        """Whichever was noted first stays."""
        if not self._remember(descriptor.digest, repository) or descriptor.size < LEAST:
            return
        try:
            self._table.swap(self._partition, _row(descriptor.digest), {"repository": repository}, None, _ASKED)
        except (Transient, Malformed) as error:
            _log.info("Not noted where %s is: %s", descriptor.digest, error)

    def _remember(self, digest: Digest, repository: str) -> bool:
        """Whether it is new here."""
        with self._lock:
            new = digest not in self._known
            self._known.setdefault(digest, repository)
            self._known.move_to_end(digest)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return new


def _row(digest: Digest) -> str:
    return f"{digest.algorithm}-{digest.encoded}"
