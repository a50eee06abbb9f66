"""A sweep that can't go on now waits by delayed messages, as jobs do, and its end is in its record in any case."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest

from acrmirror.errors import MirrorError, Unavailable
from acrmirror.work import Record, RecordFields, Sweep
from standins.foundation import Foundation
from standins.relay import Answer
from testkit.images import oci_image
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, failing_since, next_message, sent
from tests.integration.storage_proxy import StorageProxy

CATALOG = {"kind": "catalog"}


@pytest.fixture
def mirror(bare_mirror: Mirroring, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirroring]:
    monkeypatch.setattr("acrmirror.sync.sweeping.PATIENCE", (0.1,))
    yield bare_mirror
    bare_mirror.stack.registry.clear_faults()


def sweep_of(repository: str, **more: bool) -> Sweep:
    return Sweep.now((repository,), repository, dry_run=True, **more)


def record_of(mirror: Mirroring, sweep: Sweep) -> Record:
    record = mirror.records.get(sweep.id)
    assert record is not None
    return record


def test_a_sweep_waits_for_the_table_by_a_delayed_message(mirror: Mirroring) -> None:
    mirror.push("patient/table", oci_image("patient table", tag="v1"))
    sweep = sweep_of("patient/table")
    with app_of(mirror, MIRROR_TABLE="nosuchtable") as app:
        app.dispatch.run(sweep.to_json(), 1)
    message = next_message(mirror)
    assert (message["id"], message["attempt"]) == (sweep.id, 1)
    with app_of(mirror) as app:
        app.dispatch.run(json.dumps(message), 1)
    record = record_of(mirror, sweep)
    assert (record.state, record.fields["match_requested"], record.fields["attempt"]) == ("done", 1, 1)
    assert sent(mirror) == []


def test_a_sweep_whose_table_stays_away_is_left_to_the_platform_in_the_end(mirror: Mirroring) -> None:
    long_ago = failing_since("unavailable", datetime.now(UTC) - timedelta(hours=1))
    sweep = replace(sweep_of("patient/ever"), attempt=9, failing=long_ago)
    with app_of(mirror, MIRROR_TABLE="nosuchtable", MIRROR_RETRY_SECONDS="60") as app, pytest.raises(MirrorError):
        app.dispatch.run(sweep.to_json(), 1)
    assert sent(mirror) == []


def test_a_sweep_waits_for_a_registry_that_is_away_and_ends_as_failed_if_it_stays_so(mirror: Mirroring) -> None:
    mirror.push("patient/registry", oci_image("patient registry", tag="v1"))
    sweep = sweep_of("patient/registry")
    mirror.stack.registry.set_faults([{"match": CATALOG, "do": {"status": 503}}])
    with app_of(mirror) as app:
        app.dispatch.run(sweep.to_json(), 1)
        waiting = record_of(mirror, sweep)
        assert (waiting.state, waiting.fields["error_code"]) == ("waiting", "unavailable")
        assert waiting.fields["next_attempt"]
        message = next_message(mirror)
        late = replace(sweep, failing=failing_since("unavailable", datetime.now(UTC) - timedelta(hours=7)))
        app.dispatch.run(late.to_json(), 1)
        failed = record_of(mirror, sweep)
        assert (failed.state, failed.fields["error_code"]) == ("failed", "unavailable")
        mirror.records.change(sweep.id, {"state": "waiting"})
        mirror.stack.registry.clear_faults()
        app.dispatch.run(json.dumps(message), 1)
    done = record_of(mirror, sweep)
    assert (done.state, done.fields["match_requested"], done.fields["error_code"]) == ("done", 1, "")


def test_a_sweep_waits_for_a_registry_that_goes_away_after_its_list_of_repositories(mirror: Mirroring) -> None:
    """What is wrong with one repository alone is named, and what fails for all of them is no fault of theirs."""
    for name in ("away/one", "away/two"):
        mirror.push(name, oci_image(name, tag="v1"))
    sweep = sweep_of("away/*")
    one = {"match": {"path": "^/acr/v1/away/one"}, "do": {"status": 503}}
    with app_of(mirror) as app:
        mirror.stack.registry.set_faults([one, {"match": {"kind": "catalog", "after": 1}, "do": {"status": 503}}])
        app.dispatch.run(sweep.to_json(), 1)
        waiting = record_of(mirror, sweep)
        assert (waiting.state, waiting.fields["error_code"]) == ("waiting", "unavailable")
        mirror.stack.registry.set_faults([one])
        app.dispatch.run(json.dumps(next_message(mirror)), 1)
    ended = record_of(mirror, sweep)
    assert (ended.state, ended.fields["match_requested"]) == ("incomplete", 1)
    assert "away/one: " in ended.fields["error_answered"]


@pytest.mark.parametrize("cancelled", ["before it was sent again", "while it ran"])
def test_a_sweep_that_was_sent_again_waits_for_the_table_whatever_its_record_said_before(
    mirror: Mirroring, cancelled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record knows nothing of the retry yet: its message is all there is of it."""
    sweep = sweep_of("patient/again")
    mirror.records.add(sweep)
    said: RecordFields = {"cancel_requested": True, "state": "cancelled" if "before" in cancelled else "running"}
    mirror.records.change(sweep.id, said)

    def fail(*_: object) -> None:
        raise Unavailable("begin", "the table is away", "Later.")

    with app_of(mirror) as app, monkeypatch.context() as patch:
        patch.setattr("acrmirror.jobs.task_runner.Recorder.begin", fail)
        app.dispatch.run(replace(sweep, retries=1).to_json(), 1)
    message = next_message(mirror)
    assert (message["id"], message["retries"], message["attempt"]) == (sweep.id, 1, 1)
    record = record_of(mirror, sweep)
    assert (record.state, record.retries, record.fields["cancel_requested"]) == ("waiting", 1, False)


