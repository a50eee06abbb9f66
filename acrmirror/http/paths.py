"""Which repository, and which image of it, the path behind /api/v1/images/ names.

Names of repositories contain slashes, so that `team/app` may be a repository or the tag `app` of `team`. A path that
could be either is the first of its readings whose repository is in the mirror. `team/app:1.2`, `team/app@sha256:…`,
`team/app/sha256:…` and a repository with its slashes written as `%2F` have one reading.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from acrmirror.errors import InvalidReference
from acrmirror.reference import Digest, Reference, check_repository, check_tag, shown

CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Place:
    """A repository, or one image of it (`reference`), or that image's content."""

    repository: str
    reference: Reference | None = None
    content: bool = False


def read_path(path: str, registry: str, exists: Callable[[str], bool]) -> Place:
    """Raises InvalidReference or Refused for a path that no reading fits; `exists` says whether
    the mirror has a repository."""
    readings = list(_readings(path, registry))
    if len(readings) == 1:
        return readings[0]
    for place in readings:
        if exists(place.repository):
            return place
    return readings[0]


def read_name(path: str, registry: str) -> tuple[str, str | None]:
    """The repository, and the tag behind a colon, if there is one: `team/app`, `team%2Fapp:1.2`. Raises
    InvalidReference or Refused."""
    text = unquote(path)
    if "@" in text:
        raise InvalidReference(
            f"read {shown(text)}", "it has a digest, and history is of tags", "Name a repository, or one tag of it."
        )
    reference = Reference.parse(text, registry)
    return reference.repository, reference.tag if ":" in text.rpartition("/")[2] else None


def _readings(path: str, registry: str) -> Iterator[Place]:
    host, _, rest = path.partition("/")
    segments = (rest if rest and host.lower() == registry.lower() else path).split("/")
    if re.search("%2f", segments[0], re.IGNORECASE):
        yield _split(_without_host(unquote(segments[0]), registry), segments[1:])
        return
    content = segments[-1] == CONTENT and len(segments) > 1
    named = segments[:-1] if content else segments
    if ":" in named[-1] or "@" in named[-1]:
        yield _one_reading(named, content, registry)
        return
    found = [_place(segments, None, False)]
    if len(segments) > 1:
        found.append(_place(segments[:-1], segments[-1], False))
    if content and len(segments) > 2:
        found.append(_place(segments[:-2], segments[-2], True))
    possible = [it for it in found if it is not None]
    if not possible:
        check_repository("/".join(segments))
    yield from possible


def _without_host(name: str, registry: str) -> str:
    host, _, rest = name.partition("/")
    return rest if host.lower() == registry.lower() else name


def _one_reading(named: list[str], content: bool, registry: str) -> Place:
    if len(named) > 1 and named[-1].startswith(("sha256:", "sha512:")):
        reference = Reference(check_repository("/".join(named[:-1])), None, Digest.parse(named[-1]))
    else:
        reference = Reference.parse("/".join(named), registry)
    return Place(reference.repository, reference, content)


def _split(repository: str, rest: list[str]) -> Place:
    check_repository(repository)
    if not rest:
        return Place(repository)
    if len(rest) > 2 or rest[1:] not in ([], [CONTENT]):
        raise InvalidReference(
            f"read the path behind {repository}",
            "there is more in it than a tag or digest",
            "See /api/v1/openapi.json.",
        )
    return Place(repository, _reference(repository, unquote(rest[0])), bool(rest[1:]))


def _reference(repository: str, text: str) -> Reference:
    if ":" in text:
        return Reference(repository, None, Digest.parse(text))
    return Reference(repository, check_tag(text))


def _place(repository: list[str], tag: str | None, content: bool) -> Place | None:
    try:
        name = check_repository("/".join(repository))
        return Place(name, _reference(name, tag) if tag is not None else None, content)
    except InvalidReference:
        return None
