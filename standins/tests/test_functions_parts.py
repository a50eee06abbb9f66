"""Parts of the local Functions host that need no process: schedules, routes, host.json, backoff, Json.NET's
times, the channel to a worker."""

import json
import socket
import threading
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from standins.functions import newtonsoft
from standins.functions.backoff import Backoff
from standins.functions.counts import KEPT, Counts
from standins.functions.cron import InvalidSchedule, parse_schedule
from standins.functions.hostjson import HostOptions, InvalidHostJson, read, time_span
from standins.functions.metadata import NotEmulated, resolve
from standins.functions.routes import InvalidRoute, Template
from standins.functions.wire import Call, Channel


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("0 */5 * * * *", "2026-03-01T10:04:59", "2026-03-01T10:05:00"),
        ("0 */5 * * * *", "2026-03-01T10:05:00", "2026-03-01T10:10:00"),
        ("*/5 * * * *", "2026-03-01T10:04:59", "2026-03-01T10:05:00"),
        ("15,45 30 9-17/4 * * *", "2026-03-01T09:30:15", "2026-03-01T09:30:45"),
        ("15,45 30 9-17/4 * * *", "2026-03-01T09:30:45", "2026-03-01T13:30:15"),
        ("0 30 9 * * Mon-Fri", "2026-03-06T09:30:00", "2026-03-09T09:30:00"),
        ("0 30 9 * * 1-5", "2026-03-06T09:30:00", "2026-03-09T09:30:00"),
        ("0 0 0 29 2 *", "2096-02-29T00:00:00", "2104-02-29T00:00:00"),
        ("0 0 0 1 January Sunday", "2026-01-02T00:00:00", "2034-01-01T00:00:00"),
        ("59 59 23 31 12 *", "2026-12-31T23:59:58", "2026-12-31T23:59:59"),
        ("5/20 * * * * *", "2026-03-01T10:00:05", "2026-03-01T10:00:25"),
        ("00:30:00", "2026-03-01T10:00:05", "2026-03-01T10:30:05"),
    ],
)
def test_the_next_occurrence(schedule: str, after: str, expected: str) -> None:
    assert parse_schedule(schedule).next(moment(after)) == moment(expected)


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "* * * *",
        "60 * * * * *",
        "* * * 0 * *",
        "* * * * * 7",
        "5-1 * * * * *",
        "*/0 * * * * *",
        "1:2:3:4",
        "x * * * * *",
    ],
)
def test_what_is_no_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(InvalidSchedule):
        parse_schedule(schedule)


