"""JSON objects as the registries' own readers, written in Go, see them.

Go matches keys ignoring case and takes the last; Python takes each spelling for itself. Content for which the two
would see different things is refused, else a manifest could show the mirror one list of layers, and its clients
another.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, cast

from acrmirror.errors import Malformed

_SURROGATE = re.compile("[\ud800-\udfff]")


class Object(dict[str, Any]):
    """A parsed object that remembers whether its keys clash ignoring case."""

    __slots__ = ("clash",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.clash: str | None = None
        seen: set[str] = set()
        for key, _ in pairs:
            folded = key.casefold()
            if folded in seen:
                self.clash = key
            seen.add(folded)


class Reader:
    """Reads the fields of one manifest; every complaint names the manifest and the place in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.odd_annotations = False
        """Set when an annotation is not a string: stored all the same, but a stock registry fails on it."""

    def malformed(self, place: str, problem: str) -> Malformed:
        return Malformed(
            f"read manifest {self.name}",
            f"{place} {problem}",
            "Push it again with a tool that keeps the specification.",
        )

    def load(self, raw: bytes) -> Object:
        """The bytes as one JSON object: UTF-8, no NaN or Infinity, no endless numbers or nesting."""
        try:
            document = json.loads(raw.decode("utf-8"), object_pairs_hook=Object, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            # Integers of over 4,300 digits are a ValueError, too.
            raise self.malformed("it", f"is not JSON that can be read ({type(error).__name__})") from error
        if not isinstance(document, Object):
            raise self.malformed("it", "is not a JSON object")
        return document

    def fields(self, value: object, place: str, known: Iterable[str]) -> Object:
        """An object of the specification: `known` keys have their exact spelling, and no two keys clash."""
        if not isinstance(value, Object):
            raise self.malformed(place, "is not an object")
        if value.clash is not None:
            raise self.malformed(place, f"has the key {value.clash[:60]!r} twice, ignoring case")
        spellings = {key.casefold(): key for key in known}
        for key in value:
            if spellings.get(key.casefold(), key) != key:
                raise self.malformed(place, f"spells the key {key[:60]!r} otherwise than the specification")
        return value

    def text(self, value: object, place: str) -> str | None:
        """An optional string; lone surrogates become U+FFFD, as Go reads them."""
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.malformed(place, "is not a string")
        return _SURROGATE.sub("\ufffd", value)

    def media_type(self, value: object, place: str) -> str | None:
        """An optional media type: it travels in headers, so only printable ASCII will do."""
        text = self.text(value, place)
        if text is not None and not (text.isascii() and text.isprintable() and len(text) <= 255):
            raise self.malformed(place, "is not a media type")
        return text

    def integer(self, value: object, place: str) -> int:
        """A size: an integer of 0 ≤ n < 2⁶³, neither true nor 1.0 nor 1e3."""
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            raise self.malformed(place, "is not an integer from 0 to 2⁶³−1")
        return value

    def array(self, value: object, place: str) -> list[object]:
        """An array; null and absent count as empty, as Go writes and reads empty lists."""
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.malformed(place, "is not an array")
        return cast(list[object], value)

    def texts(self, value: object, place: str) -> tuple[str, ...]:
        return tuple(self.text(item, f"{place}[{i}]") or "" for i, item in enumerate(self.array(value, place)))

    def annotations(self, value: object, place: str) -> dict[str, str]:
        """The string annotations. Case matters in their keys, and of equal keys the last counts."""
        if value is None:
            return {}
        if not isinstance(value, Object):
            raise self.malformed(place, "is not an object")
        strings: dict[str, str] = {}
        for key, item in value.items():
            if isinstance(item, str):
                strings[_SURROGATE.sub("\ufffd", key)] = _SURROGATE.sub("\ufffd", item)
            elif item is not None:
                self.odd_annotations = True
        return strings


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
