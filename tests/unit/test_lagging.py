"""Every order of events, answers of replicas and steps of two workers, against the decision alone (rule L3)."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from acrmirror.copying.lagging import WINDOW, Verdict, ask_again, judge
from acrmirror.history import TagEvent
from acrmirror.moments import Moment, from_datetime, to_datetime
from acrmirror.reference import Digest

BEGUN = to_datetime("2026-04-25T21:00:00Z")
AGES = (60.0, 600.0, WINDOW.total_seconds())
LAGGING, EQUAL, OVER = 0, 1, 2
"""Phases: replicas may answer anything that ever was; they answer alike; events are older than the window, too."""
NOW = {LAGGING: BEGUN + timedelta(minutes=1), EQUAL: BEGUN + timedelta(minutes=2), OVER: BEGUN + timedelta(hours=1)}
WORKERS = 2
Rule = Callable[..., Verdict]


def digest(name: str) -> Digest:
    return Digest.of(name.encode())


def event(number: int, name: str) -> TagEvent:
    return TagEvent(from_datetime(BEGUN + timedelta(seconds=number)), digest(name))


class Link(NamedTuple):
    digest: Digest | None
    at: Moment
    event: TagEvent | None


class Task(NamedTuple):
    """A job: with an event, or a pull, or a question asked again (`about`)."""

    name: str
    news: TagEvent | None = None
    about: str | None = None


class Asked(NamedTuple):
    """A worker's run that read the link as it still is, asked the registry, and is about to write."""

    task: int
    verdict: Verdict
    at: Moment
    again: bool
    """Whether the run failed in part, so that the job is tried again."""


class State(NamedTuple):
    """Numbers stand for links, tasks and runs, since there are many states and few of those.

    A run whose link was written by another since is in none of them: its own write fails, and it begins again, which is
    as if it had not begun.
    """

    link: int
    pending: frozenset[int]
    asked: frozenset[int] = frozenset()
    phase: int = LAGGING


class Model:
    """Events of these pushes, and a pull; two workers do them in any order, and may be killed after they wrote."""

    def __init__(self, pushes: str, rule: Rule = judge) -> None:
        self.right = digest(pushes[-1])
        self._answers = {None, *map(digest, pushes)}
        self._rule = rule
        self._numbers: dict[Any, int] = {}
        self._things: list[Any] = []
        self._runs: dict[tuple[int, int, int, frozenset[Digest]], set[int]] = {}
        tasks = [Task(f"push {number}", event(number, name)) for number, name in enumerate(pushes)]
        self.first = State(self._number(None), frozenset(map(self._number, [*tasks, Task("pull")])))

    def _number(self, thing: Any) -> int:
        if thing not in self._numbers:
            self._numbers[thing] = len(self._things)
            self._things.append(thing)
        return self._numbers[thing]

    def ends(self) -> Iterator[Digest | None]:
        """Where the tag is in each state at rest that can be reached."""
        seen, todo = {self.first}, [self.first]
        while todo:
            state = todo.pop()
            if not state.pending and not state.asked:
                link = self._things[state.link]
                yield link.digest if link is not None else None
            for following in self._steps(state):
                if following not in seen:
                    seen.add(following)
                    todo.append(following)

    def _steps(self, state: State) -> Iterator[State]:
        if state.phase != OVER:
            yield state._replace(phase=state.phase + 1)
        if len(state.asked) < WORKERS:
            for task in state.pending:
                for run in self._possible(state, task):
                    yield state._replace(pending=state.pending - {task}, asked=state.asked | {run})
        for run in state.asked:
            yield from self._written(state, run)

    def _possible(self, state: State, task: int) -> set[int]:
        """All runs of a task from this state, up to their write."""
        lacking = frozenset(self._lacking(state, task)) if state.phase == LAGGING else frozenset()
        key = (state.link, task, state.phase, lacking)
        if key not in self._runs:
            missing = [frozenset[Digest](), *(frozenset([it]) for it in lacking)]
            answers = self._answers if state.phase == LAGGING else {self.right}
            runs = (self._run(state, task, answer, it) for answer in answers for it in missing)
            self._runs[key] = {self._number(it) for it in runs if it is not None}
        return self._runs[key]

    def _lacking(self, state: State, task: int) -> Iterator[Digest]:
        """What can't be had yet: while replicas are behind, what an event told of whose job has not ended."""
        link = self._things[state.link]
        for number in (task, *state.pending, *(self._things[it].task for it in state.asked)):
            news = self._things[number].news
            if news is not None and (link is None or link.digest != news.digest):
                yield news.digest

    def _run(self, state: State, task: int, answer: Digest | None, missing: frozenset[Digest]) -> Asked | None:
        now, news = NOW[state.phase], self._things[task].news
        verdict = self._rule(self._things[state.link], news, answer, now, WINDOW, missing)
        if verdict.digest is None:
            # It answered 404, and nothing is to be written: the job is tried again, as if it had not run.
            return None
        pushed = verdict.event is not None and verdict.digest == verdict.event.digest != answer
        at = verdict.event.at if verdict.event is not None and pushed else from_datetime(now)
        failed = answer is None or (news is not None and news.digest in missing)
        return Asked(task, verdict, at, failed)

    def _written(self, state: State, number: int) -> Iterator[State]:
        run: Asked = self._things[number]
        verdict = run.verdict
        overtaken = {self._things[it].task for it in state.asked if it != number}
        link = self._number(Link(verdict.digest, run.at, verdict.event))
        pending = state.pending | overtaken
        # Killed, or failed in part: the job comes again.
        yield State(link, pending | {run.task}, phase=state.phase)
        if not run.again:
            about = self._things[run.task].about
            due = ask_again(verdict.event, about, verdict.provisional, NOW[state.phase], AGES)
            more = {self._number(Task("again", about=verdict.event.at))} if due is not None and verdict.event else set()
            yield State(link, pending | more, phase=state.phase)


