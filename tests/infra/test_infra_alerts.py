"""Each log alert on rows for which it has to be raised, and on rows for which it must not be: recorded on the real
host, or made by the app's own instruments."""

from collections.abc import Callable, Iterable

import pytest

from acrmirror.errors import Cancelled, Crashed, Denied, MirrorError, NotFound
from acrmirror.jobs.records import error_fields
from acrmirror.telemetry import Telemetry
from acrmirror.work import RecordFields, State
from tests.infra.queries import alerts
from tests.infra.telemetry_rows import HOSTS, Given, measured, raised, recorded

Case = tuple[str, list[Given], set[str]]
"""An alert, what was sent, and the causes for which it is raised; {""} where it has no causes."""
YES, NO = {""}, set[str]()
ALL_IS_WELL = ("push", "http-200", "http-202", "http-live-and-root", "http-status-page", "event-handshake")
ASKED_WRONGLY = ("http-400", "http-401", "http-404-app", "http-404-route", "event-unknown-function", "event-wrong-key")
RAISING = ("event-fails", "queue-run-raises-until-poison", "queue-worker-killed-until-poison", "http-500")
POISONED = ("queue-run-raises-until-poison", "queue-worker-killed-until-poison")
DENIED, GONE = Denied("a", "b", "c"), NotFound("a", "b", "c")


def ended(
    state: State, error: MirrorError | None, kind: str = "event", *, missing: bool = False
) -> Callable[[Telemetry], None]:
    record: RecordFields = {**error_fields(error), "state": state, "kind": kind, "missing": missing}
    return lambda telemetry: telemetry.run_ended(record)


def late(minutes: int, app: str = "") -> list[Given]:
    times: RecordFields = {"at": "2026-11-30T09:00:00Z", "finished": f"2026-11-30T09:{minutes:02}:00Z"}
    record: RecordFields = {"state": "done", "kind": "event", **times}
    return measured(lambda telemetry: telemetry.run_ended(record), app=app)


def waiting(queue: str, *looks: tuple[float, int, float]) -> list[Given]:
    """Each look: how many minutes ago, messages, seconds for which the next one waits."""
    return [
        row
        for minutes, messages, age in looks
        for row in measured(
            lambda telemetry, messages=messages, age=age: telemetry.waiting(queue, messages, age),  # type: ignore[misc]
            minutes,
        )
    ]


def events(minutes: Iterable[float], kind: str = "event") -> list[Given]:
    return [row for at in minutes for row in measured(lambda telemetry: telemetry.event_taken(kind), at)]


def changed(given: list[Given], **columns: object) -> list[Given]:
    """The same with other values; those of `Properties` are put beside what it has, and None takes one out."""
    properties = columns.pop("Properties", {})
    assert isinstance(properties, dict)
    rows = [it.row | columns | {"Properties": it.row["Properties"] | properties} for it in given]
    for row in rows:
        row["Properties"] = {name: value for name, value in row["Properties"].items() if value is not None}
    return [Given(it.table, row) for it, row in zip(given, rows, strict=True)]


def compared(hours: float, minutes: float = 5) -> list[Given]:
    return measured(lambda telemetry: telemetry.compared(hours * 3600), minutes)


def proven(days: float, left: int, minutes: float = 5) -> list[Given]:
    return measured(lambda telemetry: telemetry.audited(days * 86400, left), minutes)


