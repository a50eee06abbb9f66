"""Ids of resources in Azure, read once. Names in them are the same in any case, and are written in several."""

from __future__ import annotations

import re
from dataclasses import dataclass

from infra.hooks.problems import Problem

REGISTRY = "Microsoft.ContainerRegistry/registries"
ACCOUNT = "Microsoft.Storage/storageAccounts"
TOPIC = "Microsoft.EventGrid/systemTopics"
NETWORK = "Microsoft.Network/virtualNetworks"
ZONE = "Microsoft.Network/privateDnsZones"
WORKSPACE = "Microsoft.OperationalInsights/workspaces"
SITE = "Microsoft.Web/sites"

_SUBSCRIPTION = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Letters of every alphabet are allowed in a group's name; it may not end in a dot.
_GROUP = re.compile(r"[\w().-]{0,89}[\w()-]")
_NAME = re.compile(r"[\w.-]{1,260}")


@dataclass(frozen=True, slots=True)
class ResourceId:
    """`kind` is one of the names above, spelled as there."""

    subscription: str
    group: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.scope}/providers/{self.kind}/{self.name}"

    @property
    def scope(self) -> str:
        """The id of its resource group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    def is_(self, text: str) -> bool:
        """Whether that text, from whatever tool, names this resource."""
        return folded(text) == folded(str(self))


def parse_id(text: str, kind: str, said: str) -> ResourceId:
    """Raises Problem, which begins with `said`: where the text is from. A slash at the end is left out."""
    parts = text.strip().rstrip("/").split("/")
    provider, _, resource = kind.partition("/")
    words = ("", "subscriptions", None, "resourcegroups", None, "providers", provider.lower(), resource.lower(), None)
    fits = len(parts) == len(words) and all(
        word is None or part.lower() == word for part, word in zip(parts, words, strict=True)
    )
    if not (fits and _SUBSCRIPTION.fullmatch(parts[2]) and _GROUP.fullmatch(parts[4]) and _NAME.fullmatch(parts[8])):
        shape = f"/subscriptions/<id>/resourceGroups/<group>/providers/{kind}/<name>"
        raise Problem(f"{said} is '{text}', and has to be {shape}.")
    return ResourceId(parts[2].lower(), parts[4], kind, parts[8])


def folded(text: str) -> str:
    """For comparing ids, groups and names."""
    return text.strip().rstrip("/").casefold()


def region(text: str) -> str:
    """`West Europe` and `westeurope` are one region."""
    return text.replace(" ", "").lower()
