"""Patterns that choose repositories and tags, such as `team/*`, `!team/tmp-*` and `base/os:v*`.

`*` matches any characters, slashes among them; a pattern without a tag matches all of them. Chosen is what any pattern
matches and none with a `!` before it, whatever their order.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from acrmirror.errors import Malformed
from acrmirror.reference import HOST_GRAMMAR, shown

_REPOSITORY = r"[a-z0-9._/*-]{1,255}"
_TAG = r"[A-Za-z0-9._*-]{1,128}"
PATTERN_GRAMMAR = f"!?(?:{HOST_GRAMMAR}/)?{_REPOSITORY}(?::{_TAG})?"
_PARTS = re.compile(f"({_REPOSITORY})(?::({_TAG}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Each as the parts between its stars."""

    repository: tuple[str, ...]
    tag: tuple[str, ...] | None

    def matches(self, repository: str, tag: str) -> bool:
        return _fits(self.repository, repository) and (self.tag is None or _fits(self.tag, tag))


@dataclass(frozen=True, slots=True)
class Patterns:
    """`texts` as they were given, the registry's host left out."""

    texts: tuple[str, ...]
    _chosen: tuple[_Pattern, ...]
    _taken_away: tuple[_Pattern, ...]

    @classmethod
    def parse(cls, texts: Sequence[str], registry: str) -> Self:
        """Raises Malformed for what is no pattern, and for patterns that choose nothing at all."""
        plain = tuple(_without_host(text, registry) for text in texts)
        chosen = tuple(_parsed(text) for text in plain if not text.startswith("!"))
        if not chosen:
            raise Malformed(
                f"read the patterns {shown(list(texts))}",
                "none of them chooses anything",
                'Add one without a "!", such as "*" for the whole registry.',
            )
        return cls(plain, chosen, tuple(_parsed(text[1:]) for text in plain if text.startswith("!")))

    def may_match(self, repository: str) -> bool:
        """Whether any tag of the repository could be chosen."""
        return any(_fits(it.repository, repository) for it in self._chosen) and not any(
            it.tag is None and _fits(it.repository, repository) for it in self._taken_away
        )

    def may_match_below(self, folder: str) -> bool:
        """Whether a repository of that name, or one whose name goes on behind it with a slash, could be chosen."""
        begun = f"{folder}/"
        return any(begun.startswith(it.repository[0]) or it.repository[0].startswith(begun) for it in self._chosen)

    def matches(self, repository: str, tag: str) -> bool:
        return _any(self._chosen, repository, tag) and not _any(self._taken_away, repository, tag)

    def matches_untagged(self, repository: str) -> bool:
        """Whether manifests without a tag are chosen: a pattern without a tag matches the repository."""
        return any(it.tag is None and _fits(it.repository, repository) for it in self._chosen) and self.may_match(
            repository
        )

    def cover(self, texts: Sequence[str]) -> bool:
        """Whether all that those patterns choose is chosen by these. False where that is not plain from their texts."""
        return not self._taken_away and ("*" in self.texts or set(texts) <= set(self.texts))


def _any(patterns: Iterable[_Pattern], repository: str, tag: str) -> bool:
    return any(it.matches(repository, tag) for it in patterns)


def _without_host(text: str, registry: str) -> str:
    sign, rest = ("!", text[1:]) if text.startswith("!") else ("", text)
    return sign + (rest[len(registry) + 1 :] if rest.lower().startswith(f"{registry.lower()}/") else rest)


def _parsed(text: str) -> _Pattern:
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise Malformed(
            f"read the pattern {shown(text)}",
            "it is no repository with an optional tag in which * matches any characters",
            "Write it as team/*, team/app:v* or !team/tmp-*.",
        )
    repository, tag = parts.groups()
    return _Pattern(tuple(repository.split("*")), tuple(tag.split("*")) if tag is not None else None)


def _fits(glob: tuple[str, ...], text: str) -> bool:
    """Whether the text is the parts of a pattern with anything between them; never slow, as an expression could be."""
    first, *rest = glob
    if not rest:
        return text == first
    *middle, last = rest
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