CASES: list[Case] = [
    *(("dead-job", recorded(kind, host), YES) for kind in POISONED for host in HOSTS),
    ("dead-job", recorded("queue-message-not-base64", "new"), YES),
    ("dead-job", measured(ended("failed", Crashed("a", "b", "c"))), YES),
    ("dead-job", recorded(POISONED[0], "new", minutes=6), NO),
    *(("dead-job", recorded(kind, host), NO) for kind in (*ALL_IS_WELL, "event-fails", "http-500") for host in HOSTS),
    ("dead-job", recorded("queue-message-no-job", "new"), NO),
    ("dead-job", changed(recorded("queue-message-not-base64", "new"), Message="Nothing was moved."), NO),
    ("dead-job", measured(ended("failed", DENIED)), NO),
    *(("failing-runs", recorded(kind, host, times=6), YES) for kind in RAISING for host in HOSTS),
    *(("failing-runs", recorded(kind, host, times=5), NO) for kind in RAISING for host in HOSTS),
    *(("failing-runs", recorded(kind, host, times=6), NO) for kind in ASKED_WRONGLY for host in HOSTS),
    ("failing-runs", changed(recorded("event-fails", "new", times=6), Properties={"EventName": None}), NO),
    *(("failing-runs", recorded("http-health", host, times=6), NO) for host in HOSTS),
    *(("failing-runs", recorded(kind, "new", times=6), NO) for kind in ("run-ends-gone", "run-waits-for-next-attempt")),
    ("late-pushes", late(16), YES),
    ("late-pushes", late(15), NO),
    ("late-pushes", late(16, app="another"), NO),
    ("late-pushes", recorded("app-metric", "worker"), NO),
    ("failed-jobs", measured(ended("failed", DENIED, "pull")), {"denied"}),
    ("failed-jobs", recorded("app-metric", "worker"), {"malformed"}),
    ("failed-jobs", measured(ended("failed", DENIED, "event")), NO),
    ("failed-jobs", measured(ended("failed", Crashed("a", "b", "c"), "pull")), NO),
    ("failed-jobs", measured(ended("cancelled", Cancelled("a", "b", "c"), "pull")), NO),
    ("retries", measured(ended("waiting", DENIED)) * 21, {"denied"}),
    ("retries", measured(ended("waiting", DENIED)) * 20, NO),
    ("retries", measured(ended("waiting", GONE)) * 21, NO),
    ("lost-pushes", measured(ended("gone", GONE, missing=True)), {"not-found"}),
    ("lost-pushes", measured(ended("failed", DENIED)), {"denied"}),
    ("lost-pushes", measured(ended("gone", GONE, missing=False)), NO),
    ("lost-pushes", measured(ended("failed", Crashed("a", "b", "c"))), NO),
    ("lost-pushes", measured(ended("cancelled", Cancelled("a", "b", "c"))), NO),
    ("lost-pushes", measured(ended("failed", DENIED, "pull")), NO),
    ("lost-pushes", recorded("app-metric", "worker"), NO),
    ("refused-events", measured(lambda telemetry: telemetry.event_refused("malformed")), {"malformed"}),
    ("refused-events", events([1]), NO),
    # An event each half an hour, and then none for two hours.
    ("quiet", events(range(120, 1200, 30)), YES),
    ("quiet", events(range(80, 1200, 30)), NO),
    ("quiet", events(range(120, 670, 30)), NO),
    # Two pushes each minute, a pause of less than an hour.
    ("quiet", events(minute / 2 for minute in range(110, 200)), NO),
    # Many at once, and pauses of two hours between them.
    ("quiet", events(begin + minute for begin in (180, 320, 460) for minute in range(21)), NO),
    ("quiet", [], NO),
    ("not-compared", compared(50), YES),
    ("not-compared", compared(49), NO),
    ("not-compared", [*compared(50, minutes=15), *compared(0.1, minutes=5)], NO),
    ("not-compared", [*compared(0.1, minutes=15), *compared(50, minutes=5)], YES),
    ("not-compared", [], YES),
    ("not-proven", proven(62, 0), YES),
    ("not-proven", proven(60, 0), NO),
    ("not-proven", proven(1, 1), YES),
    ("not-proven", [*proven(40, 3, minutes=15), *proven(0, 0, minutes=5)], NO),
    ("not-proven", [*proven(40, 0, minutes=15), *proven(0, 2, minutes=5)], YES),
    ("not-proven", [], YES),
    ("backlog", waiting("mirror-jobs", (4, 9, 4000), (14, 9, 3700)), {"mirror-jobs"}),
    ("backlog", waiting("mirror-jobs-poison", (4, 1, 4000), (14, 1, 3700)), {"mirror-jobs-poison"}),
    ("backlog", waiting("mirror-jobs", (4, 9, 3500), (14, 9, 3500)), NO),
    ("backlog", waiting("mirror-jobs", (4, 9, 4000)), NO),
    ("backlog", waiting("mirror-jobs", (4, 9, 4000), (14, 9, 0)), NO),
    ("backlog", waiting("mirror-jobs", (4, 9, 4000), (34, 9, 4000)), NO),
    ("backlog", waiting("mirror-backfill", (4, 9, 4000), (14, 9, 3700)), NO),
    ("backfill", waiting("mirror-backfill", (4, 1001, 9), (14, 1500, 9)), YES),
    ("backfill", waiting("mirror-backfill", (4, 1000, 9), (14, 1500, 9)), NO),
    ("backfill", waiting("mirror-backfill", (4, 1001, 9)), NO),
    ("backfill", waiting("mirror-jobs", (4, 1001, 9), (14, 1500, 9)), NO),
]
NAMES = [f"{number}-{name}-{'+'.join(causes) or 'not'}" for number, (name, _, causes) in enumerate(CASES)]


