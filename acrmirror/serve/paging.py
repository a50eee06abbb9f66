"""Pages of a listing: `n`, `last` and `Link`, as the specification has them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import quote, urlencode

from acrmirror.reference import shown
from acrmirror.serve.wire import SpecError


@dataclass(frozen=True, slots=True)
class Wanted:
    """Up to `count` names behind `after`."""

    count: int
    after: str

    @classmethod
    def of(cls, query: Mapping[str, str], usual: int, most: int) -> "Wanted":
        """`usual` names where the client leaves it open, and never more than `most`. Raises SpecError."""
        # A parameter that is given twice arrives as both, with a comma between them; the first one counts.
        count = query["n"].partition(",")[0] if "n" in query else str(usual)
        if not (count.isascii() and count.isdecimal()):
            raise SpecError(400, "PAGINATION_NUMBER_INVALID", f"n is {shown(count)}, and has to be a number")
        return cls(min(int(count[:10]), most), query.get("last", "").partition(",")[0])

    def page(self, names: Iterable[str], path: str) -> tuple[list[str], dict[str, str]]:
        """The first of these names, all of which are behind `after`, and the header that leads to the rest."""
        found = list(islice(names, self.count + 1 if self.count else 0))
        if len(found) <= self.count:
            return found, {}
        del found[self.count :]
        return found, self.link(found[-1], path)

    def link(self, last: str, path: str) -> dict[str, str]:
        """The header that leads on behind `last`."""
        query = urlencode({"n": self.count, "last": last})
        return {"Link": f'</v2/{quote(path, safe="/:")}?{query}>; rel="next"'}
