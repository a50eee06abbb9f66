"""What a name in the mirror's tree is: `Layout` read backwards."""

import re
from dataclasses import dataclass
from typing import Literal

from acrmirror.errors import InvalidReference
from acrmirror.mirror.layout import BLOBS, Layout
from acrmirror.reference import Digest, check_repository, check_tag

Kind = Literal["blob", "layer", "revision", "tag", "tag index"]
LINK_KINDS: dict[str, Kind] = {"_layers": "layer", "_manifests/revisions": "revision"}

_BLOB = re.compile(rf"{BLOBS}/([a-z0-9]+)/([0-9a-f]{{2}})/([0-9a-f]+)/data", re.ASCII)
_LINK = re.compile(r"(.+?)/(_layers|_manifests/revisions)/([a-z0-9]+)/([0-9a-f]+)/link", re.ASCII)
_TAG = re.compile(r"(.+?)/_manifests/tags/([^/]+)/current/link", re.ASCII)
_TAG_INDEX = re.compile(r"(.+?)/_manifests/tags/([^/]+)/index/([a-z0-9]+)/([0-9a-f]+)/link", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """A blob's bytes, or a link. `repository` is named as the registry has it, without the mirror's prefix, and is
    empty for a blob; `digest` is the one that the path has, None for the current link of a tag."""

    kind: Kind
    repository: str = ""
    tag: str | None = None
    digest: Digest | None = None


def place_of(name: str, layout: Layout) -> Place | None:
    """None for a name that the mirror does not write."""
    try:
        return _blob(name) or _link(name, f"{layout.repository('')}/")
    except InvalidReference:
        return None


def _blob(name: str) -> Place | None:
    match = _BLOB.fullmatch(name)
    if match is None or not match[3].startswith(match[2]):
        return None
    return Place("blob", digest=Digest(match[1], match[3]))


def _link(name: str, folder: str) -> Place | None:
    if not name.startswith(folder):
        return None
    rest = name.removeprefix(folder)
    if match := _LINK.fullmatch(rest):
        return Place(LINK_KINDS[match[2]], check_repository(match[1]), None, Digest(match[3], match[4]))
    if match := _TAG.fullmatch(rest):
        return Place("tag", check_repository(match[1]), check_tag(match[2]))
    if match := _TAG_INDEX.fullmatch(rest):
        return Place("tag index", check_repository(match[1]), check_tag(match[2]), Digest(match[3], match[4]))
    return None
