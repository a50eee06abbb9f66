"""Names of content: repositories, tags, digests, by the grammar of the distribution specification.

Values of these types are safe to put into a blob name or a URL's path: nothing else is let through.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Protocol, Self

from acrmirror.errors import InvalidReference, Refused

REPOSITORY_LIMIT = 255
"""Longest repository name that clients and registries take, the mirror's prefix included."""

REPOSITORY_GRAMMAR = r"[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*"
"""The specification's components and the slashes between them, as one list of words and what may part them."""
TAG_GRAMMAR = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
_HEX_LENGTHS = {"sha256": 64, "sha512": 128}
DIGEST_GRAMMAR = "|".join(f"{algorithm}:[0-9a-f]{{{length}}}" for algorithm, length in _HEX_LENGTHS.items())
HOST_GRAMMAR = r"[A-Za-z0-9.:\[\]-]+"
REFERENCE_GRAMMAR = rf"(?:{HOST_GRAMMAR}/)?{REPOSITORY_GRAMMAR}(?::{TAG_GRAMMAR})?(?:@(?:{DIGEST_GRAMMAR}))?"
"""What `Reference.parse` may take: the registry's host is looked at, and lengths are, once it is parsed."""
_REPOSITORY = re.compile(REPOSITORY_GRAMMAR, re.ASCII)
_TAG = re.compile(TAG_GRAMMAR, re.ASCII)
_HOST = re.compile(
    r"localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]*", re.ASCII
)
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


class Hasher(Protocol):
    """What `hashlib` gives: it releases the interpreter's lock for buffers over 2 KiB."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...
    def copy(self) -> Self: ...


def shown(text: object, limit: int = 120) -> str:
    """How text from outside appears in messages and logs: quoted, on one line, cut."""
    whole = repr(text)
    return whole if len(whole) <= limit else f"{whole[:limit]}…"


@dataclass(frozen=True, slots=True)
class Digest:
    """A content digest; `str()` gives `sha256:…`. Known algorithms: sha256 and sha512."""

    algorithm: str
    encoded: str

    def __post_init__(self) -> None:
        length = _HEX_LENGTHS.get(self.algorithm)
        if length is None:
            raise InvalidReference(
                f"parse digest {shown(f'{self.algorithm}:{self.encoded}')}",
                "its algorithm is not one that the mirror can check",
                "Use a sha256 or sha512 digest, as registries give them.",
            )
        if len(self.encoded) != length or not _HEX.fullmatch(self.encoded):
            raise InvalidReference(
                f"parse digest {shown(f'{self.algorithm}:{self.encoded}')}",
                f"{self.algorithm} takes exactly {length} lower-case hexadecimal digits",
                "Copy the digest as the registry gives it.",
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """`<algorithm>:<hex>`, else InvalidReference."""
        algorithm, colon, encoded = text.partition(":")
        if not colon:
            raise InvalidReference(
                f"parse digest {shown(text)}", "it has no algorithm", "Write it as sha256:<64 hexadecimal digits>."
            )
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview, algorithm: str = "sha256") -> Self:
        """The digest of these bytes."""
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    def hasher(self) -> Hasher:
        """A new hash object of this algorithm."""
        return hashlib.new(self.algorithm)

    def matches(self, data: bytes | bytearray | memoryview) -> bool:
        return hashlib.new(self.algorithm, data).hexdigest() == self.encoded

    @property
    def referrers_tag(self) -> str:
        """The tag under which a registry without a referrers API lists what refers to this digest.

        Distribution specification, "referrers tag schema": the encoded part is cut to 64 characters.
        """
        return f"{self.algorithm[:32]}-{self.encoded[:64]}"

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"


def is_referrers_tag(tag: str) -> bool:
    """Whether a tag has the form that the referrers tag schema gives to a digest."""
    algorithm, _, encoded = tag.partition("-")
    return algorithm in _HEX_LENGTHS and len(encoded) == 64 and _HEX.fullmatch(encoded) is not None


def check_repository(text: str, limit: int = REPOSITORY_LIMIT) -> str:
    """The name itself, or InvalidReference.

    `limit` is what is left of 255 characters once the mirror's prefix is put before the name.
    """
    if len(text) > limit:
        raise InvalidReference(
            f"parse repository {shown(text)}",
            f"it has {len(text)} characters, and at most {limit} are allowed here",
            "Use a shorter repository name.",
        )
    if not _REPOSITORY.fullmatch(text):
        raise InvalidReference(
            f"parse repository {shown(text)}",
            "the distribution grammar does not allow this name",
            "Use lower-case letters and digits, separated by '.', '_', '__' or dashes, in parts separated by '/'.",
        )
    return text


def check_tag(text: str) -> str:
    """The tag itself, or InvalidReference."""
    if not _TAG.fullmatch(text):
        raise InvalidReference(
            f"parse tag {shown(text)}",
            "the distribution grammar does not allow this tag",
            "Use at most 128 letters, digits, '_', '.' or '-', with neither '.' nor '-' in front.",
        )
    return text


def host_of(repository: str) -> str | None:
    """The first part of a repository's name, where docker would read it as the host of a registry."""
    head, slash, _ = repository.partition("/")
    return head if slash and _HOST.fullmatch(head) else None


def another_registry(text: str, host: str, registry: str | None) -> Refused:
    """What somebody is told who named another registry."""
    return Refused(
        f"parse reference {shown(text)}",
        f"it names the registry {shown(host)}, and this mirror serves {registry or 'none by name'}",
        "Leave the host out, or name the registry of this mirror.",
    )


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository with a tag, a digest, or both. With both, the digest says what, and the tag where it was seen."""

    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __post_init__(self) -> None:
        check_repository(self.repository)
        if self.tag is not None:
            check_tag(self.tag)
        if self.tag is None and self.digest is None:
            raise InvalidReference(
                f"refer to {shown(self.repository)}", "there is neither a tag nor a digest", "Name one of them."
            )

    @classmethod
    def parse(cls, text: str, registry: str | None = None, limit: int = REPOSITORY_LIMIT) -> Self:
        """`team/app:1.2`, `team/app@sha256:…` or both, with or without `registry` before it; no tag means `latest`.

        A first part that docker would read as a host (it has a dot, or is `localhost`) is one of the repository's name,
        unless it is `registry`: registries have repositories named `docker.io/library/nginx`. Refused is a host that no
        repository's name can begin with: one with a port, or with capital letters.
        """
        rest = text
        head, slash, tail = text.partition("/")
        if slash and registry is not None and head.lower() == registry.lower():
            rest = tail
        elif slash and _HOST.fullmatch(head) and not _REPOSITORY.fullmatch(head):
            raise another_registry(text, head, registry)
        rest, at, digest = rest.partition("@")
        last_part = rest.rpartition("/")[2]
        tag: str | None = None
        if ":" in last_part:
            rest, _, tag = rest.rpartition(":")
        elif not at:
            tag = "latest"
        check_repository(rest, limit)
        return cls(rest, tag, Digest.parse(digest) if at else None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.repository}{tag}{digest}"
