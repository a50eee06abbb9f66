"""Each permission that the code uses, the role that grants it, and the line that assigns the role: docs/roles.md.

Which actions an operation takes is in `standins.policy.operations`, with its source; tests/interop/test_roles.py runs
the app against a layer that refuses what the assigned roles don't grant, and holds what it used against this list.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from devtools.deployment import ROLE, ROOT
from devtools.deployment.roles import BY_ID, ROLES
from devtools.deployment.scenarios import REGISTRY, RESTORING, SCENARIOS, SPARE, predicted, run
from standins.policy import ALL, Grant, Operation, Places, Policy

_TRACK = Operation("telemetry", "Send telemetry", (frozenset({"Microsoft.Insights/Telemetry/Write"}),))
_ACR = "Microsoft.ContainerRegistry/registries"
_PUSH = Operation("target", "Push", (frozenset({f"{_ACR}/pull/read", f"{_ACR}/push/write"}),))
_ABAC_PUSH = Operation(
    "target",
    "Push (ABAC)",
    (frozenset({f"{_ACR}/repositories/content/read", f"{_ACR}/repositories/content/write"}),),
)
OPERATIONS = {**ALL, **{it.name: it for it in (_TRACK, _PUSH, _ABAC_PUSH)}}

APP, TOPIC, SERVER = "the app", "the topic", "the serving registry"
RUN, SERVED = "in a run", "with a stock registry"
NO_HOST = "no: the local host has no account of its own"
NO_TOPIC = "no: the local registry keeps dead letters itself"
NO_TARGET = "no: the second registry of a local stack has grants, and knows no roles"
NO_TELEMETRY = "no: what takes telemetry locally asks who sends it, and not for roles"


@dataclass(frozen=True, slots=True)
class Permission:
    """`at` is the account's role in the deployment (mirror or host), a slash, and container, queue or table if the role
    is wanted just there. `checked` says whether a test runs it against a layer that refuses."""

    who: str
    what: str
    operations: tuple[str, ...]
    at: str
    checked: str = RUN
    abac: bool | None = None
    """Whether it is used only with a registry in that mode, or only with one that is not."""

    @property
    def all(self) -> tuple[Operation, ...]:
        return tuple(OPERATIONS[name] for name in self.operations)

    @property
    def needs(self) -> str:
        return ", ".join(dict.fromkeys(operation.needs for operation in self.all))


_WRITE = ("Put Blob", "Put Block", "Put Block List")
_READ = ("Get Blob", "Get Blob Properties", "Get Block List", "List Blobs")
_TAKE = ("Get Messages", "Delete Message")
_RECORD = ("Insert Entity", "Update Entity", "Merge Entity")
_LISTS = ("Read Metadata", "List Repositories")
_ABAC_PULL, _ABAC_TAGS, _ABAC_REPOSITORIES = ("Pull (ABAC)",), ("Read Metadata (ABAC)",), ("List Repositories (ABAC)",)
_DEAD = "host/mirror-jobs-poison"
_BACKFILL, _DEAD_BACKFILL = "host/mirror-backfill", "host/mirror-backfill-poison"
_COUNT = ("Get Queue Metadata", "Peek Messages")

PERMISSIONS = (
    Permission(APP, "pull, and list referrers", ("Pull",), "registry", abac=False),
    Permission(APP, "list tags and repositories", _LISTS, "registry", abac=False),
    Permission(APP, "pull, and list referrers (ABAC mode)", _ABAC_PULL, "registry", abac=True),
    Permission(APP, "list tags (ABAC mode)", _ABAC_TAGS, "registry", abac=True),
    Permission(APP, "list repositories (ABAC mode)", _ABAC_REPOSITORIES, "registry", abac=True),
    Permission(APP, "write layers, manifests, links and history", _WRITE, "mirror/mirror"),
    Permission(APP, "read links, list blocks and blobs", _READ, "mirror/mirror"),
    Permission(APP, "put archives together", ("Put Block", "Put Block From URL", "Put Block List"), "mirror/archives"),
    Permission(APP, "look at archives and their blocks", ("Get Blob Properties", "Get Block List"), "mirror/archives"),
    Permission(APP, "sign links to single blobs", ("Get User Delegation Key",), "mirror"),
    Permission(APP, "put jobs into the queue", ("Put Message",), "host/mirror-jobs"),
    Permission(APP, "take jobs from the queue and delete them", _TAKE, "host/mirror-jobs"),
    Permission(APP, "renew the lease of a job", ("Update Message",), "host/mirror-jobs"),
    Permission(APP, "count what waits, and for how long", _COUNT, "host/mirror-jobs"),
    Permission(APP, "move a job that crashes its worker", ("Put Message",), _DEAD),
    Permission(APP, "take dead jobs into their records", _TAKE, _DEAD),
    Permission(APP, "count dead jobs, and for how long", _COUNT, _DEAD),
    Permission(APP, "put sweeps and their jobs into a queue", ("Put Message",), _BACKFILL),
    Permission(APP, "take sweeps and their jobs from it and delete them", _TAKE, _BACKFILL),
    Permission(APP, "renew the lease of one of them", ("Update Message",), _BACKFILL),
    Permission(APP, "count how many of them wait, and for how long", _COUNT, _BACKFILL),
    Permission(APP, "move one of them that crashes its worker", ("Put Message",), _DEAD_BACKFILL),
    Permission(APP, "take dead ones of them into their records", _TAKE, _DEAD_BACKFILL),
    Permission(APP, "count dead ones of them, and for how long", _COUNT, _DEAD_BACKFILL),
    Permission(APP, "write job records and claims", _RECORD, "host/mirrorjobs"),
    Permission(APP, "read job records and claims", ("Query Entities",), "host/mirrorjobs"),
    Permission(APP, "write the records of many images at once", ("Entity Group Transaction",), "host/mirrorjobs"),
    Permission(APP, "let go of claims", ("Delete Entity",), "host/mirrorjobs"),
    Permission(APP, "the host: make its containers", ("Create Container",), "host", NO_HOST),
    Permission(APP, "the host: keep leases, keys and timers", ("Put Blob", "Lease Blob"), "host", NO_HOST),
    Permission(APP, "the host: make its table of diagnostic events", ("Create Table",), "host", NO_HOST),
    Permission(APP, "send telemetry", ("Send telemetry",), "insights", NO_TELEMETRY),
    Permission(APP, "push what is restored", (_PUSH.name,), "target", NO_TARGET, abac=False),
    Permission(APP, "push what is restored (ABAC mode)", (_ABAC_PUSH.name,), "target", NO_TARGET, abac=True),
    Permission(TOPIC, "write dead letters", ("Put Blob",), "host/dead-letters", NO_TOPIC),
    Permission(SERVER, "read manifests, links and layers", _READ[:2] + _READ[3:], "mirror/mirror", SERVED),
    Permission(SERVER, "redirect to signed links", ("Get User Delegation Key",), "mirror", SERVED),
)


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
    for scenario in (*SCENARIOS[:2], RESTORING):
        declared = {item.key: item for item in predicted(scenario).resources}
        for item in run(scenario).of(ROLE):
            properties = item.body["properties"]
            role = BY_ID[properties["roleDefinitionId"].rpartition("/")[2]]
            found_at = declared[item.key]
            place = f"{found_at.path.relative_to(ROOT).as_posix()}:{found_at.line}"
            found[Assignment(_who(properties["principalId"]), role.name, str(item.on), place)] = None
    return list(found)


def _who(principal: str) -> str:
    return TOPIC if "systemTopics" in principal else SERVER if "id-serve" in principal else APP


@cache
def places(abac: bool = False) -> Places:
    """The resources that a local stack's services stand for."""
    accounts = run(SCENARIOS[0]).of("Microsoft.Storage/storageAccounts")
    mirror, host = (
        next(item.id for item in accounts if item.name.startswith(start)) for start in ("stmirror", "sthost")
    )
    return Places(mirror, host, host, REGISTRY, abac)


