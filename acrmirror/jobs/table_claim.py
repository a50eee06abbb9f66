"""One claim on a layer, held in the table of the records."""

import logging
import threading
import time
from collections.abc import Callable

from acrmirror.cancel import unbound
from acrmirror.errors import Malformed, MirrorError, Transient
from acrmirror.storage import Lost, Table

PARTITION = "claim"
RELEASE_SECONDS = 2.0
"""For one request that deletes a claim, or looks for one to delete."""
ASKED = "keep a claim"

_log = logging.getLogger(__name__)


class TableClaim:
    """One claim held. Renewed at most once in a quarter of the time after which it would be stale."""

    def __init__(
        self,
        table: Table | None,
        key: str,
        fields: dict[str, object],
        etag: str,
        stale: float,
        *,
        asked: bool = False,
    ) -> None:
        self._table = table
        self._is_gone = table is None and not asked
        self._when_gone: Callable[[], None] = lambda: None
        self._key = key
        self._fields = fields
        self._etag = etag
        self._pause = stale / 4
        self._renewed = time.monotonic()
        self._lock = threading.Lock()

    def when_gone(self, callback: Callable[[], None]) -> None:
        """Calls back once it is known that storage has no such claim of this run, maybe at once."""
        self._when_gone = callback
        if self._is_gone:
            callback()

    def renew(self, done: int) -> None:
        """Moves the ETag if bytes advanced since; losing the claim, or the table, is not an error."""
        if self._table is None or time.monotonic() - self._renewed < self._pause:
            return
        with self._lock:
            if self._table is None or time.monotonic() - self._renewed < self._pause:
                return
            if done <= int(str(self._fields["done"])):
                return
            self._fields["done"] = done
            self._renewed = time.monotonic()
            try:
                moved = self._table.swap(PARTITION, self._key, self._fields, self._etag, ASKED)
            except (Transient, Malformed):
                return
            if isinstance(moved, Lost):
                self._table = None
            else:
                self._etag = moved.etag

    def release(self) -> None:
        with self._lock:
            if self._table is None:
                return
            try:
                gone = delete_claim(self._table, self._key, self._etag)
            except MirrorError as error:
                gone = False
                _log.info("A claim was not released (%s): the end of its run tries again", type(error).__name__)
            if gone:
                self._when_gone()
            self._table = None


def delete_claim(table: Table, key: str, etag: str) -> bool:
    """Deletes a claim; False if it is not as it was read: another has it, or the answer to a renewal was lost. Raises
    what storage does."""
    # Also by a job that is cancelled, which must not wait for it.
    with unbound():
        return table.delete(PARTITION, key, etag, "delete a claim", within=RELEASE_SECONDS)
