"""The app works with just the roles that the deployment assigns, and with each of them: docs/roles.md.

A layer before storage refuses what these don't grant, and so does the registry. What is used is derived from this run.
"""

import base64
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from urllib.request import urlopen

import pytest
from azure.storage.queue import QueueClient

from acrmirror.moments import from_datetime
from acrmirror.reference import Reference
from acrmirror.work import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE, Copy
from devtools.deployment.permissions import APP, PERMISSIONS, RUN, granted, policy, scope
from standins.foundation import Foundation
from standins.policy import ALL
from standins.policy.registries import registry_seen
from standins.process import wait_for
from standins.stack import Stack
from testkit.images import Image, oci_image, signature, together
from testkit.reader import verify_tag
from testkit.stack import mirror_stack
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring, mirroring

pytestmark = pytest.mark.interop

LEASE = 2
STALE = 4
"""Seconds: claims are renewed after a quarter, leases after half."""
BLOCKS = 9_000_000
"""A layer of three blocks."""


@pytest.fixture(scope="module", params=[False, True], ids=["AcrPull", "ABAC"])
def guarded(
    request: pytest.FixtureRequest, foundation: Foundation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("guarded")
    settings = {"MIRROR_CLAIM_STALE_SECONDS": str(STALE)}
    given = policy(abac=request.param)
    with mirror_stack(foundation=foundation, folder=folder, lease=LEASE, settings=settings, policy=given) as stack:
        yield stack


def test_the_roles_that_are_assigned_are_enough_and_each_permission_listed_is_used(guarded: Stack) -> None:
    given = guarded.options.policy
    assert given is not None
    call = Caller.of(guarded)
    with mirroring(guarded) as mirror:
        image = pushed(mirror)
        pulled(mirror, call)
        looked_at(guarded, call, image)
        dead(mirror)
    at_storage = guarded.policy.seen()
    assert [it for it in at_storage if not it.allowed] == []
    asked = at_storage + registry_seen(guarded.registry.requests(), given, "acrmirror")
    used = {(it.operation, given.places.resource(ALL[it.operation].service, it.container)) for it in asked}
    listed = {
        (operation, scope(permission))
        for permission in PERMISSIONS
        if (permission.who, permission.checked) == (APP, RUN) and permission.abac in (None, given.places.abac)
        for operation in permission.operations
    }
    assert used - listed == set(), "used, and not in devtools/deployment/permissions.py"
    assert listed - used == set(), "in devtools/deployment/permissions.py, and not used"


def test_a_role_that_arrives_late_is_waited_for(guarded: Stack) -> None:
    given = guarded.options.policy
    assert given is not None
    permission = next(it for it in PERMISSIONS if it.abac is given.places.abac and "pull" in it.what)
    role = granted(permission)[0]
    guarded.set_policy(policy(abac=given.places.abac, without=role))
    guarded.registry.set_event_manner()
    with mirroring(guarded) as mirror:
        mirror.push("roles/late", oci_image("late"))
        mirror.wait(lambda: [it.state for it in mirror.jobs("roles/late")] == ["waiting"], 30, "the refusal")
        (job,) = mirror.jobs("roles/late")
        assert job.fields["error_code"] == "denied"
        assert role.role in job.fields["error_remedy"]
        guarded.set_policy(given)
        (job,) = mirror.wait_for(1, "roles/late")
        assert job.state == "done"


def pushed(mirror: Mirroring) -> Image:
    """An event, an image that is not there at once, a layer that takes longer than a lease, a signature."""
    registry = mirror.stack.registry
    registry.set_event_manner(hold=True)
    image = oci_image("roles", (BLOCKS, 5000))
    mirror.push("roles/app", together(image, signature("roles", image.root)))
    registry.set_faults(
        [
            {"match": {"kind": "manifest", "count": 2}, "do": {"status": 404}},
            {"match": {"kind": "data"}, "do": {"bandwidth_mbps": 1.5}},
        ]
    )
    registry.release_events()
    jobs = mirror.wait_for(2, "roles/app")
    registry.clear_faults()
    assert [it.state for it in jobs] == ["done", "done"], mirror.tell()
    assert sum(it.fields["attempt"] for it in jobs) > 0
    assert verify_tag(mirror.reader, "roles/app", "latest").is_whole
    return image


def pulled(mirror: Mirroring, call: Caller) -> None:
    """By name, and by a pattern, which takes longer than a lease."""
    mirror.stack.registry.set_event_manner(hold=True)
    mirror.push("roles/named", oci_image("named"))
    mirror.push("roles/matched", oci_image("matched", (BLOCKS,)))
    for tag in ("v1", "v2"):
        mirror.push("roles/batch", oci_image(f"batch {tag}", tag=tag))
    got = call("POST", "pulls", {"image": "roles/named:latest", "wait": 30})
    assert (got.status, got.json["state"]) == (200, "done"), got.json
    mirror.stack.registry.set_faults([{"match": {"kind": "data"}, "do": {"bandwidth_mbps": 1.5}}])
    sweep = call("POST", "pulls", {"match": ["*"]}).json["id"]
    mirror.wait(lambda: call("GET", f"pulls/{sweep}").json["match"]["jobs"] == {"done": 3}, 60, "the pull of many")
    mirror.stack.registry.clear_faults()
    assert call("GET", "pulls").status == 200


def looked_at(stack: Stack, call: Caller, image: Image) -> None:
    """The mirror's contents, a link to a blob, and health."""
    assert {"roles/app", "roles/named"} <= set(call("GET", "images").json["repositories"])
    assert call("GET", "images/roles/app").json["tags"][0]["digest"] == str(image.root.digest)
    assert len(call("GET", "images/roles/app/latest").json["referrers"]) == 1
    asked = call("POST", "archives", {"images": ["roles/app:latest"], "form": "oci"})
    archive = asked.headers["Location"].removeprefix("/api/v1/")
    assert wait_for(lambda: call("GET", archive).json["state"] == "done", 60), call("GET", archive).json
    blobs = call("GET", "images/roles/app/latest/content").json["blobs"]
    trust = ssl.create_default_context(cafile=str(stack.ca))
    for blob in blobs:
        with urlopen(blob["url"], timeout=30, context=trust) as answer:
            assert len(answer.read()) == blob["size"]
    health = call("GET", "health").json
    assert health["ok"], health


def dead(mirror: Mirroring) -> None:
    """What crashed its worker too often, and what the host itself moves since it can't be decoded."""
    options = mirror.stack.account.client_options
    for name, dead_name in ((JOB_QUEUE, DEAD_QUEUE), (BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE)):
        repository = f"roles/{dead_name}"
        job = Copy.of_event(Reference(repository, "v1"), dead_name, from_datetime(datetime.now(UTC)))
        with (
            QueueClient(mirror.stack.queue_endpoint, dead_name, **options) as poison,
            QueueClient(mirror.stack.queue_endpoint, name, **options) as queue,
        ):
            poison.send_message(base64.b64encode(job.to_json().encode()).decode())
            queue.send_message("{not base64}")
            record = mirror.wait_for(1, repository)[0]
            assert (record.state, record.fields["error_code"]) == ("failed", "crashed")
            mirror.wait(partial(is_empty, queue), 30, "the move to the poison queue")


def is_empty(queue: QueueClient) -> bool:
    return queue.get_queue_properties().approximate_message_count == 0
