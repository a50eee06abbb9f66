"""Azure's built-in roles that this deployment assigns, and the actions that each grants.

Taken down by hand from "Azure built-in roles" (learn.microsoft.com/azure/role-based-access-control/built-in-roles:
Containers, Storage, Monitor), and for the two of ABAC registries from "Azure Container Registry Entra permissions and
roles overview" (learn.microsoft.com/azure/container-registry/container-registry-rbac-built-in-roles-overview).
"""

from dataclasses import dataclass

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"
_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables"
_REGISTRY = "Microsoft.ContainerRegistry/registries"


@dataclass(frozen=True, slots=True)
class Role:
    name: str
    id: str
    actions: tuple[str, ...]
    """Control plane and data plane together; `*` stands for any rest."""


ROLES = {
    "acrPull": Role("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d", (f"{_REGISTRY}/pull/read",)),
    "repositoryReader": Role(
        "Container Registry Repository Reader",
        "b93aa761-3e63-49ed-ac28-beffa264f7ac",
        (f"{_REGISTRY}/repositories/content/read", f"{_REGISTRY}/repositories/metadata/read"),
    ),
    "acrPush": Role(
        "AcrPush",
        "8311e382-0749-4cb8-b61a-304f252e45ec",
        (f"{_REGISTRY}/pull/read", f"{_REGISTRY}/push/write"),
    ),
    "repositoryWriter": Role(
        "Container Registry Repository Writer",
        "2a1e307c-b015-4ebd-883e-5b7698a07328",
        (
            f"{_REGISTRY}/repositories/content/read",
            f"{_REGISTRY}/repositories/content/write",
            f"{_REGISTRY}/repositories/metadata/read",
            f"{_REGISTRY}/repositories/metadata/write",
        ),
    ),
    "catalogLister": Role(
        "Container Registry Repository Catalog Lister",
        "bfdb9389-c9a5-478a-bb2f-ba9ca092c3c7",
        (f"{_REGISTRY}/catalog/read",),
    ),
    "storageBlobDataReader": Role(
        "Storage Blob Data Reader",
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        (
            f"{_BLOBS}/containers/read",
            f"{_BLOBS}/generateUserDelegationKey/action",
            f"{_BLOBS}/containers/blobs/read",
        ),
    ),
    "storageBlobDataContributor": Role(
        "Storage Blob Data Contributor",
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        (
            f"{_BLOBS}/containers/delete",
            f"{_BLOBS}/containers/read",
            f"{_BLOBS}/containers/write",
            f"{_BLOBS}/generateUserDelegationKey/action",
            f"{_BLOBS}/containers/blobs/delete",
            f"{_BLOBS}/containers/blobs/read",
            f"{_BLOBS}/containers/blobs/write",
            f"{_BLOBS}/containers/blobs/move/action",
            f"{_BLOBS}/containers/blobs/add/action",
        ),
    ),
    "storageBlobDataOwner": Role(
        "Storage Blob Data Owner",
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        (f"{_BLOBS}/containers/*", f"{_BLOBS}/generateUserDelegationKey/action"),
    ),
    "storageBlobDelegator": Role(
        "Storage Blob Delegator",
        "db58b8e5-c6ad-4a2a-8342-4190687cbf4a",
        (f"{_BLOBS}/generateUserDelegationKey/action",),
    ),
    "storageQueueDataContributor": Role(
        "Storage Queue Data Contributor",
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
        (
            f"{_QUEUES}/delete",
            f"{_QUEUES}/read",
            f"{_QUEUES}/write",
            f"{_QUEUES}/messages/delete",
            f"{_QUEUES}/messages/read",
            f"{_QUEUES}/messages/write",
            f"{_QUEUES}/messages/process/action",
        ),
    ),
    "storageTableDataContributor": Role(
        "Storage Table Data Contributor",
        "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
        (
            f"{_TABLES}/read",
            f"{_TABLES}/write",
            f"{_TABLES}/delete",
            f"{_TABLES}/entities/read",
            f"{_TABLES}/entities/write",
            f"{_TABLES}/entities/delete",
            f"{_TABLES}/entities/add/action",
            f"{_TABLES}/entities/update/action",
        ),
    ),
    "monitoringMetricsPublisher": Role(
        "Monitoring Metrics Publisher",
        "3913510d-42f4-4e42-8a64-420c390055eb",
        (
            "Microsoft.Insights/Register/Action",
            "Microsoft.Insights/Metrics/Write",
            "Microsoft.Insights/Telemetry/Write",
        ),
    ),
}

BY_ID = {role.id: role for role in ROLES.values()}
