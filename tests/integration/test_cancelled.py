"""A person cancels a job: it ends at once as `cancelled`, whatever it waits for (rule W3)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from acrmirror.app import App
from acrmirror.jobs import TableClaims
from acrmirror.reference import Reference
from acrmirror.work import Copy, Record, Sweep
from standins.foundation import Foundation
from standins.relay import Answer
from testkit.images import oci_image
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, sent
from tests.integration.storage_proxy import StorageProxy

WITHIN = 4.0
"""Seconds from the request to the end of the run: it looks at its record every second."""
MIB = 2**20
STALLED = {"latency_ms": 30_000}


@pytest.fixture
def mirror(bare_mirror: Mirroring) -> Mirroring:
    return bare_mirror


def seconds_to_end(mirror: Mirroring, app: App, job: Copy | Sweep, waits: Callable[[], bool]) -> float:
    """Runs a job until `waits()`, cancels it, and gives the seconds until its run is over; its record says so then."""
    run = threading.Thread(target=app.dispatch.run, args=(job.to_json(), 1))
    run.start()
    mirror.wait(lambda: running(mirror, job) and waits(), 30, "the wait")
    time.sleep(0.3)
    app.pulls.cancel(job.id)
    begun = time.monotonic()
    run.join(60)
    taken = time.monotonic() - begun
    assert record_of(mirror, job).state == "cancelled"
    assert sent(mirror) == []
    return taken


def after(seconds: float) -> Callable[[], bool]:
    """By then the run waits for what stalls."""
    due: list[float] = []

    def waits() -> bool:
        due.append(time.monotonic() + seconds)
        return time.monotonic() > due[0]

    return waits


def record_of(mirror: Mirroring, job: Copy | Sweep) -> Record:
    record = mirror.records.get(job.id)
    assert record is not None
    return record


def running(mirror: Mirroring, job: Copy | Sweep) -> bool:
    record = mirror.records.get(job.id)
    return record is not None and record.state == "running"


@pytest.mark.parametrize(
    "match",
    [
        {"kind": "manifest", "method": "HEAD"},
        {"kind": "manifest", "method": "GET"},
        {"kind": "token"},
        {"kind": "exchange"},
        {"kind": "blob"},
        {"kind": "data"},
        {"kind": "referrers"},
    ],
    ids=lambda match: "-".join(match.values()),
)
@pytest.mark.parametrize("fault", [STALLED, {"stall_at": 0, "stall_ms": 30_000}], ids=["silent", "body"])
def test_a_registry_that_stalls_holds_no_cancelled_job(
    mirror: Mirroring, match: dict[str, str], fault: dict[str, int]
) -> None:
    if "stall_at" in fault and (match.get("method") == "HEAD" or match["kind"] == "blob"):
        fault = STALLED  # it has no body
    repository = f"cancelled/{'-'.join(match.values())}".lower()
    image = mirror.push(repository, oci_image(repository, layers=[9 * MIB, 5000]))
    stack = mirror.stack
    job = Copy.of_pull(Reference(repository, image.tag, image.root.digest), "cancelled")
    stack.registry.set_faults([{"match": match, "do": fault}])
    with app_of(mirror) as app:
        taken = seconds_to_end(mirror, app, job, after(2))
    assert taken < WITHIN


class Gate:
    """Before storage: requests that `stalls` names wait, up to 40 s."""

    def __init__(self, stalls: Callable[[str, str], bool]) -> None:
        self.stalls = stalls
        self.waiting = threading.Event()
        self._open = threading.Event()

    def ask(self, method: str, path: str) -> Answer | None:
        if not self._open.is_set() and self.stalls(method, path):
            self.waiting.set()
            self._open.wait(40)
        return None

    def open(self) -> None:
        self._open.set()


@contextmanager
def gated(mirror: Mirroring, foundation: Foundation, stalls: Callable[[str, str], bool]) -> Iterator[Any]:
    gate = Gate(stalls)
    with StorageProxy(mirror.stack.ca, foundation.certificates.server) as proxy:
        proxy.upstream = mirror.stack.account.blob_endpoint
        proxy.refuses = gate.ask
        with app_of(mirror, MIRROR_BLOB_ENDPOINT=proxy.endpoint) as app:
            yield app, gate
        gate.open()


@pytest.mark.parametrize(
    ("name", "stalls"),
    [
        ("look", lambda method, path: method == "HEAD"),
        ("stage", lambda method, path: "comp=block&" in f"{path}&"),
        ("commit", lambda method, path: "comp=blocklist" in path and method == "PUT"),
        ("link", lambda method, path: "_layers" in path),
        ("tag", lambda method, path: "/current/link" in path),
        ("history", lambda method, path: "/history/" in path),
    ],
)
def test_storage_that_stalls_holds_no_cancelled_job(
    mirror: Mirroring, foundation: Foundation, name: str, stalls: Callable[[str, str], bool]
) -> None:
    repository = f"cancelled/storage/{name}"
    image = mirror.push(repository, oci_image(repository, layers=[9 * MIB, 5000]))
    job = Copy.of_pull(Reference(repository, image.tag, image.root.digest), "cancelled")
    with gated(mirror, foundation, stalls) as (app, gate):
        taken = seconds_to_end(mirror, app, job, gate.waiting.is_set)
        gate.open()
    assert taken < WITHIN
    assert mirror.claims(job.id) == []


def test_storage_that_is_busy_holds_no_cancelled_job(mirror: Mirroring, foundation: Foundation) -> None:
    """Each of the client's pauses is longer than the one before."""
    image = mirror.push("cancelled/busy", oci_image("cancelled busy"))
    job = Copy.of_pull(Reference("cancelled/busy", image.tag, image.root.digest), "cancelled")
    asked = threading.Semaphore(0)

    def busy(_method: str, _path: str) -> Answer:
        asked.release()
        return Answer(503, [("x-ms-error-code", "ServerBusy")])

    with StorageProxy(mirror.stack.ca, foundation.certificates.server) as proxy:
        proxy.upstream = mirror.stack.account.blob_endpoint
        proxy.refuses = busy
        with app_of(mirror, MIRROR_BLOB_ENDPOINT=proxy.endpoint) as app:
            taken = seconds_to_end(mirror, app, job, lambda: [asked.acquire(timeout=20) for _ in range(3)][-1])
    assert taken < WITHIN


