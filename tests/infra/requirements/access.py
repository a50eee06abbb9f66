"""Who may do what where, exactly."""

from collections.abc import Iterator

from devtools.bicep.functions import guid
from devtools.deployment import ROLE
from devtools.deployment.roles import BY_ID, ROLES
from devtools.deployment.scenarios import REGISTRY
from tests.infra.requirements.view import QUEUES, View


def roles(view: View) -> None:
    """Exactly these roles, to these principals, at these scopes."""
    wanted = set(expected_roles(view))
    found = set()
    for item in view.deployment.of(ROLE):
        properties = item.body["properties"]
        role = BY_ID.get(str(properties["roleDefinitionId"]).rpartition("/")[2])
        scope = item.on or ""
        subscription = "/".join(scope.split("/")[:3])
        view.holds(
            properties["roleDefinitionId"].startswith(
                f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/"
            ),
            f"{item.name}: a role definition is named within the subscription of its scope",
        )
        view.holds(
            properties.get("principalType") == "ServicePrincipal", "else a new identity may not be found in time"
        )
        own = guid(view.mirror_account, "mirror-writer")
        by_content = guid(scope, properties["principalId"], role.id if role else own)
        view.holds(item.name == by_content, f"{item.name}: a name that follows from what it assigns never clashes")
        named = "" if str(properties["roleDefinitionId"]).endswith(f"/{own}") else "an unknown role"
        found.add((role.name if role else named, properties["principalId"], scope))
    for name, principal, scope in wanted - found:
        view.holds(False, f"{principal} lacks {name} at {scope}")
    for name, principal, scope in found - wanted:
        view.holds(False, f"{principal} has no need of {name} at {scope}")
    _write_only(view)
    names = [item.id for item in view.deployment.of(ROLE)]
    view.holds(len(names) == len(set(names)), "two assignments have one name")


def _write_only(view: View) -> None:
    """A role that writes and can't delete, if it is asked for, and it is what the app has at the mirror."""
    made = view.deployment.of("Microsoft.Authorization/roleDefinitions")
    view.holds(len(made) == view.option("writeOnlyRole", False), "a role of our own is defined if asked for")
    blobs = "Microsoft.Storage/storageAccounts/blobServices/containers"
    for item in made:
        view.holds(item.name == guid(view.mirror_account, "mirror-writer"), "one for each mirror")
        view.holds(item.id.startswith(f"{view.mirror_group}/"), "in the mirror's group")
        view.is_(item, "properties/type", "CustomRole", "not one of Azure's")
        view.is_(item, "properties/assignableScopes", [view.mirror_group], "good for the mirror's group alone")
        view.is_(
            item, "properties/roleName", f"Mirror writer of {view.mirror_account.rpartition('/')[2]}", "its own name"
        )
        wanted = [
            {
                "actions": [f"{blobs}/read"],
                "notActions": [],
                "dataActions": [f"{blobs}/blobs/read", f"{blobs}/blobs/write", f"{blobs}/blobs/add/action"],
                "notDataActions": [],
            }
        ]
        view.is_(item, "properties/permissions", wanted, "what the app does, and no deletion")


def expected_roles(view: View) -> Iterator[tuple[str, str, str]]:
    """(role, principal, scope)."""
    app = f"{view.one('Microsoft.ManagedIdentity/userAssignedIdentities', 'id-mirror').id}.properties.principalId"
    if view.option("registryAuth", "identity") == "identity":
        if view.scenario.mode == "AbacRepositoryPermissions":
            yield ROLES["repositoryReader"].name, app, REGISTRY
            yield ROLES["catalogLister"].name, app, REGISTRY
        else:
            yield ROLES["acrPull"].name, app, REGISTRY
    target = view.option("restoreTargetId", "")
    if target:
        abac = view.scenario.mode == "AbacRepositoryPermissions"
        yield ROLES["repositoryWriter" if abac else "acrPush"].name, app, target
    host = view.host.id
    yield ROLES["storageBlobDataOwner"].name, app, host
    yield ROLES["storageTableDataContributor"].name, app, host
    for queue in QUEUES:
        yield ROLES["storageQueueDataContributor"].name, app, f"{host}/queueServices/default/queues/{queue}"
    write_only = view.option("writeOnlyRole", False)
    yield "" if write_only else ROLES["storageBlobDataContributor"].name, app, view.container
    yield ROLES["storageBlobDataContributor"].name, app, view.archives
    yield ROLES["storageBlobDelegator"].name, app, view.mirror_account
    yield ROLES["monitoringMetricsPublisher"].name, app, view.one("Microsoft.Insights/components").id
    dead_letters = f"{host}/blobServices/default/containers/dead-letters"
    yield ROLES["storageBlobDataContributor"].name, f"{view.topic}.identity.principalId", dead_letters
    if view.option("serveMirror", False):
        server = view.one("Microsoft.ManagedIdentity/userAssignedIdentities", "id-serve")
        yield ROLES["storageBlobDataReader"].name, f"{server.id}.properties.principalId", view.container
        yield ROLES["storageBlobDelegator"].name, f"{server.id}.properties.principalId", view.mirror_account
