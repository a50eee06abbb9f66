"""What a path behind `/v2/` names.

Names of repositories have slashes, so a path is read from its end. A name may begin with the registry's own host, for
clients that keep it before the name and never send `ns=` (rule V7), and with `at/<moment>/`, which asks for the past.
"""

import re
from dataclasses import dataclass
from enum import Enum

from acrmirror.errors import Malformed
from acrmirror.moments import Moment, end_of
from acrmirror.reference import check_repository
from acrmirror.serve.wire import SpecError

PAST = "at"


class Kind(Enum):
    """The operations of the specification that read."""

    BASE = "base"
    CATALOG = "catalog"
    TAGS = "tags"
    MANIFEST = "manifests"
    BLOB = "blobs"
    REFERRERS = "referrers"


_OF_ONE = {it.value: it for it in (Kind.MANIFEST, Kind.BLOB, Kind.REFERRERS)}


@dataclass(frozen=True, slots=True)
class Place:
    """`reference` is the path's last part, unchecked: a tag or digest. `path` is the whole as it was requested, which
    links to further pages have."""

    kind: Kind
    path: str = ""
    repository: str = ""
    reference: str = ""
    at: Moment | None = None


def read_path(path: str, registry: str) -> Place:
    """Raises SpecError for what names nothing; that is a miss as any other, since clients fall back on 404 alone."""
    whole = re.sub("%2f", "/", path, flags=re.IGNORECASE)
    # One slash at the end is taken, as containers/image sends one.
    whole = whole.removesuffix("/")
    if not whole:
        return Place(Kind.BASE)
    if whole == "_catalog":
        return Place(Kind.CATALOG, whole)
    if whole.endswith("/tags/list"):
        return _place(Kind.TAGS, whole, whole.removesuffix("/tags/list"), "", registry)
    name, _, last = whole.rpartition("/")
    if last == "_catalog" and _moment(f"{_without_host(name, registry)}/any")[0] is not None:
        told = "a moment has no catalogue: /v2/_catalog lists the repositories, and their tags what was then"
        raise SpecError(404, "UNSUPPORTED", told)
    name, _, kind = name.rpartition("/")
    if kind not in _OF_ONE or not name:
        raise SpecError(404, "UNSUPPORTED", "the specification has nothing there that reads")
    return _place(_OF_ONE[kind], whole, name, last, registry)


def _place(kind: Kind, path: str, name: str, reference: str, registry: str) -> Place:
    plain = _without_host(name, registry)
    moment, repository = _moment(plain)
    if moment is not None and plain == name:
        # Once: a repository's own name may begin with the host, too.
        repository = _without_host(repository, registry)
    try:
        check_repository(repository)
    except Malformed as error:
        raise SpecError(404, "NAME_INVALID", f"{error.asked}: {error.answered}") from None
    return Place(kind, path, repository, reference, moment)


def _without_host(name: str, registry: str) -> str:
    return name.removeprefix(f"{registry}/")


def _moment(name: str) -> tuple[Moment | None, str]:
    """A repository whose own name begins with `at/`, and not with a moment behind it, is one as any other."""
    first, _, rest = name.partition("/")
    moment, _, repository = rest.partition("/")
    if first != PAST or not repository:
        return None, name
    try:
        return end_of(moment), repository
    except Malformed:
        return None, name
