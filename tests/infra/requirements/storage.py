"""What must hold of the two accounts, and of the mirror's above all."""

from devtools.bicep.settled import at
from devtools.deployment import ACCOUNT, CONTAINER
from tests.infra.requirements.view import QUEUES, Missing, View


def storage(view: View) -> None:
    """Both accounts take identities only, over current TLS, and publish nothing."""
    accounts = view.deployment.of(ACCOUNT)
    view.holds(len(accounts) == (2 if view.owns_mirror else 1), "the mirror's account and the host's are two")
    for account in accounts:
        view.is_(account, "kind", "StorageV2", "it needs blobs, queues and tables")
        for path, wanted, why in (
            ("allowSharedKeyAccess", False, "keys let anyone in who has them"),
            ("allowBlobPublicAccess", False, "nothing is public"),
            ("allowCrossTenantReplication", False, "nothing leaves the tenant"),
            ("defaultToOAuthAuthentication", True, "the portal signs in with the person's account"),
            ("minimumTlsVersion", "TLS1_2", "older TLS is broken"),
            ("supportsHttpsTrafficOnly", True, "nothing travels in the clear"),
            ("accessTier", "Hot", "the mirror is read and written as it is; cooler tiers are by rule"),
            ("networkAcls/defaultAction", "Deny" if view.private else "Allow", "only private endpoints, if requested"),
        ):
            view.is_(account, f"properties/{path}", wanted, why)
    view.is_(view.host, "sku/name", "Standard_LRS", "nothing in it has to survive the app's region")
    view.is_(view.host, "properties/publicNetworkAccess", "Enabled", "Event Grid writes dead letters from outside")
    view.is_(view.host, "properties/networkAcls/bypass", "AzureServices", "Event Grid is let in as a trusted service")
    for child in view.deployment.of(CONTAINER):
        view.is_(child, "properties/publicAccess", "None", "nothing is public")
    services = [item for item in view.deployment.of(f"{ACCOUNT}/blobServices") if item.id.startswith(view.host.id)]
    view.holds(len(services) == 1, "the host's blobs can be brought back for a week")
    for service in services:
        view.is_(service, "properties/deleteRetentionPolicy/enabled", True, "a package deleted by mistake comes back")
        view.is_(service, "properties/deleteRetentionPolicy/days", 7, "a package deleted by mistake comes back")
    containers_queues_and_table = {
        f"{view.host.id}/blobServices/default/containers/app-package",
        f"{view.host.id}/blobServices/default/containers/dead-letters",
        *(f"{view.host.id}/queueServices/default/queues/{name}" for name in QUEUES),
        f"{view.host.id}/tableServices/default/tables/mirrorjobs",
        *([view.container] if view.owns_mirror else []),
        view.archives,
    }
    ids = {item.id for item in view.deployment.resources}
    for missing in containers_queues_and_table - ids:
        view.holds(False, f"{missing} is made by nobody: neither the app nor the host makes it")