def test_a_day_that_never_comes_is_told() -> None:
    with pytest.raises(InvalidSchedule):
        parse_schedule("0 0 0 30 2 *").next(moment("2026-01-01T00:00:00"))


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("api/echo", "/api/Echo/", {}),
        ("api/echo", "/api/echo/x", None),
        ("api/{a}/{b?}", "/api/x", {"a": "x"}),
        ("api/{a}/{b?}", "/api/x/y", {"a": "x", "b": "y"}),
        ("api/{a}/{b?}", "/api/x/y/z", None),
        ("api/{a=one}", "/api", {"a": "one"}),
        ("api/{*rest}", "/api/a b/c%2Fd/é", {"rest": "a b/c%2Fd/é"}),
        ("api/{*rest}", "/api/a/", {"rest": "a/"}),
        ("api/{*rest}", "/api/a//b", {"rest": "a//b"}),
        ("api/{*rest}", "/api//a", None),
        ("api/echo", "/api//echo", None),
        ("api/{a}/{b?}", "/api/x/", {"a": "x"}),
        ("api/{*rest}", "/api", {}),
        ("api/{**rest}", "/api/x/y", {"rest": "x/y"}),
        ("{*rest}", "/", {}),
        ("api/{name}.{ext}", "/api/a.b.c", {"name": "a", "ext": "b.c"}),
        ("api/v{version:int}", "/api/v12", {"version": "12"}),
        ("api/v{version:int}", "/api/vx", None),
        ("api/{id:int:min(3)}", "/api/2", None),
        ("api/{id:range(1,5)}", "/api/5", {"id": "5"}),
        ("api/{id:guid}", "/api/6F9619FF-8B86-D011-B42D-00CF4FC964FF", {"id": "6F9619FF-8B86-D011-B42D-00CF4FC964FF"}),
        ("api/{id:guid}", "/api/nope", None),
        ("api/{flag:bool}", "/api/True", {"flag": "True"}),
        ("api/{word:alpha:maxlength(3)}", "/api/abcd", None),
        ("api/{word:length(2,3)}", "/api/abc", {"word": "abc"}),
        (r"api/{id:regex(^[a-f0-9]{{4}}$)}", "/api/beef", {"id": "beef"}),
        (r"api/{id:regex(^[a-f0-9]{{4}}$)}", "/api/beefy", None),
        ("api/x/{*rest:regex(^v2/)}", "/api/x/v1/y", None),
    ],
)
def test_routes_match_as_those_of_aspnet(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert Template(template).match(path) == expected


@pytest.mark.parametrize("text", ["a/{*rest}/b", "a/{x:nonsense}", "a/{x", "a/{x:int(}"])
def test_what_is_no_route_is_refused(text: str) -> None:
    with pytest.raises(InvalidRoute):
        Template(text)


def options(folder: Path, document: object, cores: int = 2, **environment: str) -> HostOptions:
    (folder / "host.json").write_text(json.dumps(document))
    return read(folder, environment, cores)


def test_the_defaults_of_host_json_are_the_platforms(tmp_path: Path) -> None:
    found = options(tmp_path, {"version": "2.0"})
    assert (found.route_prefix, found.function_timeout) == ("api", 1800)
    queues = found.queues
    assert (queues.batch_size, queues.new_batch_threshold, queues.concurrency) == (16, 16, 32)
    assert (queues.max_polling_interval, queues.max_dequeue_count, queues.visibility_timeout) == (60, 5, 0)
    assert queues.base64


def test_host_json_is_read_in_any_case_and_overridden_by_the_environment(tmp_path: Path) -> None:
    document = {
        "functionTimeout": "-1",
        "extensions": {
            "Queues": {
                "BatchSize": 4,
                "newBatchThreshold": 0,
                "visibilityTimeout": "00:00:30",
                "messageEncoding": "none",
            },
            "http": {"routePrefix": ""},
        },
    }
    found = options(tmp_path, document, AzureFunctionsJobHost__extensions__queues__maxPollingInterval="00:00:02")
    assert (found.route_prefix, found.function_timeout) == ("", None)
    assert (found.queues.concurrency, found.queues.visibility_timeout, found.queues.base64) == (4, 30, False)
    assert found.queues.max_polling_interval == 2


@pytest.mark.parametrize(
    "queues",
    [
        {"batchSize": 33},
        {"newBatchThreshold": -1},
        {"maxPollingInterval": "00:00:00.05"},
        {"maxPollingInterval": "soon"},
        {"messageEncoding": "rot13"},
        {"maxDequeueCount": -1},
    ],
)
def test_what_the_platform_would_not_start_with_is_refused(tmp_path: Path, queues: dict[str, object]) -> None:
    with pytest.raises(InvalidHostJson):
        options(tmp_path, {"extensions": {"queues": queues}})


def test_time_spans_are_read_as_dotnet_reads_them() -> None:
    assert time_span("00:00:02.5") == 2.5
    assert time_span("1.02:03:04") == 93784
    assert time_span("01:30") == 5400
    assert time_span(2) == 2 * 86400  # a lone number is days


def test_polling_slows_down_while_nothing_is_found_and_is_quick_again_after() -> None:
    backoff = Backoff(0.1, 2)
    delays = [backoff.next(found=False) for _ in range(9)]
    assert delays[0] == 0.1
    assert all(0.1 + 0.08 * 2**n <= delay <= 0.1 + 0.12 * 2**n for n, delay in enumerate(delays[1:5]))
    assert delays[-1] == 2
    assert backoff.next(found=True) == 0.1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-25T21:39:47.276585742Z", "2026-04-25T21:39:47.276585742Z"),
        ("2026-04-25T21:39:47.2765800Z", "2026-04-25T21:39:47.27658Z"),
        ("2026-04-25T21:39:47.000Z", "2026-04-25T21:39:47Z"),
        ("2026-04-25T23:39:47+02:00", "2026-04-25T21:39:47+00:00"),
        ("2026-04-25T21:39:47.5", "2026-04-25T21:39:47.5"),
        ("2026-13-25T21:39:47Z", "2026-13-25T21:39:47Z"),
        ("2026-04-25", "2026-04-25"),
        ("at 2026-04-25T21:39:47.000Z", "at 2026-04-25T21:39:47.000Z"),
    ],
)
def test_times_are_rewritten_as_json_net_does(text: str, expected: str) -> None:
    assert json.loads(newtonsoft.write({"deep": [text]})) == {"deep": [expected]}


def test_a_host_that_runs_for_days_remembers_the_newest_messages_alone() -> None:
    counts = Counts()
    for number in range(3 * KEPT):
        for about in ("again", f"message {number}"):
            call = Call("run", "job", {"string": ""}, {}, about)
            counts.begin(call, 0)
            counts.end(call, "succeeded")
    told = counts.told()["run"]
    assert (told["begun"], told["succeeded"], told["running"]) == (6 * KEPT, 6 * KEPT, 0)
    assert len(told["of"]) == KEPT
    assert f"message {3 * KEPT - 1}" in told["of"]
    assert "message 0" not in told["of"]


def test_app_settings_fill_in_percent_names() -> None:
    assert resolve("a-%X%-b", {"X": "1"}) == "a-1-b"
    with pytest.raises(NotEmulated, match="no app setting Y"):
        resolve("%Y%", {"X": "1"})


def test_a_channel_that_is_closed_while_it_sends_leaves_nothing_to_the_next_one() -> None:
    ours, theirs = socket.socketpair()
    number = ours.fileno()
    channel = Channel(Connection(ours.detach()))
    ended: list[BaseException] = []

    def send_more_than_fits() -> None:
        try:
            channel.send({"text": "x" * 50_000_000})
        except OSError as error:
            ended.append(error)

    sender = threading.Thread(target=send_more_than_fits, daemon=True)
    sender.start()
    with theirs:
        assert theirs.recv(100_000)  # the head, and that there is more after it
        assert theirs.recv(100_000)
        channel.close()
        one, other = socket.socketpair()
        with one, other:
            assert number in (one.fileno(), other.fileno())
            sender.join(5)
            assert len(ended) == 1
            for end in (one, other):
                end.setblocking(False)
                with pytest.raises(BlockingIOError):
                    end.recv(1)
