"""How much is in the mirror: counted from the names in its container, in slices, and noted in the table.

A mirror of 100,000 tags has over a million names, so that no request waits for a count: whoever counts goes on from
where the last slice ended, and what is known is the last count that ended.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

from acrmirror.mirror.layout import BLOBS, Layout
from acrmirror.mirror.places import place_of
from acrmirror.moments import from_datetime, to_datetime
from acrmirror.reference import is_referrers_tag
from acrmirror.storage import Container, Table

PARTITION, ROW = "totals", "everything"
PAGE = 5000
LEAST_SECONDS = 5.0
SHARE = 100.0
"""A count begins when the last is older than both: so many seconds, and so many times as long as that one took."""
_ASKED = "count what is in the mirror"


@dataclass(frozen=True, slots=True)
class Totals:
    """`digests` are manifests, counted in each repository; `tags` are without those that only list referrers;
    `bytes_stored` are of all blobs in the container, manifests among them. `computed` is when the count ended,
    `seconds` how long it took."""

    repositories: int
    tags: int
    digests: int
    bytes_stored: int
    computed: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class _Count:
    """A count under way: `folder` is which of the two is listed, `marker` where it goes on, `last` the repository that
    was counted last."""

    folder: int = 0
    marker: str = ""
    last: str = ""
    repositories: int = 0
    tags: int = 0
    digests: int = 0
    bytes_stored: int = 0
    seconds: float = 0.0

    @classmethod
    def read(cls, text: object) -> Self | None:
        """None for what is none, or of another version: counting begins anew."""
        try:
            return cls(**json.loads(text)) if isinstance(text, str) and text else None
        except (ValueError, TypeError):
            return None


class Counting:
    """Thread-safe, and safe for several instances: of two slices at the same time one counts. Raises Unavailable,
    Throttled and Denied."""

    def __init__(
        self,
        container: Container,
        layout: Layout,
        table: Table,
        page: int = PAGE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._container = container
        self._layout = layout
        self._table = table
        self._page = page
        self._clock = clock
        self._folders = (f"{BLOBS}/", f"{layout.repository('')}/")

    def advance(self, seconds: float) -> Totals | None:
        """Counts for about so long, if a count is due or under way. What the last one that ended came to; None if none
        ever did."""
        entity = self._table.get(PARTITION, ROW, _ASKED)
        fields = entity.fields if entity is not None else {}
        known, count = _totals(fields), _Count.read(fields.get("count"))
        if count is None and known is not None and not _due(known):
            return known
        count = self._slice(count or _Count(), self._clock() + seconds)
        wanted: dict[str, Any] = {"count": json.dumps(asdict(count))}
        if count.folder == len(self._folders):
            known = Totals(
                count.repositories, count.tags, count.digests, count.bytes_stored, datetime.now(UTC), count.seconds
            )
            wanted = {**asdict(known), "computed": from_datetime(known.computed), "count": ""}
        # Where another was faster, that one's count goes on.
        self._table.swap(PARTITION, ROW, wanted, entity.etag if entity is not None else None, _ASKED, merge=True)
        return known

    def _slice(self, count: _Count, until: float) -> _Count:
        """At least one page."""
        while count.folder < len(self._folders):
            begun = self._clock()
            page = self._container.page(self._folders[count.folder], self._page, count.marker or None, _ASKED)
            for item in page.items:
                count = self._counted(count, item.name, item.size)
            spent = count.seconds + self._clock() - begun
            onward = count.folder if page.marker else count.folder + 1
            count = replace(count, folder=onward, marker=page.marker or "", seconds=spent)
            if self._clock() >= until:
                break
        return count

    def _counted(self, count: _Count, name: str, size: int) -> _Count:
        place = place_of(name, self._layout)
        if place is None:
            return count
        if place.kind == "blob":
            return replace(count, bytes_stored=count.bytes_stored + size)
        if place.kind == "revision":
            # All names of a repository are beside each other: nothing else begins with its name and `/_`.
            new = place.repository != count.last
            return replace(
                count, digests=count.digests + 1, last=place.repository, repositories=count.repositories + new
            )
        if place.kind == "tag" and not is_referrers_tag(place.tag or ""):
            return replace(count, tags=count.tags + 1)
        return count


def _due(known: Totals) -> bool:
    age = (datetime.now(UTC) - known.computed).total_seconds()
    return age >= max(LEAST_SECONDS, SHARE * known.seconds)


def _totals(fields: Any) -> Totals | None:
    if not fields.get("computed"):
        return None
    names = ("repositories", "tags", "digests", "bytes_stored")
    repositories, tags, digests, stored = (int(fields.get(name) or 0) for name in names)
    return Totals(
        repositories, tags, digests, stored, to_datetime(str(fields["computed"])), float(fields.get("seconds") or 0)
    )