@pytest.mark.parametrize("pushes", ["A", "AB", "ABA", "ABC", "AAB"])
def test_no_order_of_events_and_answers_leaves_a_tag_wrong_at_rest(pushes: str) -> None:
    model = Model(pushes)
    assert set(model.ends()) == {model.right}


def by_its_own_event(
    link: Link | None,
    news: TagEvent | None,
    answer: Digest | None,
    now: datetime,
    window: timedelta,
    missing: object,
) -> Verdict:
    """The answer is set, and is doubted only if it differs from the event of the job that asked."""
    doubted = news is not None and answer != news.digest and now - to_datetime(news.at) < window
    return Verdict(answer, news, doubted)


@pytest.mark.parametrize("pushes", ["AB", "ABA", "ABC", "AAB"])
def test_a_decision_by_the_jobs_own_event_is_found_wrong(pushes: str) -> None:
    """So the exploration above finds what the rule is for."""
    model = Model(pushes, by_its_own_event)
    assert any(end != model.right for end in model.ends())


AT = event(0, "A").at
OLDER = event(-5, "A").at


@pytest.mark.parametrize(
    ("age", "about", "provisional", "seconds"),
    [
        (0, None, True, 60),
        (59, None, True, 1),
        (60, AT, True, 540),
        (610, AT, True, 1190),
        # To its end, whatever is answered meanwhile: the next replica may say something else.
        (60, AT, False, 540),
        (1799, AT, False, 1),
        (1800, AT, False, None),
        # An answer that was given in time, and judged after it.
        (1801, AT, True, 0),
        # Anew for a newer event, by whoever finds it contradicted; who agrees leaves it to that event's own job.
        (61, OLDER, True, 539),
        (61, OLDER, False, None),
        (0, None, False, None),
        # The registry's clock is ahead.
        (-200, None, True, 260),
    ],
)
def test_when_the_registry_is_asked_again(age: int, about: str | None, provisional: bool, seconds: int | None) -> None:
    now = BEGUN + timedelta(seconds=age)
    assert ask_again(event(0, "A"), about, provisional, now, AGES) == seconds
    assert ask_again(None, about, provisional, now, AGES) is None
