"""What a deployment comes to: resources as they would be sent, and the places that they go to.

What only Azure knows (a principal's id, a host name) is a `Later`, which names where it will come from, so that two
places can be compared although neither is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Impossible(Exception):
    """The deployment would fail, and why."""


class Later(str):
    """Text that Azure gives when it deploys; it reads like `<id of the resource>.properties.principalId`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Scope:
    subscription: str
    group: str | None = None

    @property
    def id(self) -> str:
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return f"/subscriptions/{self.subscription}{group}"


@dataclass(slots=True)
class Deployed:
    """A resource as it would be sent, or (existing) as it is referred to."""

    symbol: str
    path: Path
    line: int
    type: str
    id: str
    name: str
    body: dict[str, Any]
    existing: bool = False
    on: "Deployed | None" = None
    """What an extension resource is attached to."""
    needs: set[str] = field(default_factory=set)
    """Ids of resources and modules that have to stand before."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the deployment goes, and what is there already: values of existing resources by id and path."""

    subscription: str = "11111111-1111-1111-1111-111111111111"
    existing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Deployment:
    resources: list[Deployed]
    outputs: dict[str, Any]

    def of(self, type_name: str) -> list[Deployed]:
        return [item for item in self.resources if item.type == type_name and not item.existing]


def plain(value: Any) -> Any:
    if isinstance(value, Deployed):
        return value.id
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value