@pytest.mark.parametrize("path", ["/acr/v1/_catalog", "/acr/v1/cancelled/sweep/_manifests"])
def test_a_listing_that_stalls_holds_no_cancelled_sweep(mirror: Mirroring, path: str) -> None:
    mirror.push("cancelled/sweep", oci_image("cancelled sweep"))
    stack = mirror.stack
    sweep = Sweep.now(("cancelled/sweep",), path, dry_run=True)
    stack.registry.set_faults([{"match": {"path": path}, "do": STALLED}])
    with app_of(mirror) as app:
        assert seconds_to_end(mirror, app, sweep, after(2)) < WITHIN


def test_a_job_behind_anothers_token_is_cancelled_too(mirror: Mirroring) -> None:
    image = mirror.push("cancelled/behind", oci_image("cancelled behind"))
    stack = mirror.stack
    first, second = (Copy.of_pull(Reference("cancelled/behind", image.tag, image.root.digest), name) for name in "ab")
    stack.registry.set_faults([{"match": {"kind": "token"}, "do": {"latency_ms": 15_000}}])
    with app_of(mirror) as app:
        stalls = after(1)
        holder = threading.Thread(target=app.dispatch.run, args=(first.to_json(), 1))
        holder.start()
        mirror.wait(lambda: running(mirror, first) and stalls(), 60)
        assert seconds_to_end(mirror, app, second, after(1)) < WITHIN
        app.pulls.cancel(first.id)
        holder.join(30)


def test_a_job_behind_anothers_layer_is_cancelled_too(mirror: Mirroring) -> None:
    image = mirror.push("cancelled/claimed", oci_image("cancelled claimed", layers=[9 * MIB]))
    job = Copy.of_pull(Reference("cancelled/claimed", image.tag, image.root.digest), "cancelled")
    claims = TableClaims(mirror.records.table)
    held = [claims.acquire(blob.descriptor.digest) for blob in image.blobs]
    with app_of(mirror) as app:
        assert seconds_to_end(mirror, app, job, after(1)) < WITHIN
    for claim in held:
        assert claim is not None
        claim.release()


@pytest.mark.parametrize("outcome", ["done", "failed"])
def test_what_a_job_comes_to_after_it_was_cancelled_is_cancelled(mirror: Mirroring, outcome: str) -> None:
    """The request comes between the run's last look at its record and its end."""
    repository = f"cancelled/late/{outcome}"
    image = mirror.push(repository, oci_image(repository))
    job = Copy.of_pull(Reference(repository, image.tag, image.root.digest), "cancelled")
    status = {"status": 503} if outcome == "failed" else {}
    mirror.stack.registry.set_faults([{"match": {"kind": "referrers"}, "do": {"latency_ms": 900} | status}])
    mirror.records.add(job)
    with app_of(mirror) as app:
        run = threading.Thread(target=app.dispatch.run, args=(job.to_json(), 1))
        run.start()
        # What refers to it is asked about behind that.
        mirror.wait(lambda: mirror.tagged(repository, "latest") is not None, 60)
        mirror.records.change(job.id, {"cancel_requested": True})
        run.join(30)
    record = record_of(mirror, job)
    assert (record.state, record.fields["error_code"], record.fields["next_attempt"]) == ("cancelled", "cancelled", "")
    assert sent(mirror) == []
