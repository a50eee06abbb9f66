"""What the local Functions host makes of storage's answers to its queue trigger, row by row as the real one did."""

import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ServiceResponseError

from standins.foundation import Foundation
from standins.functions.storage import is_gone, is_passing
from standins.relay import Answer, Relay
from standins.request import Request
from standins.tests.sample_host import QUEUE, SampleHost, sample_host, seconds_between

LEASE = 2
RESET = 0, ""


def kind_of(request: Request[bytes]) -> str:
    """receive, metadata, renew, release, delete, poison, or nothing."""
    url = urlsplit(request.target)
    query = parse_qs(url.query)
    if url.path.startswith(f"/{QUEUE}-poison"):
        return {"POST": "poison", "PUT": "make"}.get(request.method, "")
    if request.method == "PUT":
        return "renew" if query.get("visibilitytimeout") == [str(LEASE)] else "release"
    if query.get("comp") == ["metadata"]:
        return "metadata"
    return {"GET": "receive", "DELETE": "delete"}.get(request.method, "")


@dataclass
class Faults:
    """What comes instead of the next answers, by what is asked; and after one, what was asked and done all the same."""

    of: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: list[str] = field(default_factory=list)

    def answer(self, request: Request[bytes]) -> Request[bytes] | Answer:
        kind = kind_of(request)
        with self.lock:
            self.seen.append(kind)
            waiting = self.of.get(kind)
            fault = waiting.pop(0) if waiting else None
        if fault is None:
            return request
        status, code = fault
        if not status:
            raise ConnectionResetError
        return Answer(status, [("x-ms-error-code", code)])

    def left(self) -> int:
        with self.lock:
            return sum(map(len, self.of.values()))


# What is asked, what comes instead; what the message does; how often the host ends, the message runs and is found dead.
ROWS: list[tuple[str, list[tuple[int, str]], dict[str, object], int, int, int]] = [
    ("receive", [(403, "AuthorizationPermissionMismatch")], {}, 1, 1, 0),
    ("receive", [(400, "InvalidQueryParameterValue")], {}, 1, 1, 0),
    ("receive", [(404, "QueueNotFound")], {}, 0, 1, 0),
    ("receive", [(409, "QueueBeingDeleted")], {}, 0, 1, 0),
    ("receive", [(409, "QueueDisabled")], {}, 1, 1, 0),
    ("receive", [(500, "InternalError")] * 13, {}, 0, 1, 0),
    ("receive", [RESET] * 6, {}, 1, 1, 0),
    ("renew", [(500, "InternalError")] * 5, {"sleep": 1.7}, 0, 1, 0),
    ("renew", [(403, "AuthorizationFailure")], {"sleep": 1.7}, 1, 1, 0),
    ("renew", [(500, "InternalError")] * 6, {"sleep": 1.7}, 1, 1, 0),
    ("delete", [(500, "InternalError")], {}, 0, 1, 0),
    ("delete", [(403, "AuthorizationFailure")], {}, 1, 2, 0),
    ("release", [(403, "AuthorizationFailure")], {"fail": "once more"}, 1, 2, 1),
    ("poison", [(500, "InternalError")] * 6, {"fail": "always"}, 1, 2, 1),
]


def test_what_storage_answers_ends_the_host_or_not_and_loses_nothing(foundation: Foundation, tmp_path: Path) -> None:
    delays = ("--storage-delay", "0.005", "--restart-delay", "0.1")
    faults = Faults()
    with Relay(foundation.certificates.ca, foundation.certificates.server) as relay:
        relay.ask = faults.answer
        with sample_host(foundation, tmp_path, *delays, lease=LEASE, behind=relay, queues_maxDequeueCount="2") as host:
            for row in ROWS:
                one_row(host, faults, *row)


def one_row(
    host: SampleHost,
    faults: Faults,
    kind: str,
    instead: list[tuple[int, str]],
    order: dict[str, object],
    ends: int,
    runs: int,
    dead: int,
) -> None:
    text = f"{kind} {instead}"
    before = host.log().count("Host is shutting down")
    with faults.lock:
        faults.of = {kind: list(instead)}
    host.send(**order, row=text)

    def of(did: str) -> int:
        return sum(text in entry["text"] for entry in host.records(did))

    host.expect(lambda: of("dead") >= dead and of("begin") >= runs and not faults.left())
    host.expect_empty(host.queue)
    if dead:
        host.expect_empty(host.poison)
    ended = host.log().count("Host is shutting down") - before
    assert (text, ended, of("begin"), of("dead")) == (text, ends, runs, dead), host.log()


