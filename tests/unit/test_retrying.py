"""Which failures are waited out, for how long, and what they end as."""

from dataclasses import replace
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
    Transient,
    Unavailable,
    Unsupported,
)
from acrmirror.moments import from_datetime
from acrmirror.retrying import Final, Retry, RetryPolicy
from acrmirror.work.failing import Failing

NOW = datetime(2026, 4, 25, 12, 0, tzinfo=UTC)
POLICY = RetryPolicy(not_found=timedelta(minutes=30), others=timedelta(hours=6))


def failure(kind: type[MirrorError]) -> MirrorError:
    return kind("copy", "it failed", "Look.")


def failed(
    kind: type[MirrorError], count: int, waited: timedelta = timedelta(), silent: timedelta = timedelta()
) -> Failing:
    """Failures of one kind, so many before this run, the first of them so long ago; the attempt after the last of them
    was due `silent` before this run began."""
    return Failing(kind.code, from_datetime(NOW - waited), count, from_datetime(NOW - silent))


def decide(*failures: MirrorError, before: tuple[Failing, ...] = (), took: timedelta = timedelta()) -> Retry | Final:
    """After a run that took so long."""
    return POLICY.decide(list(failures), before, NOW, NOW - took)


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
    assert isinstance(decide(failure(NotFound), before=(failed(NotFound, 5, timedelta(minutes=29)),)), Retry)
    late = decide(failure(NotFound), before=(failed(NotFound, 1, timedelta(minutes=30)),))
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
    before = (failed(NotFound, 2, timedelta(minutes=29)), failed(DigestMismatch, 2), failed(Unavailable, 1))
    away = decide(failure(Unavailable), before=before)
    assert isinstance(away, Retry)
    assert {it.code: it.count for it in away.failing} == {"not-found": 2, "digest-mismatch": 2, "unavailable": 2}
    assert isinstance(decide(failure(DigestMismatch), before=away.failing), Final)
    missing = POLICY.decide([failure(NotFound)], away.failing, NOW + timedelta(minutes=1), NOW + timedelta(minutes=1))
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
    last = decide(failure(NotFound), before=(failed(NotFound, 9, timedelta(minutes=29, seconds=50)),))
    assert isinstance(last, Retry)
    assert last.delay <= 10


def test_a_cancelled_job_ends_cancelled() -> None:
    decision = decide(failure(Cancelled))
    assert isinstance(decision, Final)
    assert decision.state == "cancelled"


KINDS = (NotFound, Denied, Throttled, Unavailable, Conflict, DigestMismatch)
WAITED_OUT = (NotFound, Denied, Throttled, Unavailable, Conflict)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hours", [1.1, 7, 24 * 30])
def test_an_old_failure_does_not_use_up_the_window_of_one_that_comes_much_later(
    kind: type[MirrorError], hours: float
) -> None:
    """The app stood still meanwhile, or the job waited for something else."""
    long_ago = timedelta(hours=hours)
    late = decide(failure(kind), before=(failed(kind, 2, long_ago + timedelta(minutes=20), long_ago),))
    assert isinstance(late, Retry)
    (begun,) = late.failing
    assert (begun.since, begun.count) == (from_datetime(NOW), 1)
    assert late.delay < 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_begins_anew_also_while_others_do_not(kind: type[MirrorError]) -> None:
    other = Unavailable if kind is not Unavailable else Denied
    before = (
        failed(kind, 9, timedelta(hours=9), timedelta(hours=8)),
        failed(other, 4, timedelta(hours=2), timedelta(seconds=1)),
    )
    both = decide(failure(kind), failure(other), before=before)
    assert isinstance(both, Retry)
    assert {it.code: it.count for it in both.failing} == {kind.code: 1, other.code: 5}


@pytest.mark.parametrize("kind", WAITED_OUT)
def test_a_pause_that_was_asked_for_is_no_gap(kind: type[MirrorError]) -> None:
    """`Retry-After` of hours, each time: the count goes on, and ends."""
    assert issubclass(kind, Transient)
    now, ends = NOW, []
    before: tuple[Failing, ...] = ()
    for _ in range(8):
        decision = POLICY.decide([kind("copy", "it failed", "Wait.", 5400.0)], before, now, now)
        if isinstance(decision, Final):
            ends.append(decision.state)
            break
        assert decision.delay == 5400
        before = decision.failing
        # The message is seen a little later than it was due.
        now += timedelta(seconds=decision.delay + 40)
    assert len(ends) == 1


@pytest.mark.parametrize("kind", WAITED_OUT)
def test_our_own_pauses_are_no_gap(kind: type[MirrorError]) -> None:
    window = POLICY.not_found if kind is NotFound else POLICY.others
    now = NOW
    before: tuple[Failing, ...] = ()
    while isinstance(decision := POLICY.decide([failure(kind)], before, now, now), Retry):
        before = decision.failing
        now += timedelta(seconds=decision.delay + 30)
    assert window <= now - NOW <= window + timedelta(minutes=15)


def test_wrong_bytes_at_the_end_of_long_runs_are_counted() -> None:
    """Each run reads a large layer for hours: that is no gap, and three times is final."""
    before: tuple[Failing, ...] = ()
    for number in (1, 2):
        decision = decide(failure(DigestMismatch), before=before, took=timedelta(hours=5))
        assert isinstance(decision, Retry)
        assert [it.count for it in decision.failing] == [number]
        before = tuple(replace(it, due=from_datetime(NOW - timedelta(hours=5))) for it in decision.failing)
    assert isinstance(decide(failure(DigestMismatch), before=before, took=timedelta(hours=5)), Final)


@pytest.mark.parametrize("kind", [Denied, Throttled, Unavailable, Conflict])
def test_hours_in_which_a_run_got_on_are_hardly_counted_but_end_some_time(kind: type[MirrorError]) -> None:
    """A run copies for seven hours before it fails: the failure before it is no reason to give up; six such are."""
    run, now, runs = timedelta(hours=7), NOW, 0
    before: tuple[Failing, ...] = ()
    while isinstance(decision := POLICY.decide([failure(kind)], before, now, now - run), Retry):
        before = decision.failing
        now += timedelta(seconds=decision.delay) + run
        runs += 1
        assert runs < 10
    assert runs > 3


@pytest.mark.parametrize("kind", WAITED_OUT)
def test_a_failure_that_another_clock_dates_ahead_makes_no_window_longer(kind: type[MirrorError]) -> None:
    ahead = replace(failed(kind, 3), since=from_datetime(NOW + timedelta(days=365)))
    for due in (timedelta(), timedelta(days=365)):
        decision = decide(failure(kind), before=(replace(ahead, due=from_datetime(NOW + due)),))
        assert isinstance(decision, Retry)
        assert decision.failing[0].since == from_datetime(NOW)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_that_says_nothing_of_the_last_failure_errs_on_the_side_of_waiting(kind: type[MirrorError]) -> None:
    """As older versions wrote it: what is known is the first failure."""
    (young,) = Failing.read({kind.code: {"since": from_datetime(NOW - timedelta(minutes=5)), "count": 1}})
    (old,) = Failing.read({kind.code: {"since": from_datetime(NOW - timedelta(hours=7)), "count": 2}})
    goes_on = decide(failure(kind), before=(young,))
    assert isinstance(goes_on, Retry)
    assert (goes_on.failing[0].since, goes_on.failing[0].count) == (young.since, 2)
    anew = decide(failure(kind), before=(old,))
    assert isinstance(anew, Retry)
    assert anew.failing[0].count == 1
