"""Audits are requested once a period, found again where their message was lost, and told of in health."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.data.tables import TableClient

from acrmirror.errors import Crashed, NotHere, NotProven, WrongState
from acrmirror.jobs import JobRecords
from acrmirror.mirror import MirrorStore
from acrmirror.moments import from_datetime
from acrmirror.proof.audits import check_proven
from acrmirror.proof.ledger import Known, Ledger, Overtaken
from acrmirror.proof.progress import Progress
from acrmirror.reference import Reference
from acrmirror.work import Audit
from standins.foundation import STORAGE_AUDIENCE, Account, Foundation
from standins.stack import Stack
from testkit.images import multi_arch, oci_image
from testkit.stack import TABLE
from tests.integration.auditing import Audited, audited

DAY = timedelta(days=1)


@pytest.fixture
def mirror(
    bare_stack: Stack, account: Account, foundation: Foundation, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Audited]:
    for name, value in bare_stack.identity.environment().items():
        monkeypatch.setenv(name, value)
    with audited(bare_stack, account, foundation, MIRROR_AUDIT_DAYS="30") as opened:
        yield opened


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def audits(mirror: Audited) -> list[str]:
    return [it.progress.id for it in mirror.app.audits.page(100, None)[0]]


def run(mirror: Audited) -> None:
    while mirror.run_messages():
        pass


def test_one_is_requested_at_once_and_then_once_a_period(mirror: Audited, now: datetime) -> None:
    for days in (0, 1, 29):
        mirror.app.audit_timer.tick(now + days * DAY)
        run(mirror)
    assert len(audits(mirror)) == 1
    mirror.app.audit_timer.tick(now + 30 * DAY)
    run(mirror)
    assert len(audits(mirror)) == 2
    found = mirror.app.audits.get(audits(mirror)[0])
    assert found.report is not None
    assert found.report.proven


def test_whoever_asks_while_one_is_under_way_gets_that_one(mirror: Audited, now: datetime) -> None:
    first = mirror.app.audits.ask(now)
    assert mirror.app.audits.ask(now + timedelta(seconds=30)).id == first.id
    assert mirror.queue.get_queue_properties().approximate_message_count == 1
    assert mirror.app.audits.get(first.id).progress.state == "queued"


def test_a_message_that_was_lost_is_sent_again(mirror: Audited, now: datetime) -> None:
    first = mirror.app.audits.ask(now)
    mirror.queue.clear_messages()
    mirror.app.audit_timer.tick(now + timedelta(seconds=30))
    assert mirror.run_messages() == 0
    mirror.app.audit_timer.tick(now + timedelta(minutes=10))
    run(mirror)
    assert mirror.app.audits.get(first.id).progress.state == "done"


def test_a_message_that_waits_behind_others_is_not_sent_at_every_look(mirror: Audited, now: datetime) -> None:
    """Each copy waits there as well."""
    mirror.app.audits.ask(now)
    for minutes in range(2, 60, 10):
        mirror.app.audit_timer.tick(now + timedelta(minutes=minutes))
        mirror.app.audits.ask(now + timedelta(minutes=minutes + 1))
    assert mirror.queue.get_queue_properties().approximate_message_count == 2
    mirror.app.audit_timer.tick(now + timedelta(minutes=63))
    assert mirror.queue.get_queue_properties().approximate_message_count == 3
    run(mirror)
    assert len(audits(mirror)) == 1


def test_one_that_is_cancelled_ends_without_a_report_and_the_next_is_a_period_away(
    mirror: Audited, now: datetime, repository: str, store: MirrorStore, records: JobRecords
) -> None:
    mirror.pull(repository, oci_image("cancelled"))
    ledger = Ledger(store.container, mirror.layout, records.table)
    for begun in (False, True):
        asked = mirror.app.audits.ask(now)
        audit = Audit(asked.id, asked.asked)
        if begun:
            # What a slice writes after that is overtaken.
            ledger.begin(Progress(audit.id, audit.at, "running", "links", updated=from_datetime(now)))
        seen = ledger.progress(asked.id)
        for _ in range(2):
            assert mirror.app.audits.cancel(asked.id, now).progress.state == "cancelled"
        if seen is not None:
            with pytest.raises(Overtaken):
                ledger.save(seen[0].counted(blobs=1), seen[1])
        run(mirror)
        mirror.app.dispatch.bury(audit.to_json())
        found = mirror.app.audits.get(asked.id)
        assert (found.progress.state, found.report, found.progress.slices) == ("cancelled", None, 0)
    for days in (1, 29):
        mirror.app.audit_timer.tick(now + days * DAY)
    assert len(audits(mirror)) == 2
    mirror.app.audit_timer.tick(now + 30 * DAY)
    run(mirror)
    done = audits(mirror)[0]
    assert mirror.app.audits.get(done).progress.state == "done"
    with pytest.raises(WrongState, match="done already"):
        mirror.app.audits.cancel(done)
    with pytest.raises(NotHere):
        mirror.app.audits.cancel("none")


def test_one_that_failed_is_followed_by_another_a_day_later(mirror: Audited, now: datetime) -> None:
    asked = mirror.app.audits.ask(now)
    mirror.queue.clear_messages()
    mirror.app.dispatch.bury(Audit(asked.id, asked.asked).to_json())
    failed = mirror.app.audits.get(asked.id).progress
    assert (failed.state, failed.error["code"]) == ("failed", Crashed.code)
    for after in (timedelta(hours=12), DAY):
        mirror.app.audit_timer.tick(now + after)
    run(mirror)
    assert len(audits(mirror)) == 2
    assert mirror.app.audits.get(audits(mirror)[0]).progress.state == "done"


def test_two_runs_of_one_audit_end_in_one_report(mirror: Audited, repository: str) -> None:
    mirror.pull(repository, oci_image("twice"))
    asked = mirror.app.audits.ask()
    audit = Audit(asked.id, asked.asked)
    for _ in range(3):
        mirror.app.dispatch.run(audit.to_json(), 1)
    run(mirror)
    assert mirror.app.audits.chain() == []
    assert mirror.app.audits.get(asked.id).report is not None


def test_health_and_the_image_say_what_was_found(mirror: Audited, repository: str, now: datetime) -> None:
    mirror.pull(repository, multi_arch(f"{repository}/whole", tag="whole"))
    broken = mirror.pull(repository, multi_arch(f"{repository}/broken", tag="broken"))
    mirror.pull(repository, oci_image(f"{repository}/other", tag="other"))
    assert proof(mirror, repository, "whole") is None
    mirror.flip(broken.blobs[0].descriptor.digest)
    mirror.stack.registry.set_faults([{"match": {"kind": it}, "do": {"status": 404}} for it in ("manifest", "blob")])
    mirror.audit()
    assert proof(mirror, repository, "whole") == ()
    assert proof(mirror, repository, "other") == ()
    wrong = proof(mirror, repository, "broken")
    assert wrong
    assert any(str(broken.blobs[0].descriptor.digest) in it for it in wrong)
    (check,) = [it for it in mirror.app.health.run().checks if it.name == "audit"]
    assert isinstance(check.error, NotProven)
    assert "damaged or missing, or could not be read" in check.error.answered
    mirror.stack.registry.clear_faults()
    mirror.audit()
    assert proof(mirror, repository, "broken") == ()
    (check,) = [it for it in mirror.app.health.run().checks if it.name == "audit"]
    assert check.error is None


def proof(mirror: Audited, repository: str, tag: str) -> tuple[str, ...] | None:
    """What the last audit found wrong with an image; None if none has looked at it."""
    image = mirror.app.images.image(Reference(repository, tag))
    manifests = (image.root, *(it.manifest for it in image.variants))
    found = mirror.app.proofs.of(repository, tag, manifests)
    return found.wrong if found is not None else None


def test_an_audit_that_is_too_long_ago_is_told(now: datetime) -> None:
    known = Known(now - 100 * DAY, begun=now - 62 * DAY)
    with pytest.raises(NotProven) as told:
        check_proven(known, 30, now)
    assert "and is to be every 30 days" in told.value.answered
    assert from_datetime(now - 62 * DAY)[:19] in told.value.answered
    check_proven(known, 0, now)
    check_proven(known, 31, now)
    check_proven(None, 30, now)


def test_a_table_that_is_away_proves_nothing_and_hides_no_image(mirror: Audited, repository: str) -> None:
    mirror.pull(repository, oci_image("table"))
    mirror.audit()
    assert proof(mirror, repository, "latest") == ()
    with TableClient(
        mirror.account.table_endpoint, TABLE, audience=STORAGE_AUDIENCE, **mirror.account.client_options
    ) as table:
        table.delete_table()
    assert proof(mirror, repository, "latest") is None
