"""The policy layer's two questions: what is asked, and is it granted."""

from email.message import Message

import pytest

from standins.policy import ALL, Grant, Places, Policy
from standins.policy.operations import read
from standins.policy.registries import registry_grant

BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"
PLACES = Places("/s/accounts/one", "/s/accounts/two", "/s/accounts/two", "/s/registries/r")

REQUESTS = {
    "blob POST /?restype=service&comp=userdelegationkey": ("Get User Delegation Key", ""),
    "blob GET /?comp=list": ("List Containers", ""),
    "blob GET /content?restype=container&comp=list": ("List Blobs", "content"),
    "blob PUT /content?restype=container": ("Create Container", "content"),
    "blob HEAD /content?restype=container": ("Get Container Properties", "content"),
    "blob PUT /content/a/b": ("Put Blob", "content"),
    "blob PUT /content/a/b?comp=block&blockid=x": ("Put Block", "content"),
    "blob PUT /content/a/b?comp=blocklist": ("Put Block List", "content"),
    "blob GET /content/a/b?comp=blocklist": ("Get Block List", "content"),
    "blob GET /content/a/b?sv=1&sig=x": ("Get Blob", "content"),
    "blob HEAD /content/a/b": ("Get Blob Properties", "content"),
    "blob DELETE /content/a/b": ("Delete Blob", "content"),
    "queue PUT /jobs": ("Create Queue", "jobs"),
    "queue GET /jobs?comp=metadata": ("Get Queue Metadata", "jobs"),
    "queue POST /jobs/messages?visibilitytimeout=1": ("Put Message", "jobs"),
    "queue GET /jobs/messages?numofmessages=1": ("Get Messages", "jobs"),
    "queue GET /jobs/messages?peekonly=true": ("Peek Messages", "jobs"),
    "queue PUT /jobs/messages/1?popreceipt=x": ("Update Message", "jobs"),
    "queue DELETE /jobs/messages/1?popreceipt=x": ("Delete Message", "jobs"),
    "queue DELETE /jobs/messages": ("Clear Messages", "jobs"),
    "table POST /Tables": ("Create Table", ""),
    "table DELETE /Tables('jobs')": ("Delete Table", "jobs"),
    "table GET /jobs()": ("Query Entities", "jobs"),
    "table GET /jobs(PartitionKey='a/b',RowKey='(1)')": ("Query Entities", "jobs"),
    "table POST /jobs": ("Insert Entity", "jobs"),
    "table PATCH /jobs(PartitionKey='p',RowKey='r')": ("Insert Or Merge Entity", "jobs"),
    "table PUT /jobs(PartitionKey='p',RowKey='r')": ("Insert Or Replace Entity", "jobs"),
    "table DELETE /jobs(PartitionKey='p',RowKey='r')": ("Delete Entity", "jobs"),
}


def headers(**given: str) -> Message:
    made = Message()
    for name, value in given.items():
        made[name.replace("_", "-")] = value
    return made


def asked(request: str, given: Message | None = None) -> tuple[str, str] | None:
    service, method, target = request.split(" ", 2)
    path, _, text = target.partition("?")
    query = dict(pair.split("=", 1) for pair in text.split("&") if pair)
    found = read(service, method, path, query, given or headers())
    return (found.operation.name, found.container) if found is not None else None


@pytest.mark.parametrize("request_line", REQUESTS)
def test_a_request_is_read_as_the_documentation_names_it(request_line: str) -> None:
    assert asked(request_line) == REQUESTS[request_line]


def test_a_transaction_is_of_the_table_that_its_parts_name() -> None:
    def transaction(*lines: str) -> tuple[str, str] | None:
        body = "\r\n".join(["--changeset", "Content-Type: application/http", "", *lines, "--changeset--"])
        found = read("table", "POST", "/$batch", {}, headers(), body.encode())
        return (found.operation.name, found.container) if found is not None else None

    create = "POST https://127.0.0.1:1/account/jobs HTTP/1.1"
    merge = "PATCH https://127.0.0.1:1/account/jobs(PartitionKey='a/b',RowKey='r') HTTP/1.1"
    assert transaction(create, merge) == ("Entity Group Transaction", "jobs")
    assert transaction(create, "POST https://127.0.0.1:1/account/others HTTP/1.1") is None
    assert transaction() is None


