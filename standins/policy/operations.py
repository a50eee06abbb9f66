"""Which operation a request to storage is, and which of Azure's actions it takes.

From "Authorize with Microsoft Entra ID", "Permissions for calling data operations"
(https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory), by whose names operations
go here. For the registry: "Azure Container Registry roles directory reference"
(https://learn.microsoft.com/azure/container-registry/container-registry-rbac-built-in-roles-directory-reference).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"
_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables"
_REGISTRY = "Microsoft.ContainerRegistry/registries"


class Headers(Protocol):
    """Looked up ignoring case."""

    def get(self, name: str, /) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Operation:
    """`ways` are sets of actions, each of which is enough."""

    service: str
    name: str
    ways: tuple[frozenset[str], ...]

    @property
    def needs(self) -> str:
        """For a table in Markdown, without the namespace of the resource provider's accounts and registries."""
        return " or ".join(" and ".join(f"`{action.split('/', 2)[-1]}`" for action in sorted(way)) for way in self.ways)


ALL: dict[str, Operation] = {}
"""By name."""


def _add(service: str, name: str, *ways: str | tuple[str, ...]) -> None:
    sets = tuple(frozenset((way,) if isinstance(way, str) else way) for way in ways)
    ALL[name] = Operation(service, name, sets)


_READ, _WRITE, _ADD = (f"{_BLOBS}/containers/blobs/{end}" for end in ("read", "write", "add/action"))
_add("blob", "Get User Delegation Key", f"{_BLOBS}/generateUserDelegationKey/action")
_add("blob", "List Containers", f"{_BLOBS}/containers/read")
_add("blob", "Create Container", f"{_BLOBS}/containers/write")
_add("blob", "Get Container Properties", f"{_BLOBS}/containers/read")
_add("blob", "Delete Container", f"{_BLOBS}/containers/delete")
_add("blob", "List Blobs", _READ)
_add("blob", "Put Blob", _WRITE)  # `add` is enough for a name that is new, which only storage can tell
_add("blob", "Copy Blob", (_WRITE, _READ))
_add("blob", "Get Blob", _READ)
_add("blob", "Get Blob Properties", _READ)
_add("blob", "Get Blob Metadata", _READ)
_add("blob", "Set Blob Properties", _WRITE)
_add("blob", "Set Blob Metadata", _WRITE)
_add("blob", "Set Blob Tier", _WRITE)
_add("blob", "Lease Blob", _WRITE)
_add("blob", "Delete Blob", f"{_BLOBS}/containers/blobs/delete")
_add("blob", "Put Block", _WRITE)
_add("blob", "Put Block From URL", _WRITE)  # the source by a signature of its own
_add("blob", "Put Block List", _WRITE)
_add("blob", "Get Block List", _READ)

_MESSAGES = f"{_QUEUES}/messages"
_add("queue", "List Queues", f"{_QUEUES}/read")
_add("queue", "Create Queue", f"{_QUEUES}/write")
_add("queue", "Delete Queue", f"{_QUEUES}/delete")
_add("queue", "Get Queue Metadata", f"{_QUEUES}/read")
_add("queue", "Set Queue Metadata", f"{_QUEUES}/write")
_add("queue", "Put Message", f"{_MESSAGES}/add/action", f"{_MESSAGES}/write")
_add("queue", "Get Messages", f"{_MESSAGES}/process/action", (f"{_MESSAGES}/delete", f"{_MESSAGES}/read"))
_add("queue", "Peek Messages", f"{_MESSAGES}/read")
_add("queue", "Delete Message", f"{_MESSAGES}/process/action", f"{_MESSAGES}/delete")
_add("queue", "Clear Messages", f"{_MESSAGES}/delete")
_add("queue", "Update Message", f"{_MESSAGES}/write")

_ENTITIES = f"{_TABLES}/entities"
_UPSERT = (f"{_ENTITIES}/write", (f"{_ENTITIES}/add/action", f"{_ENTITIES}/update/action"))
_add("table", "Query Tables", f"{_TABLES}/read")
_add("table", "Create Table", f"{_TABLES}/write")
_add("table", "Delete Table", f"{_TABLES}/delete")
_add("table", "Query Entities", f"{_ENTITIES}/read")
_add("table", "Insert Entity", f"{_ENTITIES}/write", f"{_ENTITIES}/add/action")
_add("table", "Insert Or Merge Entity", *_UPSERT)
_add("table", "Insert Or Replace Entity", *_UPSERT)
_add("table", "Update Entity", f"{_ENTITIES}/write", f"{_ENTITIES}/update/action")
_add("table", "Merge Entity", f"{_ENTITIES}/write", f"{_ENTITIES}/update/action")
_add("table", "Delete Entity", f"{_ENTITIES}/delete")
# Here one that inserts, updates and merges, whatever is in it; of one table, as storage has it.
_add(
    "table", "Entity Group Transaction", f"{_ENTITIES}/write", (f"{_ENTITIES}/add/action", f"{_ENTITIES}/update/action")
)

