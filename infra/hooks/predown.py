"""Before `azd down`: what goes, what stays, and a stop if the mirror would go without anybody having said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infra.hooks.commands import Azure, CommandFailed, Console
from infra.hooks.environment import Environment
from infra.hooks.ids import folded
from infra.hooks.problems import Problem

KEPT = "CanNotDelete", "ReadOnly"


def predown(environment: Environment, azure: Azure, console: Console) -> None:
    """Raises Problem for a mirror without a lock, unless MIRROR_LOCK is false."""
    ours, mirror = environment.get("AZURE_RESOURCE_GROUP"), environment.get("MIRROR_RESOURCE_GROUP")
    topics = environment.get("MIRROR_TOPIC_RESOURCE_GROUP")
    if not ours:
        console.say("Nothing is deployed in this environment.")
        return
    console.say(
        f"{ours} goes: the app, its own account with job records, queues and dead letters, telemetry, alerts and, "
        "if it has one, its network.\n"
        f"{topics} stays, with what is there of this deployment (the registry's topic, the event subscription, "
        "alerts, the app's role): docs/upgrade.md#uninstall removes it. If azd asks whether to "
        "delete that group, say no; and never give azd --force."
    )
    if not mirror or folded(mirror) in (folded(ours), folded(topics)):
        return
    if environment.get("MIRROR_EXISTING_ACCOUNT_ID"):
        console.say(
            f"{mirror} stays: other registries are mirrored there, too. If azd asks "
            "whether to delete that group, say no."
        )
    elif is_locked(
        azure, mirror, environment.get("MIRROR_SUBSCRIPTION_ID") or environment.get("AZURE_SUBSCRIPTION_ID")
    ):
        console.say(
            f"{mirror} stays, with the mirror in it: a lock keeps it, whatever is answered. The next azd up of this "
            "environment goes on with it."
        )
    elif environment.get("MIRROR_LOCK") == "false":
        console.say(f"{mirror} goes if azd asks and you say yes: THE MIRROR IS IN IT, and MIRROR_LOCK is false.")
    else:
        raise Problem(
            f"{mirror} has the mirror in it, and no lock. Lock it (az lock create --name keep-the-mirror --lock-type "
            f"CanNotDelete --resource-group {mirror}), or set MIRROR_LOCK to false to say that the mirror may go."
        )


def is_locked(azure: Azure, group: str, subscription: str) -> bool:
    """True also where there is no such group (any more): there is nothing to lose. Raises Problem."""
    try:
        locks: Sequence[Mapping[str, Any]] = azure.json(
            "lock", "list", "--resource-group", group, "--subscription", subscription
        )
    except CommandFailed as error:
        if "ResourceGroupNotFound" in error.said:
            return True
        raise
    return any(lock.get("level") in KEPT for lock in locks)
