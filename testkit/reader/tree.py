"""Names in CNCF Distribution's storage tree, as a stock registry forms them: distribution, `registry/storage/paths.go`.

Kept apart from the code that writes the mirror, so that the one checks the other.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from testkit.reader.digests import algorithm_of, check_digest, hex_of

ROOT = "docker/registry/v2/"
BLOBS = f"{ROOT}blobs/"
REPOSITORIES = f"{ROOT}repositories/"

_BLOB = re.compile(rf"{BLOBS}([a-z0-9]+)/([0-9a-f]{{2}})/([0-9a-f]+)/data")
_LAYER = re.compile(rf"{REPOSITORIES}(.+)/_layers/([a-z0-9]+)/([0-9a-f]+)/link")
_REVISION = re.compile(rf"{REPOSITORIES}(.+)/_manifests/revisions/([a-z0-9]+)/([0-9a-f]+)/link")
_TAG = re.compile(rf"{REPOSITORIES}(.+)/_manifests/tags/([^/]+)/current/link")
_TAG_INDEX = re.compile(rf"{REPOSITORIES}(.+)/_manifests/tags/([^/]+)/index/([a-z0-9]+)/([0-9a-f]+)/link")


def blob_path(digest: str) -> str:
    return f"{BLOBS}{algorithm_of(digest)}/{hex_of(digest)[:2]}/{hex_of(digest)}/data"


def layer_path(repository: str, digest: str) -> str:
    return f"{REPOSITORIES}{repository}/_layers/{algorithm_of(digest)}/{hex_of(digest)}/link"


def revision_path(repository: str, digest: str) -> str:
    return f"{REPOSITORIES}{repository}/_manifests/revisions/{algorithm_of(digest)}/{hex_of(digest)}/link"


def tag_path(repository: str, tag: str) -> str:
    return f"{REPOSITORIES}{repository}/_manifests/tags/{tag}/current/link"


def tag_index_path(repository: str, tag: str, digest: str) -> str:
    return f"{REPOSITORIES}{repository}/_manifests/tags/{tag}/index/{algorithm_of(digest)}/{hex_of(digest)}/link"


@dataclass(slots=True)
class Names:
    """What the names in a listing say: digests of blobs; of each repository its layers, revisions, tags."""

    blobs: set[str] = field(default_factory=set)
    layers: dict[str, set[str]] = field(default_factory=dict)
    revisions: dict[str, set[str]] = field(default_factory=dict)
    tags: dict[str, set[str]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    """Names that a stock registry would not make sense of."""

    @property
    def repositories(self) -> list[str]:
        """Those that a stock registry lists: it looks for `_manifests`."""
        return sorted(self.revisions.keys() | self.tags.keys())


def read_names(names: Iterable[str]) -> Names:
    found = Names()
    for name in names:
        try:
            _sort(name, found)
        except ValueError:
            found.unknown.append(name)
    return found


def _sort(name: str, found: Names) -> None:
    if match := _BLOB.fullmatch(name):
        digest = check_digest(f"{match[1]}:{match[3]}")
        if blob_path(digest) != name:
            found.unknown.append(name)
        found.blobs.add(digest)
    elif match := _LAYER.fullmatch(name):
        found.layers.setdefault(match[1], set()).add(check_digest(f"{match[2]}:{match[3]}"))
    elif match := _REVISION.fullmatch(name):
        found.revisions.setdefault(match[1], set()).add(check_digest(f"{match[2]}:{match[3]}"))
    elif match := _TAG.fullmatch(name):
        found.tags.setdefault(match[1], set()).add(match[2])
    elif match := _TAG_INDEX.fullmatch(name):
        check_digest(f"{match[3]}:{match[4]}")
    else:
        found.unknown.append(name)
