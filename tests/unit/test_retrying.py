"""Which failures are waited out, for how long, and what they end as."""

from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.errors import (
    Cancelled,
    ClaimedElsewhere,
    Denied,
    DigestMismatch,
    Malformed,
    MirrorError,
    NotFound,
    Throttled,
    Unavailable,
    Unsupported,
)
from acrmirror.moments import from_datetime
from acrmirror.retrying import Final, Retry, RetryPolicy

NOW = datetime(2026, 4, 25, 12, 0, tzinfo=UTC)
POLICY = RetryPolicy(not_found=timedelta(minutes=15), others=timedelta(hours=6))


def failure(kind: type[MirrorError]) -> MirrorError:
    return kind("copy", "it failed", "Look.")


def decide(*failures: MirrorError, attempt: int = 0, waited: timedelta = timedelta()) -> Retry | Final:
    return POLICY.decide(list(failures), attempt, from_datetime(NOW - waited), NOW)


@pytest.mark.parametrize("kind", [NotFound, Denied, Throttled, Unavailable, DigestMismatch, ClaimedElsewhere])
def test_what_may_go_away_is_tried_again(kind: type[MirrorError]) -> None:
    assert isinstance(decide(failure(kind)), Retry)


def test_waiting_for_other_workers_is_no_failed_attempt_and_never_ends_a_job() -> None:
    alone = decide(failure(ClaimedElsewhere), attempt=50, waited=timedelta(hours=7))
    assert isinstance(alone, Retry)
    assert not alone.counts
    assert alone.delay < 10
    both = decide(failure(ClaimedElsewhere), failure(Unavailable))
    assert isinstance(both, Retry)
    assert both.counts


@pytest.mark.parametrize("kind", [Malformed, Unsupported])
def test_what_is_permanent_fails_at_once(kind: type[MirrorError]) -> None:
    error = failure(kind)
    assert decide(error) == Final("failed", error)


def test_a_404_is_gone_after_its_window_and_not_before() -> None:
    assert isinstance(decide(failure(NotFound), waited=timedelta(minutes=14)), Retry)
    late = decide(failure(NotFound), waited=timedelta(minutes=15))
    assert isinstance(late, Final)
    assert late.state == "gone"


def test_an_outage_is_waited_out_for_hours() -> None:
    assert isinstance(decide(failure(Unavailable), waited=timedelta(hours=5)), Retry)
    late = decide(failure(Unavailable), waited=timedelta(hours=6))
    assert isinstance(late, Final)
    assert late.state == "failed"


def test_a_permanent_half_waits_for_the_other_and_then_fails() -> None:
    assert isinstance(decide(failure(Malformed), failure(Throttled)), Retry)
    late = decide(failure(NotFound), failure(Malformed), waited=timedelta(hours=1))
    assert isinstance(late, Final)
    assert late.state == "failed"
    assert isinstance(late.error, Malformed)


def test_wrong_bytes_are_fetched_anew_a_few_times() -> None:
    first = decide(failure(DigestMismatch))
    assert isinstance(first, Retry)
    assert first.fresh
    assert isinstance(decide(failure(DigestMismatch), attempt=2), Final)


def test_the_wait_that_the_registry_asks_for_is_kept() -> None:
    decision = decide(Throttled("copy", "429", "Wait.", retry_after=123))
    assert isinstance(decision, Retry)
    assert decision.delay == 123


def test_waits_grow_and_never_go_far_beyond_the_window() -> None:
    delays = [decide(failure(Unavailable), attempt=attempt).delay for attempt in range(12)]  # type: ignore[union-attr]
    assert delays[0] < 5 < delays[4] < 100 < delays[8] <= 750
    last = decide(failure(NotFound), attempt=9, waited=timedelta(minutes=14, seconds=50))
    assert isinstance(last, Retry)
    assert last.delay <= 10


def test_a_cancelled_job_ends_cancelled() -> None:
    decision = decide(failure(Cancelled))
    assert isinstance(decision, Final)
    assert decision.state == "cancelled"