def mirror(view: View) -> None:
    """What was mirrored can be brought back, cooled and frozen, and is never deleted or archived. Archives are removed,
    in their own container, and never in an account whose rules are another's."""
    policies = view.deployment.of(f"{ACCOUNT}/managementPolicies")
    immutable = view.option("immutabilityDays", 0)
    frozen = view.deployment.of(f"{CONTAINER}/immutabilityPolicies")
    view.holds(len(frozen) == (1 if immutable else 0), "immutability is as requested")
    cool, cold = view.option("coolAfterDays", 0), view.option("coldAfterDays", 0)
    days_kept = view.option("archiveDays", 7)
    ruled = view.owns_mirror and (cool or cold or days_kept)
    view.holds(len(policies) == (1 if ruled else 0), "tiers are as requested, and archives removed")
    locks = view.deployment.of("Microsoft.Authorization/locks")
    locked = view.owns_mirror and view.option("lockMirror", True)
    view.holds(
        len(locks) == (1 if locked else 0), "the mirror is locked unless somebody says otherwise; others' is not"
    )
    for lock in locks:
        view.holds(lock.id.startswith(f"{view.mirror_group}/providers/"), "the lock is on the mirror's whole group")
        view.is_(lock, "properties/level", "CanNotDelete", "it can still be written, and not deleted")
        view.holds("docs/upgrade.md#uninstall" in str(at(lock.body, "properties/notes")), "it says how it goes")
    if not view.owns_mirror:
        return
    account = view.one(ACCOUNT, "stmirror")
    view.holds(account.id.startswith(f"{view.mirror_group}/"), "a deployment goes with its group, and the mirror stays")
    view.is_(account, "sku/name", view.option("mirrorRedundancy", "Standard_LRS"), "redundancy is the owner's choice")
    view.is_(account, "properties/isHnsEnabled", False, "with a hierarchical namespace there are no versions")
    view.is_(account, "properties/networkAcls/bypass", "None", "no service of Azure has business in the mirror")
    access = "Disabled" if view.private else "Enabled"
    view.is_(account, "properties/publicNetworkAccess", access, "private endpoints only, if requested")
    service = next(item for item in view.deployment.of(f"{ACCOUNT}/blobServices") if item.id.startswith(account.id))
    days = view.option("softDeleteDays", 30)
    for path, wanted in (
        ("isVersioningEnabled", True),
        ("deleteRetentionPolicy/enabled", True),
        ("deleteRetentionPolicy/days", days),
        ("containerDeleteRetentionPolicy/enabled", True),
        ("containerDeleteRetentionPolicy/days", days),
    ):
        view.is_(service, f"properties/{path}", wanted, "nothing is ever taken away by accident")
    container = next((item for item in view.deployment.of(CONTAINER) if item.id == view.container), None)
    if container is None:
        raise Missing(view.container)
    versioned = {"enabled": True} if immutable else None
    why = "version-level: a policy on the container would freeze tags; false would be refused where it is on"
    view.is_(container, "properties/immutableStorageWithVersioning", versioned, why)
    for policy in frozen:
        view.holds(policy.id.startswith(container.id), "the mirror's container is what is frozen")
        view.is_(policy, "properties/immutabilityPeriodSinceCreationInDays", immutable, "as requested")
    for policy in policies:
        rules = at(policy.body, "properties/policy/rules")
        actions = {}
        if cool:
            actions["tierToCool"] = {"daysAfterModificationGreaterThan": cool}
        if cold:
            actions["tierToCold"] = {"daysAfterModificationGreaterThan": cold}
        wanted_definition = {
            "filters": {"blobTypes": ["blockBlob"], "prefixMatch": [f"{container.name}/docker/registry/v2/blobs/"]},
            "actions": {"baseBlob": actions},
        }
        removed = {
            "filters": {"blobTypes": ["blockBlob"], "prefixMatch": ["archives/"]},
            "actions": {
                "baseBlob": {"delete": {"daysAfterModificationGreaterThan": days_kept}},
                "version": {"delete": {"daysAfterCreationGreaterThan": days_kept}},
            },
        }
        # A rule with another name would be one beside these.
        wanted_rules = {"content-to-cooler-tiers": wanted_definition} if cool or cold else {}
        wanted_rules |= {"remove-archives": removed} if days_kept else {}
        view.holds({it["name"] for it in rules} == set(wanted_rules), "these rules and no others")
        view.holds(len(rules) == len(wanted_rules), "each once")
        for rule in rules:
            view.holds(rule["enabled"] is True and rule["type"] == "Lifecycle", "a lifecycle rule, switched on")
            why = "only content cools; links stay hot; nothing is deleted but archives"
            view.holds(rule["definition"] == wanted_rules.get(rule["name"]), why)
        view.holds(policy.id.startswith(account.id), "the policy is the mirror's")