def test_a_header_makes_another_operation_of_the_same_request() -> None:
    entity = "/jobs(PartitionKey='p',RowKey='r')"
    assert asked(f"table PATCH {entity}", headers(if_match="*")) == ("Merge Entity", "jobs")
    assert asked(f"table PUT {entity}", headers(if_match='W/"1"')) == ("Update Entity", "jobs")
    assert asked("blob PUT /content/a", headers(x_ms_copy_source="https://x")) == ("Copy Blob", "content")
    from_url = asked("blob PUT /content/a?comp=block", headers(x_ms_copy_source="https://x"))
    assert from_url == ("Put Block From URL", "content")


@pytest.mark.parametrize(
    "request_line",
    ["blob PUT /content/a?comp=snapshot", "blob POST /?comp=batch", "queue PUT /jobs?comp=acl", "table POST /$batch"],
)
def test_what_is_not_known_is_not_guessed(request_line: str) -> None:
    assert asked(request_line) is None


def granting(scope: str, *actions: str) -> Policy:
    return Policy(PLACES, (Grant("Some Role", scope, actions),))


def test_a_role_covers_its_scope_and_what_is_below() -> None:
    operation = ALL["Put Blob"]
    write = f"{BLOBS}/containers/blobs/write"
    for scope in ("/s", "/s/accounts/one", "/S/Accounts/ONE/blobServices/default/containers/content/"):
        assert granting(scope, write).allows(operation, "content"), scope
    for scope in ("/s/accounts/two", "/s/accounts/on", "/s/accounts/one/blobServices/default/containers/mirro"):
        assert not granting(scope, write).allows(operation, "content"), scope


def test_a_role_at_a_container_does_not_reach_the_account() -> None:
    container = "/s/accounts/one/blobServices/default/containers/content"
    key = f"{BLOBS}/generateUserDelegationKey/action"
    assert not granting(container, key).allows(ALL["Get User Delegation Key"])
    assert granting("/s/accounts/one", key).allows(ALL["Get User Delegation Key"])


def test_one_way_has_to_be_granted_as_a_whole_by_whichever_roles() -> None:
    operation = ALL["Get Messages"]
    halves = (Grant("A", "/s", (f"{QUEUES}/messages/read",)), Grant("B", "/s", (f"{QUEUES}/messages/delete",)))
    assert Policy(PLACES, halves).allows(operation, "jobs")
    assert not Policy(PLACES, halves[:1]).allows(operation, "jobs")
    assert granting("/s", f"{QUEUES}/messages/process/action").allows(operation, "jobs")
    assert granting("/s", f"{QUEUES}/*").allows(operation, "jobs")


def test_a_policy_survives_its_way_to_another_process() -> None:
    given = granting("/s", "a/b", "c/*")
    assert Policy.from_json(given.to_json()) == given


@pytest.mark.parametrize(
    ("abac", "action", "may"),
    [
        (False, "pull/read", (["pull", "metadata_read"], True)),
        (True, "pull/read", ([], False)),
        (True, "repositories/content/read", (["pull"], False)),
        (True, "repositories/metadata/read", (["metadata_read"], False)),
        (True, "catalog/read", ([], True)),
        (False, "catalog/read", ([], False)),
    ],
)
def test_a_registry_honours_the_roles_of_its_mode(abac: bool, action: str, may: tuple[list[str], bool]) -> None:
    places = Places("", "", "", "/s/registries/r", abac)
    grant = Grant("Some Role", "/s/registries/r", (f"Microsoft.ContainerRegistry/registries/{action}",))
    found = registry_grant(Policy(places, (grant,)))
    assert (found["actions"], found["catalog"]) == may