def policy(who: str = APP, abac: bool = False, without: Assignment | None = None) -> Policy:
    """All that is assigned to it in a deployment for a registry of that mode, but for one assignment."""
    by_name = {role.name: role for role in ROLES.values()}
    other_mode = "AcrPull" if abac else "Container Registry"
    return Policy(
        places(abac),
        tuple(
            Grant(item.role, item.scope, by_name[item.role].actions)
            for item in assignments()
            if item.who == who and item != without and not item.role.startswith(other_mode)
        ),
    )


def scope(permission: Permission) -> str:
    """The id of the resource that a permission is wanted on."""
    account, _, container = permission.at.partition("/")
    service = permission.all[0].service
    if service == "telemetry":
        return next(item.scope for item in assignments() if "/components/" in item.scope)
    if service == "target":
        return SPARE
    known = places()
    if account == "host":
        # The mirror's containers are in an account of their own; the host's are with its queues.
        known = replace(known, blob=known.queue)
    return known.resource(service, container)


def granted(permission: Permission) -> list[Assignment]:
    """The assignments that grant it, narrowest scope first. None means that the code would be refused."""
    by_name = {role.name: role for role in ROLES.values()}
    resource = scope(permission)

    def grants(item: Assignment) -> bool:
        grant = Grant(item.role, item.scope, by_name[item.role].actions)
        return grant.covers(resource) and all(
            any(all(map(grant.allows, way)) for way in operation.ways) for operation in permission.all
        )

    found = [item for item in assignments() if item.who == permission.who and grants(item)]
    return sorted(found, key=lambda item: -len(item.scope))


def table() -> str:
    """docs/roles.md."""
    lines = [
        "# Roles",
        "",
        "Made from the templates by `python3 dev.py infra --write`; a test keeps it true. Each permission",
        "that the code uses, the role that grants it, and the line that assigns that role. Which action a",
        'role grants was taken down by hand from the documentation: "Azure built-in roles" for the roles,',
        '"Permissions for calling data operations" for storage, and "Azure Container Registry roles directory',
        'reference" for the registry (`devtools/deployment/roles.py`, `standins/policy/operations.py`). Actions',
        "are given without their beginning, `Microsoft.Storage/storageAccounts/` and",
        "`Microsoft.ContainerRegistry/registries/`.",
        "",
        "The last column says which rows are held against a run: `tests/interop/test_roles.py` has the app",
        "work on the local stack with a layer before storage and registry that refuses what the assigned roles",
        "don't grant. Every operation that it saw is in this table, and every operation of these rows was seen.",
        "Without any one of these roles a record, an error or the health check names it, which",
        "`tests/integration/test_missing_roles.py` shows for each in turn. The serving registry's two are held against",
        "a stock registry in `tests/interop/test_stock_redirects.py`.",
        "",
        "| who | does | by | needs | granted by | at | assigned in | checked |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for permission in PERMISSIONS:
        best = granted(permission)[0]
        at = "/".join(best.scope.split("/")[-2:])
        operations = ", ".join(permission.operations)
        lines.append(
            f"| {permission.who} | {permission.what} | {operations} | {permission.needs} | {best.role} "
            f"| `{_shown(at)}` | `{best.place}` | {permission.checked} |"
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