@pytest.mark.parametrize(("name", "given", "causes"), CASES, ids=NAMES)
def test_an_alert_is_raised_for_what_it_is_for_and_for_nothing_else(
    name: str, given: list[Given], causes: set[str]
) -> None:
    assert raised(name, given) == causes


@pytest.mark.parametrize("name", alerts())
def test_no_alert_is_without_rows_for_which_it_is_raised_and_rows_for_which_it_is_not(name: str) -> None:
    assert {bool(causes) for alert, _, causes in CASES if alert == name} == {True, False}


@pytest.mark.parametrize(("name", "given", "causes"), CASES, ids=NAMES)
def test_another_app_and_another_metric_raise_none(name: str, given: list[Given], causes: set[str]) -> None:
    nothing = raised(name, [])
    assert raised(name, changed(given, AppRoleName="another")) == nothing
    assert raised(name, changed([it for it in given if it.table == "AppMetrics"], Name="another")) == nothing
    assert causes == nothing or raised(name, given + changed(given, AppRoleName="another")) == causes


@pytest.mark.parametrize("name", sorted(alerts().keys() - {"not-compared", "not-proven"}))
def test_where_nothing_happens_nobody_is_told(name: str) -> None:
    assert raised(name, []) == NO


@pytest.mark.parametrize("name", alerts())
def test_a_day_on_which_all_is_well_raises_none(name: str) -> None:
    """Pushes, callers, a comparison, and the looks of the timer: on both hosts."""
    day = [row for host in HOSTS for kind in ALL_IS_WELL for row in recorded(kind, host, times=50)]
    day += [row for minutes in range(0, 1440, 10) for row in compared(minutes / 60, minutes)]
    day += [row for minutes in range(0, 1440, 10) for row in waiting("mirror-jobs", (minutes, 1, 2))]
    day += [row for minutes in range(0, 1440, 10) for row in proven(30 + minutes / 1440, 0, minutes)]
    day += events(range(0, 1440, 10)) + late(1)
    assert raised(name, day) == NO


def test_hours_that_were_set_count_and_nothing_else() -> None:
    """Five, in the scenario that sets everything: with no event at all, too."""
    assert raised("quiet", events([299, 200]), scenario=1) == NO
    assert raised("quiet", events([301]), scenario=1) == YES
    assert raised("quiet", events(range(200, 1200, 30)), scenario=1) == NO
    assert raised("quiet", [], scenario=1) == YES


def test_thresholds_are_parameters() -> None:
    """In that scenario each is another one than by default, 70 to 76."""
    assert raised("backlog", waiting("mirror-jobs", (4, 9, 4100), (14, 9, 4100)), scenario=1) == NO
    assert raised("backlog", waiting("mirror-jobs", (4, 9, 4300), (14, 9, 4300)), scenario=1) == {"mirror-jobs"}
    assert raised("backfill", waiting("mirror-backfill", (4, 72, 9), (14, 72, 9)), scenario=1) == YES
    assert raised("not-compared", compared(71), scenario=1) == NO
    assert raised("not-compared", compared(73), scenario=1) == YES
    assert raised("not-proven", proven(15, 0), scenario=1) == NO
    assert raised("not-proven", proven(16, 0), scenario=1) == YES
    assert raised("lost-pushes", measured(ended("failed", DENIED)) * 73, scenario=1) == NO
    assert raised("lost-pushes", measured(ended("failed", DENIED)) * 74, scenario=1) == {"denied"}
    assert raised("failing-runs", recorded("event-fails", "new", times=74), scenario=1) == NO
    assert raised("failing-runs", recorded("event-fails", "new", times=75), scenario=1) == YES
    assert raised("retries", measured(ended("waiting", DENIED)) * 76, scenario=1) == {"denied"}


def test_what_the_apps_instruments_make_has_the_form_of_what_was_recorded() -> None:
    made = [*late(1), *measured(ended("failed", DENIED, "pull")), *waiting("mirror-jobs", (1, 1, 1))]
    for real in recorded("app-metric", "worker"):
        assert {name: type(value) for name, value in real.row.items() if name not in ("Sum", "Min", "Max")} == {
            name: type(value) for name, value in made[0].row.items() if name not in ("Sum", "Min", "Max")
        }
    assert {it.table for it in made} == {"AppMetrics"}
