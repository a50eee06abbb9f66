"""What the person who deploys may do, as Resource Manager tells them: the union of their roles at a scope."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ASSIGN = "Microsoft.Authorization/roleAssignments/write"
DEPLOY = "Microsoft.Resources/deployments/write"
GROUPS = "Microsoft.Resources/subscriptions/resourceGroups/write"
LOCK = "Microsoft.Authorization/locks/write"
STORAGE = "Microsoft.Storage/storageAccounts/write"
TOPICS = "Microsoft.EventGrid/systemTopics/write"
SUBSCRIPTIONS = "Microsoft.EventGrid/systemTopics/eventSubscriptions/write"
ALERTS = "Microsoft.Insights/metricAlerts/write"

AT_SUBSCRIPTION = (DEPLOY, GROUPS, STORAGE, ASSIGN)
AT_REGISTRY = (DEPLOY, ASSIGN, TOPICS, SUBSCRIPTIONS, ALERTS)
AT_MIRROR = (DEPLOY, ASSIGN)

FOR_THE_LOCK = (
    "You may not make locks (" + LOCK + "), which keep the mirror from being deleted: that takes Owner or User Access "
    "Administrator. Set MIRROR_LOCK to false to deploy without one, and have somebody lock the mirror's group."
)
REMEDY = (
    "You need Owner there, or Contributor with Role Based Access Control Administrator; the role that assigns "
    "roles has to allow those of docs/roles.md."
)


def allows(permissions: Iterable[Mapping[str, Any]], action: str) -> bool:
    """Whether one of the roles grants the action and does not take it back; another role's exception does not count."""
    return any(
        any(_matches(pattern, action) for pattern in role.get("actions") or ())
        and not any(_matches(pattern, action) for pattern in role.get("notActions") or ())
        for role in permissions
    )


def _matches(pattern: str, action: str) -> bool:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, action, re.IGNORECASE) is not None


def missing(
    permissions: Sequence[Mapping[str, Any]], actions: Sequence[str], where: str, remedy: str = REMEDY
) -> list[str]:
    """A sentence that names the actions which are not allowed there."""
    lacking = [action for action in actions if not allows(permissions, action)]
    return [f"You may not do this at {where}: {', '.join(lacking)}. {remedy}"] if lacking else []
