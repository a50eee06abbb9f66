"""Which failures are waited out, for how long, and what they end as."""

from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.errors import (
    Cancelled,
    ClaimedElsewhere,
    Conflict,
    Denied,
    DigestMismatch,
    Malformed,
    MirrorError,
    NotFound,
    Throttled,
    Unavailable,
    Unsupported,
)
from acrmirror.jobs.failing import Failing
from acrmirror.moments import from_datetime
from acrmirror.retrying import Final, Retry, RetryPolicy

NOW = datetime(2026, 4, 25, 12, 0, tzinfo=UTC)
POLICY = RetryPolicy(not_found=timedelta(minutes=15), others=timedelta(hours=6))


def failure(kind: type[MirrorError]) -> MirrorError:
    return kind("copy", "it failed", "Look.")


def failed(kind: type[MirrorError], count: int, waited: timedelta = timedelta()) -> Failing:
    """Failures of one kind, so many before this run, the first of them so long ago."""
    return Failing(kind.code, from_datetime(NOW - waited), count)


def decide(*failures: MirrorError, before: tuple[Failing, ...] = ()) -> Retry | Final:
    return POLICY.decide(list(failures), before, NOW)


@pytest.mark.parametrize("kind", [NotFound, Denied, Throttled, Unavailable, DigestMismatch, ClaimedElsewhere])
def test_what_may_go_away_is_tried_again(kind: type[MirrorError]) -> None:
    assert isinstance(decide(failure(kind)), Retry)


def test_waiting_for_other_workers_is_no_failed_attempt_and_never_ends_a_job() -> None:
    before = (failed(Unavailable, 50, timedelta(hours=7)),)
    alone = decide(failure(ClaimedElsewhere), before=before)
    assert isinstance(alone, Retry)
    assert not alone.counts
    assert alone.failing == before
    assert alone.delay < 10
    both = decide(failure(ClaimedElsewhere), failure(Unavailable))
    assert isinstance(both, Retry)
    assert both.counts


@pytest.mark.parametrize("kind", [Malformed, Unsupported])
def test_what_is_permanent_fails_at_once(kind: type[MirrorError]) -> None:
    error = failure(kind)
    assert decide(error) == Final("failed", error)


def test_a_404_is_gone_after_its_window_and_not_before() -> None:
    assert isinstance(decide(failure(NotFound), before=(failed(NotFound, 5, timedelta(minutes=14)),)), Retry)
    late = decide(failure(NotFound), before=(failed(NotFound, 1, timedelta(minutes=15)),))
    assert isinstance(late, Final)
    assert late.state == "gone"


def test_an_outage_is_waited_out_for_hours() -> None:
    assert isinstance(decide(failure(Unavailable), before=(failed(Unavailable, 9, timedelta(hours=5)),)), Retry)
    late = decide(failure(Unavailable), before=(failed(Unavailable, 9, timedelta(hours=6)),))
    assert isinstance(late, Final)
    assert late.state == "failed"


def test_a_permanent_half_waits_for_the_other_and_then_fails() -> None:
    assert isinstance(decide(failure(Malformed), failure(Throttled)), Retry)
    late = decide(failure(NotFound), failure(Malformed), before=(failed(NotFound, 3, timedelta(hours=1)),))
    assert isinstance(late, Final)
    assert late.state == "failed"
    assert isinstance(late.error, Malformed)


def test_wrong_bytes_are_fetched_anew_a_few_times() -> None:
    first = decide(failure(DigestMismatch))
    assert isinstance(first, Retry)
    assert first.fresh
    assert isinstance(decide(failure(DigestMismatch), before=(failed(DigestMismatch, 1),)), Retry)
    assert isinstance(decide(failure(DigestMismatch), before=(failed(DigestMismatch, 2),)), Final)


OUTAGE = (failed(Unavailable, 9, timedelta(hours=5)), failed(Denied, 3, timedelta(hours=4)))


@pytest.mark.parametrize("kind", [NotFound, DigestMismatch, Throttled, Conflict])
def test_each_kind_counts_from_its_own_first_failure(kind: type[MirrorError]) -> None:
    """After an outage that lasted for longer than its window a 404 is as young as any, and so are wrong bytes."""
    first = decide(failure(kind), before=OUTAGE)
    assert isinstance(first, Retry)
    assert first.delay < 3
    assert {it.code: (it.since, it.count) for it in first.failing} == {
        **{it.code: (it.since, it.count) for it in OUTAGE},
        kind.code: (from_datetime(NOW), 1),
    }


def test_a_kind_goes_on_counting_where_another_came_in_between() -> None:
    before = (failed(NotFound, 2, timedelta(minutes=14)), failed(DigestMismatch, 2), failed(Unavailable, 1))
    away = decide(failure(Unavailable), before=before)
    assert isinstance(away, Retry)
    assert {it.code: it.count for it in away.failing} == {"not-found": 2, "digest-mismatch": 2, "unavailable": 2}
    assert isinstance(decide(failure(DigestMismatch), before=away.failing), Final)
    missing = POLICY.decide([failure(NotFound)], away.failing, NOW + timedelta(minutes=1))
    assert isinstance(missing, Final)
    assert missing.state == "gone"


def test_two_halves_that_fail_alike_are_one_failure() -> None:
    both = decide(failure(NotFound), failure(NotFound))
    assert isinstance(both, Retry)
    assert [(it.code, it.count) for it in both.failing] == [("not-found", 1)]


def test_after_wrong_bytes_nothing_staged_is_believed_whatever_fails_next() -> None:
    away = decide(failure(Unavailable), before=(failed(DigestMismatch, 1),))
    assert isinstance(away, Retry)
    assert away.fresh


def test_the_wait_that_the_registry_asks_for_is_kept() -> None:
    decision = decide(Throttled("copy", "429", "Wait.", retry_after=123))
    assert isinstance(decision, Retry)
    assert decision.delay == 123


def test_waits_grow_and_never_go_far_beyond_the_window() -> None:
    delays = [
        decide(failure(Unavailable), before=(failed(Unavailable, count),)).delay  # type: ignore[union-attr]
        for count in range(12)
    ]
    assert delays[0] < 5 < delays[4] < 100 < delays[8] <= 750
    last = decide(failure(NotFound), before=(failed(NotFound, 9, timedelta(minutes=14, seconds=50)),))
    assert isinstance(last, Retry)
    assert last.delay <= 10


def test_a_cancelled_job_ends_cancelled() -> None:
    decision = decide(failure(Cancelled))
    assert isinstance(decision, Final)
    assert decision.state == "cancelled"
