"""The functions of Bicep that can be worked out at once, when all that they are given is known."""

import ipaddress
import json
import uuid
from collections.abc import Callable
from typing import Any

_NAMES = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_32 = 0xFFFFFFFF


def guid(*values: str) -> str:
    """As Resource Manager makes it: version 5, in a namespace of its own."""
    return str(uuid.uuid5(_NAMES, "-".join(values)))


def unique_string(*values: str) -> str:
    """As Resource Manager makes it: a 64-bit Murmur hash in thirteen characters of base 32."""
    value = _murmur("-".join(values).encode())
    return "".join(_LETTERS[(value << 5 * at) % (1 << 64) >> 59] for at in range(13))


def _murmur(data: bytes) -> int:
    """Murmur hash 3 over two lanes of 32 bits, without a seed."""
    first = second = 0
    whole = len(data) - len(data) % 8
    for at in range(0, whole, 8):
        first = _mixed(first, data[at : at + 4], (0x239B961B, 15, 0xAB0E9789))
        first = ((_turned(first, 19) + second) * 5 + 0x561CCD1B) & _32
        second = _mixed(second, data[at + 4 : at + 8], (0xAB0E9789, 17, 0x239B961B))
        second = ((_turned(second, 13) + first) * 5 + 0x0BCAA747) & _32
    rest = data[whole:]
    first = _mixed(first, rest[:4], (0x239B961B, 15, 0xAB0E9789))
    second = _mixed(second, rest[4:], (0xAB0E9789, 17, 0x239B961B))
    first, second = first ^ len(data), second ^ len(data)
    first = (first + second) & _32
    second = (second + first) & _32
    first, second = _finished(first), _finished(second)
    first = (first + second) & _32
    return ((second + first) & _32) << 32 | first


def _mixed(lane: int, data: bytes, by: tuple[int, int, int]) -> int:
    value = int.from_bytes(data, "little") * by[0] & _32
    return lane ^ (_turned(value, by[1]) * by[2] & _32)


def _turned(value: int, bits: int) -> int:
    return (value << bits | value >> (32 - bits)) & _32


def _finished(value: int) -> int:
    value = (value ^ value >> 16) * 0x85EBCA6B & _32
    value = (value ^ value >> 13) * 0xC2B2AE35 & _32
    return value ^ value >> 16


def formatted(pattern: str, *values: Any) -> str:
    for at, value in enumerate(values):
        pattern = pattern.replace(f"{{{at}}}", text(value))
    return pattern


def text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def union(*values: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for value in values:
        merged |= value
    return merged


def cidr_subnet(prefix: str, size: int, index: int) -> str:
    network = ipaddress.ip_network(prefix)
    return str(list(network.subnets(new_prefix=size))[index])


def flatten(items: list[list[Any]]) -> list[Any]:
    return [item for part in items for item in part]


PURE: dict[str, Callable[..., Any]] = {
    "bool": lambda value: {"true": True, "false": False}[value.lower()],
    "cidrSubnet": cidr_subnet,
    "concat": lambda *values: flatten(list(values)),
    "contains": lambda whole, part: part in whole,
    "empty": lambda value: not value,
    "flatten": flatten,
    "format": formatted,
    "guid": guid,
    "int": int,
    "json": json.loads,
    "last": lambda value: value[-1],
    "length": len,
    "max": lambda *values: max(values),
    "replace": lambda value, old, new: value.replace(old, new),
    "split": lambda value, separator: value.split(separator),
    "join": lambda values, separator: separator.join(values),
    "startsWith": lambda value, start: value.lower().startswith(start.lower()),
    "string": text,
    "substring": lambda value, start, length: value[start : start + length],
    "toLower": lambda value: value.lower(),
    "trim": lambda value: value.strip(),
    "union": union,
    "uniqueString": unique_string,
}