def test_an_older_run_leaves_a_sweep_that_was_sent_again_alone(mirror: Mirroring) -> None:
    sweep = sweep_of("patient/older")
    mirror.records.add(sweep)
    mirror.records.change(sweep.id, {"state": "running", "retries": 1})
    before = record_of(mirror, sweep)
    with app_of(mirror, MIRROR_REGISTRY="nobody.invalid") as app:
        app.dispatch.bury(sweep.to_json())
    assert record_of(mirror, sweep) == before
    assert sent(mirror) == []


def test_whether_the_registry_is_away_is_asked_once_for_each_repository_that_fails(mirror: Mirroring) -> None:
    registry = mirror.stack.registry
    for name in ("asked/one", "asked/two", "asked/three"):
        mirror.push(name, oci_image(name, tag="v1"))

    def catalogs(pattern: str, seed: str) -> int:
        registry.reset_requests()
        app.dispatch.run(Sweep.now((pattern,), seed, dry_run=True).to_json(), 1)
        return len(registry.requests(kind="catalog"))

    with app_of(mirror) as app:
        catalogs("none/*", "asks for a token, too")
        pages = catalogs("none/*", "the list alone")
        assert catalogs("asked/*", "none fails") == pages
        registry.set_faults([{"match": {"path": "^/acr/v1/asked/one"}, "do": {"status": 503}}])
        assert catalogs("asked/*", "one fails") == pages + 1


@pytest.mark.parametrize("service", ["table", "blob"])
def test_a_sweep_waits_for_storage_that_goes_away_while_it_compares(
    mirror: Mirroring, foundation: Foundation, service: str
) -> None:
    repository = f"patient/storage-{service}"
    mirror.push(repository, oci_image(repository, tag="v1"))
    sweep = sweep_of(repository)
    stack = mirror.stack
    refused = {"table": "$filter", "blob": f"{repository}/_manifests"}[service]

    def fail(method: str, path: str) -> Answer | None:
        return Answer(400) if method == "GET" and refused in unquote(path) else None

    with StorageProxy(stack.ca, foundation.certificates.server) as proxy:
        proxy.upstream, proxy.refuses = {"table": stack.table_endpoint, "blob": stack.blob_endpoint}[service], fail
        with app_of(mirror, **{f"MIRROR_{service.upper()}_ENDPOINT": proxy.endpoint}) as app:
            app.dispatch.run(sweep.to_json(), 1)
            waiting = record_of(mirror, sweep)
            assert (waiting.state, waiting.fields["error_code"]) == ("waiting", "unavailable")
            proxy.refuses = lambda method, path: None
            app.dispatch.run(json.dumps(next_message(mirror)), 1)
    ended = record_of(mirror, sweep)
    assert (ended.state, ended.fields["match_requested"]) == ("done", 1)


def test_a_sweep_of_patterns_that_are_none_fails_by_that_name(mirror: Mirroring) -> None:
    sweep = sweep_of("Patient/None")
    with app_of(mirror) as app:
        app.dispatch.run(sweep.to_json(), 1)
    record = record_of(mirror, sweep)
    assert (record.state, record.fields["error_code"]) == ("failed", "malformed")


def test_a_burial_that_can_not_be_written_is_tried_again_and_never_a_message_that_is_no_job(
    mirror: Mirroring, foundation: Foundation
) -> None:
    sweep = sweep_of("patient/burial")
    mirror.records.add(sweep)
    before = {it.id for it in mirror.records.newest()}
    stack = mirror.stack

    def busy(method: str, path: str) -> Answer | None:
        return Answer(503) if method != "GET" and sweep.id in path else None

    with StorageProxy(stack.ca, foundation.certificates.server) as proxy:
        proxy.upstream, proxy.refuses = stack.table_endpoint, busy
        with app_of(mirror, MIRROR_TABLE_ENDPOINT=proxy.endpoint) as app:
            with pytest.raises(MirrorError):
                app.dispatch.bury(sweep.to_json())
            assert record_of(mirror, sweep).state == "queued"
            proxy.refuses = lambda method, path: None
            app.dispatch.bury(sweep.to_json())
    buried = record_of(mirror, sweep)
    assert (buried.state, buried.fields["error_code"]) == ("failed", "crashed")
    assert {it.id for it in mirror.records.newest()} == before
