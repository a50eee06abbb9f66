"""Who may do what: roles' actions at scopes, and whether they cover what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from standins.policy.operations import Operation

_BELOW = {
    "blob": "blobServices/default/containers",
    "queue": "queueServices/default/queues",
    "table": "tableServices/default/tables",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """A role that is assigned at a scope, which is a resource's id, and what it lets its holder do there and below."""

    role: str
    scope: str
    actions: tuple[str, ...]
    """`*` at the end stands for any rest."""

    def covers(self, resource: str) -> bool:
        """Ids are compared ignoring case, as Azure does."""
        scope, resource = self.scope.rstrip("/").lower(), resource.lower()
        return resource == scope or resource.startswith(f"{scope}/")

    def allows(self, action: str) -> bool:
        return any(action == one or (one.endswith("*") and action.startswith(one[:-1])) for one in self.actions)


@dataclass(frozen=True, slots=True)
class Places:
    """The ids of the resources that the local services stand for: storage accounts, and the registry."""

    blob: str
    queue: str
    table: str
    registry: str
    abac: bool = False
    """Whether the registry is in the mode that does not honour AcrPull."""

    def resource(self, service: str, container: str = "") -> str:
        """The id of a container, queue or table; of the account or the registry where that is empty."""
        account = {"blob": self.blob, "queue": self.queue, "table": self.table}.get(service)
        if account is None:
            return self.registry
        return f"{account}/{_BELOW[service]}/{container}" if container else account


@dataclass(frozen=True, slots=True)
class Policy:
    """All that one identity is granted. Who else comes is taken for it, since a stack has but one."""

    places: Places
    grants: tuple[Grant, ...] = ()

    def allows(self, operation: Operation, container: str = "") -> bool:
        """Whether all actions of one of its ways are granted, by whichever roles, at this resource or above."""
        resource = self.places.resource(operation.service, container)
        here = [grant for grant in self.grants if grant.covers(resource)]
        return any(all(any(grant.allows(action) for grant in here) for action in way) for way in operation.ways)

    def to_json(self) -> dict[str, Any]:
        places = {name: getattr(self.places, name) for name in ("blob", "queue", "table", "registry", "abac")}
        grants = [{"role": one.role, "scope": one.scope, "actions": list(one.actions)} for one in self.grants]
        return {"places": places, "grants": grants}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Policy:
        """Raises KeyError or TypeError."""
        grants = tuple(Grant(one["role"], one["scope"], tuple(one["actions"])) for one in value["grants"])
        return cls(Places(**value["places"]), grants)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was requested, by the operation's name, and whether it was let through."""

    operation: str
    container: str
    allowed: bool
