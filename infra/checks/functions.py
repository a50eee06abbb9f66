"""The functions of Bicep that are used here, as far as a deployment can be worked out without Azure."""

import ipaddress
import json
import uuid
from collections.abc import Callable
from typing import Any

ARGUMENTS = {
    "bool": (1, 1),
    "cidrSubnet": (3, 3),
    "concat": (1, 99),
    "empty": (1, 1),
    "environment": (0, 0),
    "guid": (1, 99),
    "int": (1, 1),
    "json": (1, 1),
    "last": (1, 1),
    "loadTextContent": (1, 2),
    "readEnvironmentVariable": (1, 2),
    "replace": (3, 3),
    "resourceGroup": (0, 2),
    "resourceId": (2, 9),
    "split": (2, 2),
    "string": (1, 1),
    "subscription": (0, 1),
    "subscriptionResourceId": (2, 9),
    "toLower": (1, 1),
    "union": (2, 99),
    "uniqueString": (1, 99),
}
"""How many arguments each takes. Decorators are no functions, and are checked where parameters are."""

SUFFIXES = {"storage": "core.windows.net", "acrLoginServer": ".azurecr.io"}


def unique_string(*values: str) -> str:
    """Thirteen characters, as steady as Azure's own, though not the same."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "\0".join(values)).hex[:13]


def union(*values: Any) -> Any:
    merged: dict[str, Any] = {}
    for value in values:
        merged |= value
    return merged


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def cidr_subnet(prefix: str, size: int, index: int) -> str:
    network = ipaddress.ip_network(prefix)
    return str(list(network.subnets(new_prefix=size))[index])


PURE: dict[str, Callable[..., Any]] = {
    "bool": lambda value: {"true": True, "false": False}[value.lower()],
    "cidrSubnet": cidr_subnet,
    "concat": lambda *values: [item for value in values for item in value],
    "empty": lambda value: not value,
    "guid": lambda *values: str(uuid.uuid5(uuid.NAMESPACE_URL, "\0".join(values))),
    "int": int,
    "json": json.loads,
    "last": lambda value: value[-1],
    "replace": lambda value, old, new: value.replace(old, new),
    "split": lambda value, separator: value.split(separator),
    "string": text,
    "toLower": lambda value: value.lower(),
    "union": union,
    "uniqueString": unique_string,
}
