"""One deployment under inspection, and how a requirement says what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devtools.bicep.settled import Settled, Whole, at
from devtools.deployment import ACCOUNT
from devtools.deployment.scenarios import ELSEWHERE, HERE, Scenario

QUEUES = ("mirror-jobs", "mirror-jobs-poison", "mirror-backfill", "mirror-backfill-poison")


@dataclass(slots=True)
class View:
    """One deployment under inspection."""

    scenario: Scenario
    deployment: Whole
    events: Whole
    problems: list[str]

    @property
    def given(self) -> Mapping[str, Any]:
        return self.scenario.given

    def option(self, name: str, default: Any) -> Any:
        return self.given.get(name, default)

    @property
    def private(self) -> bool:
        return bool(self.option("privateNetworking", False))

    @property
    def group(self) -> str:
        return f"/subscriptions/{HERE}/resourceGroups/rg-check"

    @property
    def mirror_group(self) -> str:
        return f"/subscriptions/{HERE}/resourceGroups/rg-check-mirror"

    @property
    def owns_mirror(self) -> bool:
        return not self.option("existingMirrorAccountId", "")

    @property
    def host(self) -> Settled:
        return self.one(ACCOUNT, "sthost")

    @property
    def mirror_account(self) -> str:
        return str(self.one(ACCOUNT, "stmirror").id if self.owns_mirror else self.given["existingMirrorAccountId"])

    @property
    def container(self) -> str:
        return f"{self.mirror_account}/blobServices/default/containers/{self.option('mirrorContainer', 'mirror')}"

    @property
    def archives(self) -> str:
        """The container of archives that are requested, by its id."""
        return f"{self.mirror_account}/blobServices/default/containers/archives"

    @property
    def topic(self) -> str:
        group, name = (
            self.option("existingTopicResourceGroup", "rg-images"),
            self.option("existingTopicName", "evgt-demo"),
        )
        return f"/subscriptions/{ELSEWHERE}/resourceGroups/{group}/providers/Microsoft.EventGrid/systemTopics/{name}"

    def one(self, type_name: str, prefix: str = "") -> Settled:
        found = [item for item in self.deployment.of(type_name) if item.name.startswith(prefix)]
        if len(found) != 1:
            raise Missing(f"{len(found)} of {type_name} {prefix}")
        return found[0]

    def holds(self, truth: object, why: str) -> None:
        if not truth:
            self.problems.append(f"{self.scenario.name}: {why}")

    def is_(self, resource: Settled, path: str, wanted: Any, why: str) -> None:
        found = at(resource.body, path)
        same_type = isinstance(found, bool) == isinstance(wanted, bool)
        self.holds(found == wanted and same_type, f"{resource.type} {resource.name}: {path} is {found!r}: {why}")


class Missing(Exception):
    """A resource that has to be there is not."""
