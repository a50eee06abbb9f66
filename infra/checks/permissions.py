"""Each permission that the code uses, the role that grants it, and the line that assigns the role: docs/roles.md.

Which action an operation needs is taken down from "Authorize with Microsoft Entra ID: Permissions for calling data
operations" (learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory), and for the registry
from "Microsoft Entra permissions and role assignments overview" of Azure Container Registry.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from infra.checks import INFRA
from infra.checks.requirements import ROLE
from infra.checks.roles import BY_ID, ROLES
from infra.checks.scenarios import SCENARIOS, Loader, run

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"
_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables"
_REGISTRY = "Microsoft.ContainerRegistry/registries"


@dataclass(frozen=True, slots=True)
class Permission:
    who: str
    what: str
    actions: tuple[str, ...]
    """Any of these will do."""
    where: str
    """How the id of the scope ends, or of one above it."""


APP, TOPIC, SERVER = "the app", "the topic", "the serving registry"
MIRROR, HOST = "containers/mirror", "sthost"
_ADD = (f"{_QUEUES}/messages/add/action", f"{_QUEUES}/messages/write")
_INSERT = (f"{_TABLES}/entities/write", f"{_TABLES}/entities/add/action")

PERMISSIONS = (
    Permission(APP, "pull, and ask for referrers (without ABAC)", (f"{_REGISTRY}/pull/read",), "demo"),
    Permission(APP, "pull, and ask for referrers (ABAC mode)", (f"{_REGISTRY}/repositories/content/read",), "demo"),
    Permission(APP, "list tags (ABAC mode)", (f"{_REGISTRY}/repositories/metadata/read",), "demo"),
    Permission(APP, "list repositories (ABAC mode)", (f"{_REGISTRY}/catalog/read",), "demo"),
    Permission(APP, "write layers, manifests, links and history", (f"{_BLOBS}/containers/blobs/write",), MIRROR),
    Permission(APP, "read links, list blocks and blobs", (f"{_BLOBS}/containers/blobs/read",), MIRROR),
    Permission(APP, "sign links to single blobs", (f"{_BLOBS}/generateUserDelegationKey/action",), "stmirror"),
    Permission(APP, "put jobs into the queue", _ADD, "mirror-jobs"),
    Permission(APP, "take jobs from the queue and delete them", (f"{_QUEUES}/messages/process/action",), "mirror-jobs"),
    Permission(APP, "renew the lease of a job", (f"{_QUEUES}/messages/write",), "mirror-jobs"),
    Permission(APP, "count what waits (scaling, health)", (f"{_QUEUES}/read",), "mirror-jobs"),
    Permission(APP, "move a job that crashes its worker", (f"{_QUEUES}/messages/write",), "mirror-jobs-poison"),
    Permission(APP, "take dead jobs into their records", (f"{_QUEUES}/messages/process/action",), "mirror-jobs-poison"),
    Permission(APP, "write job records and claims", _INSERT, HOST),
    Permission(APP, "read job records and claims", (f"{_TABLES}/entities/read",), HOST),
    Permission(APP, "let go of claims", (f"{_TABLES}/entities/delete",), HOST),
    Permission(APP, "the host: make its containers", (f"{_BLOBS}/containers/write",), HOST),
    Permission(APP, "the host: keep leases, keys and timers", (f"{_BLOBS}/containers/blobs/write",), HOST),
    Permission(APP, "the host: make its table of diagnostic events", (f"{_TABLES}/write",), HOST),
    Permission(APP, "send telemetry", ("Microsoft.Insights/Telemetry/Write",), "appi-mirror"),
    Permission(TOPIC, "write dead letters", (f"{_BLOBS}/containers/blobs/write",), "dead-letters"),
    Permission(SERVER, "read manifests, links and layers", (f"{_BLOBS}/containers/blobs/read",), MIRROR),
    Permission(SERVER, "redirect to signed links", (f"{_BLOBS}/generateUserDelegationKey/action",), "stmirror"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Assignment:
    who: str
    role: str
    scope: str
    place: str
    """File and line."""


@cache
def assignments() -> list[Assignment]:
    """Of the deployments that between them switch everything on."""
    found: dict[Assignment, None] = {}
    for deployment in (run(scenario, Loader()) for scenario in SCENARIOS[:2]):
        for item in deployment.of(ROLE):
            if item.on is None:
                continue
            properties = item.body["properties"]
            role = BY_ID[properties["roleDefinitionId"].rpartition("/")[2]]
            place = f"infra/{item.path.relative_to(INFRA).as_posix()}:{item.line}"
            found[Assignment(_who(properties["principalId"]), role.name, item.on.id, place)] = None
    return list(found)


def _who(principal: str) -> str:
    return TOPIC if "systemTopics" in principal else SERVER if "id-serve" in principal else APP


def granted(permission: Permission) -> list[Assignment]:
    """The assignments that grant it, narrowest scope first. None means that the code would be refused."""
    by_name = {role.name: role for role in ROLES.values()}
    found = [
        item
        for item in assignments()
        if item.who == permission.who
        and any(by_name[item.role].grants(action) for action in permission.actions)
        and _covers(item.scope, permission.where)
    ]
    return sorted(found, key=lambda item: -len(item.scope))


def _covers(scope: str, where: str) -> bool:
    last = scope.rpartition("/")[2]
    return scope.endswith(f"/{where}") or (last.startswith(where) and where not in ("mirror-jobs", "containers/mirror"))


def table() -> str:
    """docs/roles.md."""
    lines = [
        "# Roles",
        "",
        "Made from the templates by `python3 -m infra.checks --write`; a test keeps it true. Each permission",
        "that the code uses, the role that grants it, and the line that assigns that role. Which action a",
        'role grants was taken down by hand from the documentation: "Azure built-in roles" for the roles,',
        '"Permissions for calling data operations" for storage, and "Azure Container Registry Entra',
        'permissions and roles overview" for the registry (`infra/checks/roles.py`,',
        "`infra/checks/permissions.py`).",
        "",
        "| who | does | needs | granted by | at | assigned in |",
        "|---|---|---|---|---|---|",
    ]
    for permission in PERMISSIONS:
        best = granted(permission)[0]
        needs = " or ".join(f"`{action}`" for action in permission.actions)
        at = "/".join(best.scope.split("/")[-2:])
        lines.append(
            f"| {permission.who} | {permission.what} | {needs} | {best.role} | `{_shown(at)}` | `{best.place}` |"
        )
    lines += ["", "## Every assignment", "", "| who | role | at | assigned in |", "|---|---|---|---|"]
    for item in assignments():
        at = "/".join(item.scope.split("/")[-2:])
        lines.append(f"| {item.who} | {item.role} | `{_shown(at)}` | `{item.place}` |")
    return "\n".join(lines) + "\n"


def _shown(text: str) -> str:
    for prefix in ("sthost", "stmirror", "appi-mirror-"):
        head, found, _ = text.partition(prefix)
        if found:
            return f"{head}{prefix}…"
    return text.replace("registries/demo", "registries/…")


def unused() -> Iterator[str]:
    """Roles that are assigned although no permission needs them."""
    needed = {item for permission in PERMISSIONS for item in granted(permission)}
    yield from (f"{item.who}: {item.role} at {item.scope}" for item in assignments() if item not in needed)
