"""What a deployment comes to: resources as they would be sent, and the places that they go to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devtools.bicep.runtime import Runtime, form


class Impossible(Exception):
    """The deployment would fail, and why."""


_ORDER = ("id", "type", "condition", "name", "apiVersion", "location", "sku", "kind", "identity", "tags", "properties")


@dataclass(frozen=True, slots=True)
class Scope:
    subscription: str
    group: str | None = None

    @property
    def id(self) -> str:
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return f"/subscriptions/{self.subscription}{group}"


@dataclass(slots=True)
class Resource:
    """A resource as it would be sent, or (existing) as it is referred to."""

    symbol: str
    path: Path
    line: int
    type: str
    version: str
    id: str | Runtime
    name: str | Runtime
    """Without those of its parents, which `full_name` begins with."""
    full_name: str | Runtime
    scope: Scope
    body: dict[str, Any]
    existing: bool = False
    condition: bool | Runtime = True
    needs: set[str] = field(default_factory=set)
    """Ids, as the snapshot has them, of resources that are deployed before."""

    @property
    def key(self) -> str:
        return str(form(self.id))

    def form(self) -> dict[str, Any]:
        whole = {
            "id": self.id, "type": self.type, "name": self.full_name, "apiVersion": self.version, **self.body,
        }  # fmt: skip
        if isinstance(self.condition, Runtime):
            whole["condition"] = self.condition
        found: dict[str, Any] = form({name: whole.pop(name) for name in _ORDER if name in whole} | whole)
        return found


@dataclass(slots=True)
class Deployment:
    resources: list[Resource]
    """Without those that exist."""
    outputs: dict[str, Any]

    def form(self) -> dict[str, Any]:
        """As `bicep snapshot` writes it. What would be a diagnostic raises Impossible here."""
        return {
            "predictedResources": [item.form() for item in self.resources],
            "diagnostics": [],
            "outputs": form(self.outputs),
        }


@dataclass(frozen=True, slots=True)
class Target:
    """Where a deployment goes, and the environment variables that a parameter file reads."""

    scope: Scope = Scope("11111111-1111-1111-1111-111111111111")
    environment: Mapping[str, str] = field(default_factory=dict)