# AcrPull has one action for all three, and is not honoured in the mode that has an action for each.
_add("registry", "Pull", f"{_REGISTRY}/pull/read")
_add("registry", "Pull (ABAC)", f"{_REGISTRY}/repositories/content/read")
_add("registry", "Read Metadata", f"{_REGISTRY}/pull/read")
_add("registry", "Read Metadata (ABAC)", f"{_REGISTRY}/repositories/metadata/read")
_add("registry", "List Repositories", f"{_REGISTRY}/pull/read")
_add("registry", "List Repositories (ABAC)", f"{_REGISTRY}/catalog/read")


@dataclass(frozen=True, slots=True)
class Asked:
    """`container` is the container, queue or table; empty where it is the account."""

    operation: Operation
    container: str


def read(
    service: str, method: str, path: str, query: Mapping[str, str], headers: Headers, body: bytes = b""
) -> Asked | None:
    """What a request asks; None for what is not known here. `path` is what follows the account's name, decoded."""
    container, _, rest = path.strip("/").partition("/")
    if (service, method, path.strip("/")) == ("table", "POST", "$batch"):
        return _transaction(body)
    if service == "table":
        return _table(method, path.strip("/"), headers)
    if service == "queue":
        name = _QUEUE.get((method, _queue_shape(container, rest, query)))
    else:
        name = _blob(method, container, rest, query, headers)
    return Asked(ALL[name], container) if name is not None else None


_CONTAINER = {"GET": "Get Container Properties", "HEAD": "Get Container Properties"}
_CONTAINER |= {"PUT": "Create Container", "DELETE": "Delete Container"}
_BLOB = {
    ("PUT", ""): "Put Blob",
    ("PUT", "block"): "Put Block",
    ("PUT", "blocklist"): "Put Block List",
    ("PUT", "properties"): "Set Blob Properties",
    ("PUT", "metadata"): "Set Blob Metadata",
    ("PUT", "tier"): "Set Blob Tier",
    ("PUT", "lease"): "Lease Blob",
    ("GET", ""): "Get Blob",
    ("GET", "blocklist"): "Get Block List",
    ("GET", "metadata"): "Get Blob Metadata",
    ("HEAD", "metadata"): "Get Blob Metadata",
    ("HEAD", ""): "Get Blob Properties",
    ("DELETE", ""): "Delete Blob",
}


def _blob(method: str, container: str, blob: str, query: Mapping[str, str], headers: Headers) -> str | None:
    part = query.get("comp", "")
    if blob:
        name = _BLOB.get((method, part))
        copies = {"Put Blob": "Copy Blob", "Put Block": "Put Block From URL"} if headers.get("x-ms-copy-source") else {}
        return copies.get(name or "", name)
    if not container:
        asked = {("POST", "userdelegationkey"): "Get User Delegation Key", ("GET", "list"): "List Containers"}
        return asked.get((method, part))
    if query.get("restype") != "container":
        return None
    if (method, part) == ("GET", "list"):
        return "List Blobs"
    return _CONTAINER.get(method) if part in ("", "metadata") else None


_QUEUE = {
    ("GET", "list"): "List Queues",
    ("PUT", "queue"): "Create Queue",
    ("DELETE", "queue"): "Delete Queue",
    ("GET", "metadata"): "Get Queue Metadata",
    ("HEAD", "metadata"): "Get Queue Metadata",
    ("PUT", "metadata"): "Set Queue Metadata",
    ("POST", "messages"): "Put Message",
    ("GET", "messages"): "Get Messages",
    ("GET", "peek"): "Peek Messages",
    ("DELETE", "messages"): "Clear Messages",
    ("PUT", "message"): "Update Message",
    ("DELETE", "message"): "Delete Message",
}


def _queue_shape(queue: str, rest: str, query: Mapping[str, str]) -> str:
    """What of a queue an address is of."""
    part = query.get("comp", "")
    if not queue:
        return part
    if rest == "messages":
        return "peek" if query.get("peekonly") == "true" else "messages"
    if rest.startswith("messages/"):
        return "message"
    return (part or "queue") if not rest else ""


_ENTITY = re.compile(r"(?P<table>\w+)(?P<key>\(.*\))?", re.DOTALL)


_PART = re.compile(rb"^(?:POST|PUT|PATCH|MERGE) \S*/(\w+)(?:\([^ ]*\))? HTTP/1\.1\r?$", re.MULTILINE)


def _transaction(body: bytes) -> Asked | None:
    """None for one of several tables, or with parts that are not known here."""
    tables = {it.decode() for it in _PART.findall(body)}
    return Asked(ALL["Entity Group Transaction"], tables.pop()) if len(tables) == 1 else None


def _table(method: str, path: str, headers: Headers) -> Asked | None:
    found = _ENTITY.fullmatch(path)
    if found is None:
        return None
    table, key = found["table"], (found["key"] or "").strip("()")
    if table == "Tables":
        asked = {"GET": "Query Tables", "POST": "Create Table", "DELETE": "Delete Table"}
        name, table = asked.get(method), key.strip("'")
    elif method in ("PUT", "PATCH", "MERGE"):
        kind = "Merge Entity" if method != "PUT" else "Update Entity"
        if not headers.get("If-Match"):
            kind = "Insert Or Merge Entity" if method != "PUT" else "Insert Or Replace Entity"
        name = kind if key else None
    else:
        asked = {"GET": "Query Entities", "POST": "Insert Entity", "DELETE": "Delete Entity"}
        name = asked.get(method)
    return Asked(ALL[name], table) if name is not None else None
