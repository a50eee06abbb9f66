"""What roles come to at the local registry, and what was asked of it, in Azure's terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from standins.policy.grants import Policy, Seen
from standins.policy.operations import ALL, Operation

_KINDS = {
    **dict.fromkeys(("manifest", "blob", "referrers"), "Pull"),
    **dict.fromkeys(("tags", "manifests", "metadata"), "Read Metadata"),
    "catalog": "List Repositories",
}


def operation(name: str, abac: bool) -> Operation:
    """By its name without the mode."""
    return ALL[f"{name} (ABAC)" if abac else name]


def registry_grant(policy: Policy) -> dict[str, object]:
    """For `RegistryControl.set_grants`: the registry makes narrower tokens, or none for who may do nothing."""
    abac = policy.places.abac
    may = {name for name in _KINDS.values() if policy.allows(operation(name, abac))}
    actions = [action for action, name in (("pull", "Pull"), ("metadata_read", "Read Metadata")) if name in may]
    return {"repositories": ["*"], "actions": actions, "catalog": "List Repositories" in may}


def registry_seen(requests: Iterable[Mapping[str, Any]], policy: Policy, user_agent: str) -> list[Seen]:
    """Of what `RegistryControl.requests` has: reading by the app, whose User-Agent begins like that."""
    found: dict[Seen, None] = {}
    for one in requests:
        name = _KINDS.get(one["kind"])
        if name and one["method"] in ("GET", "HEAD") and str(one["user_agent"]).startswith(user_agent):
            found[Seen(operation(name, policy.places.abac).name, "", one["status"] not in (401, 403))] = None
    return list(found)
