"""How much one text from outside may ask of a parser."""

from acrmirror.errors import TooLarge

JSON_CONTAINERS = 200_000
JSON_VALUES = 500_000
"""A manifest of 4 MiB has less than 30,000 descriptors, with two or three objects and half a dozen values each."""


def check_json(raw: bytes, asked: str) -> None:
    """Raises TooLarge, before it is parsed, for JSON of more objects and arrays, or values, than memory is there for:
    4 MiB of `[],[],…` become 100 MiB of objects."""
    if raw.count(b"{") + raw.count(b"[") > JSON_CONTAINERS or raw.count(b",") > JSON_VALUES:
        raise TooLarge(
            asked,
            f"its JSON has more than {JSON_CONTAINERS} objects and arrays, or {JSON_VALUES} values",
            "Check what answers at this address.",
        )
