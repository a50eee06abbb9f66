"""Claims on layers in flight, so that jobs which share layers don't read the registry twice.

A claim saves reads; nothing rests on it: where the table can't be reached, layers are copied unclaimed.
"""

import logging
import threading
import time
from collections.abc import Callable
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableClient, TableEntity, UpdateMode

from acrmirror.reference import Digest

PARTITION = "claim"
UNCLAIMED_SECONDS = 30.0
"""For how long the table is left in peace after it failed: a copy does not wait for it at every layer."""
SEEN_KEPT = 10_000

_log = logging.getLogger(__name__)


class TableClaims:
    """Claims in the records' table, one entity a digest.

    A claim is stale when its ETag has not moved for `stale_seconds` of this process's own monotonic clock: then, and
    only then, it is taken over, by If-Match.
    """

    def __init__(self, table: TableClient, stale_seconds: float = 60.0) -> None:
        self._table = table
        self._stale = stale_seconds
        self._seen: dict[str, tuple[str, float]] = {}
        self._without_until = 0.0
        self._lock = threading.Lock()

    def acquire(self, digest: Digest) -> "TableClaim | None":
        """The claim, or None while another holds it."""
        if time.monotonic() < self._without_until:
            return TableClaim(None, {}, "", self._stale)
        key = f"{digest.algorithm}-{digest.encoded}"
        entity = {"PartitionKey": PARTITION, "RowKey": key, "holder": uuid4().hex, "done": 0}
        try:
            return self._insert(key, entity) or self._take_over(key, entity)
        except AzureError as error:
            _log.warning("The claim on %s can't be kept (%s): copying unclaimed", digest, type(error).__name__)
            self._without_until = time.monotonic() + UNCLAIMED_SECONDS
            return TableClaim(None, entity, "", self._stale)

    def _insert(self, key: str, entity: dict[str, object]) -> "TableClaim | None":
        try:
            made = self._table.create_entity(entity)
        except ResourceExistsError:
            return None
        self._forget(key)
        return TableClaim(self._table, entity, str(made["etag"]), self._stale)

    def _take_over(self, key: str, entity: dict[str, object]) -> "TableClaim | None":
        try:
            held = self._table.get_entity(PARTITION, key)
        except ResourceNotFoundError:
            return self._insert(key, entity)
        etag = _etag(held)
        if held.get("holder") == entity["holder"]:
            # It was made, and only the answer was lost.
            return TableClaim(self._table, entity, etag, self._stale)
        now = time.monotonic()
        with self._lock:
            known, since = self._seen.get(key, ("", now))
            if known != etag:
                self._seen.pop(key, None)
                self._seen[key] = (etag, now)
                if len(self._seen) > SEEN_KEPT:
                    del self._seen[next(iter(self._seen))]
                return None
        if now - since < self._stale:
            return None
        taken = _changed(
            lambda: self._table.update_entity(
                entity, UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        )
        self._forget(key)
        if taken is None:
            return None
        _log.info("Took over the stale claim on %s", key)
        return TableClaim(self._table, entity, taken, self._stale)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._seen.pop(key, None)


class TableClaim:
    """One claim held. Renewed at most once in a quarter of the time after which it would be stale."""

    def __init__(self, table: TableClient | None, entity: dict[str, object], etag: str, stale: float) -> None:
        self._table = table
        self._entity = entity
        self._etag = etag
        self._pause = stale / 4
        self._renewed = time.monotonic()
        self._lock = threading.Lock()

    def renew(self, done: int) -> None:
        """Moves the ETag if bytes advanced since; losing the claim, or the table, is not an error."""
        if self._table is None or time.monotonic() - self._renewed < self._pause:
            return
        table = self._table
        with self._lock:
            if time.monotonic() - self._renewed < self._pause or done <= int(str(self._entity["done"])):
                return
            self._entity["done"] = done
            self._renewed = time.monotonic()
            try:
                moved = _changed(
                    lambda: table.update_entity(
                        self._entity, UpdateMode.REPLACE, etag=self._etag, match_condition=MatchConditions.IfNotModified
                    )
                )
            except AzureError:
                return
            if moved is None:
                self._table = None
            else:
                self._etag = moved

    def release(self) -> None:
        with self._lock:
            if self._table is None:
                return
            try:
                self._table.delete_entity(
                    PARTITION,
                    str(self._entity["RowKey"]),
                    etag=self._etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            except AzureError as error:
                _log.info("A claim was not released (%s): it goes stale by itself", type(error).__name__)
            self._table = None


def _changed(update: Callable[[], object]) -> str | None:
    """The new ETag, or None if somebody else changed the entity first."""
    try:
        answer = update()
    except ResourceNotFoundError:
        return None
    except HttpResponseError as error:
        if error.status_code == 412:
            return None
        raise
    return str(answer["etag"]) if isinstance(answer, dict) else ""


def _etag(entity: TableEntity) -> str:
    return str(entity.metadata["etag"])