def error(status: int, code: str) -> AzureError:
    """As the SDK raises it."""
    if not status:
        return ServiceResponseError("reset")
    made = HttpResponseError(code)
    made.status_code = status
    made.error_code = code  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize(
    ("status", "code", "passing", "gone"),
    [
        (404, "QueueNotFound", True, True),
        (409, "QueueBeingDeleted", True, True),
        (404, "MessageNotFound", False, True),
        (400, "PopReceiptMismatch", False, True),
        (404, "ResourceNotFound", False, False),
        (409, "QueueDisabled", False, False),
        (409, "OperationNotAllowed", False, False),
        (400, "InvalidInput", False, False),
        (403, "AuthorizationFailure", False, False),
        (500, "InternalError", True, False),
        (503, "ServerBusy", True, False),
        (*RESET, False, False),
    ],
)
def test_of_few_answers_the_host_goes_on(status: int, code: str, passing: bool, gone: bool) -> None:
    assert (is_passing(error(status, code)), is_gone(error(status, code))) == (passing, gone)


def test_a_lease_that_is_anothers_is_not_renewed_again_and_the_same_host_runs_it_a_second_time(
    foundation: Foundation, tmp_path: Path
) -> None:
    faults = Faults({"renew": [(404, "MessageNotFound")]})
    with Relay(foundation.certificates.ca, foundation.certificates.server) as relay:
        relay.ask = faults.answer
        with sample_host(foundation, tmp_path, lease=LEASE, behind=relay, queues_newBatchThreshold="1") as host:
            host.send(sleep=3.5)
            first, second = host.expect_records(2, "begin")
            assert (first["pid"], first["dequeue_count"], second["dequeue_count"]) == (second["pid"], 1, 2)
            assert host.records("end") == []
            host.expect_records(2, "end")
            host.expect_empty(host.queue)
            assert "Host is shutting down" not in host.log()


def test_a_run_that_ends_while_its_renewal_is_tried_again_is_deleted_at_once(
    foundation: Foundation, tmp_path: Path
) -> None:
    faults = Faults({"renew": [(500, "InternalError")] * 6})
    with Relay(foundation.certificates.ca, foundation.certificates.server) as relay:
        relay.ask = faults.answer
        # The second try would come when the lease is long over.
        with sample_host(foundation, tmp_path, "--storage-delay", "30", lease=LEASE, behind=relay) as host:
            host.send(sleep=1.5)
            host.expect(lambda: "delete" in faults.seen)
            host.expect_empty(host.queue)
            assert faults.left() == 5
            assert len(host.records("begin")) == 1
            assert "Host is shutting down" not in host.log()


def test_messages_that_find_no_poison_queue_all_at_once_are_all_moved(foundation: Foundation, tmp_path: Path) -> None:
    more: dict[str, Any] = {"queues_batchSize": "8", "queues_maxDequeueCount": "1"}
    with sample_host(foundation, tmp_path, lease=600, **more) as host:
        for number in range(8):
            host.send(sleep=0.5, fail="together", number=number)
        host.expect_records(8, "dead")
        host.expect_empty(host.queue)
        assert "Host is shutting down" not in host.log()


def test_a_worker_that_is_stopped_alone_keeps_its_message_until_the_function_timeout(
    foundation: Foundation, tmp_path: Path
) -> None:
    """Its host lives on: it renews the lease, and sends it requests that nobody answers."""
    timeout: dict[str, Any] = {"AzureFunctionsJobHost__functionTimeout": "00:00:07"}
    with sample_host(foundation, tmp_path, lease=LEASE, **timeout) as host:
        host.send(sleep=60)
        (begun,) = host.expect_records(1, "begin")
        os.kill(begun["pid"], signal.SIGSTOP)
        connection = host.connect()
        connection.timeout = 1
        connection.request("GET", "/api/items/1")
        with pytest.raises(TimeoutError):
            connection.getresponse()
        host.expect(lambda: host.control.dispatches()["run_order"].get("renewed", 0) >= 3)
        again = host.expect_records(2, "begin")[1]
        assert again["dequeue_count"] == 2
        assert seconds_between(begun, again) > 6
        assert "ran past functionTimeout" in host.log()


def test_a_host_that_ends_waits_for_its_runs_and_settles_them(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path, "--grace", "10") as host:
        host.send(sleep=1)
        host.expect_records(1, "begin")
        host.control.signal(0, "end")
        host.send()
        # The second is received by the host that follows.
        host.expect_records(2, "end")
        host.expect_empty(host.queue)
        assert len({entry["pid"] for entry in host.records("begin")}) == 2
        host.send(sleep=1, last=True)
        host.expect_records(3, "begin")
        assert host.service.stop(30) == 0
        host.expect_empty(host.queue)
        assert len(host.records("end")) == 3


def test_a_drained_host_takes_nothing_more_and_waits_for_as_long_as_it_takes(
    foundation: Foundation, tmp_path: Path
) -> None:
    with sample_host(foundation, tmp_path, lease=LEASE) as host:
        host.send(sleep=4)
        (begun,) = host.expect_records(1, "begin")
        host.control.signal(0, "drain")
        host.send(sleep=0)
        host.expect_records(2, "end")
        assert [entry["dequeue_count"] for entry in host.records("begin")] == [1, 1]
        assert host.records("begin")[1]["at"] > host.records("end")[0]["at"] > begun["at"] + 3
