"""The local Functions host's HTTP triggers: routes, keys, what the app gets, what the client gets."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from standins import guard
from standins.foundation import Foundation
from standins.tests.sample_host import RUNTIMES, SampleHost, answer, sample_host


@pytest.fixture(scope="module", params=RUNTIMES)
def host(
    request: pytest.FixtureRequest, foundation: Foundation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SampleHost]:
    folder = tmp_path_factory.mktemp("http")
    with sample_host(foundation, folder, "--runtime", request.param, workers=2) as started:
        yield started


def keyed(host: SampleHost) -> dict[str, str]:
    return {"x_functions_key": host.ready["function_key"]}


def test_the_app_gets_the_request_as_it_came(host: SampleHost) -> None:
    path = "/api/Echo/team/app%2Fx/a%20b?n=1&n=2&empty=&code=no"
    told = host.ask("POST", path, "grüße".encode(), Content_Type="text/x-own", X_Mixed="Yes", **keyed(host)).json

    assert told["method"] == "POST"
    assert told["url"] == f"{host.ready['functions']}{path}"
    assert told["query"] == {"n": "1,2", "code": "no"}
    # Kestrel decodes all of a path but an encoded slash.
    assert told["route"] == {"path": "team/app%2Fx/a b"}
    assert told["body"] == "grüße"
    assert told["headers"]["content-type"] == "text/x-own"
    assert told["headers"]["x-mixed"] == "Yes"
    assert told["folder"].endswith("apps/sample")
    assert guard.VARIABLE not in told["environment"]


def test_a_catch_all_takes_nothing_as_well(host: SampleHost) -> None:
    assert host.ask("GET", "/api/echo", **keyed(host)).json["route"] == {}


def test_the_client_gets_what_the_app_answered(host: SampleHost) -> None:
    got = host.ask("GET", "/api/items/7")
    assert got.status == 203
    assert got.headers["content-type"] == "application/json"
    assert got.headers["Set-Cookie"] == "a=1; max-age=60; domain=; path=/; samesite=lax; httponly"
    assert got.json["id"] == "7"
    assert got.json["function"] == "item"


def test_a_function_may_return_nothing_but_a_status_or_just_text(host: SampleHost) -> None:
    assert host.ask("POST", "/api/order", "{}").status == 204
    got = host.ask("GET", "/api/items/latest")
    assert (got.status, got.body, got.headers["Content-Type"]) == (200, b"latest", "text/plain; charset=utf-8")


def test_the_more_specific_route_is_taken_whatever_the_order_of_definition(host: SampleHost) -> None:
    assert host.ask("GET", "/api/items/latest").body == b"latest"
    assert host.ask("GET", "/api/items/12").json["id"] == "12"


@pytest.mark.parametrize("path", ["/api/items/x", "/api/items/99999999999", "/api/items/1/2", "/items/1", "/api"])
def test_no_route_is_404(host: SampleHost, path: str) -> None:
    assert host.ask("GET", path).status == 404


def test_a_method_that_is_not_listed_is_404_head_too(host: SampleHost) -> None:
    assert host.ask("DELETE", "/api/echo/x", **keyed(host)).status == 404
    assert host.ask("HEAD", "/api/echo/x", **keyed(host)).status == 404
    assert host.ask("OPTIONS", "/api/items/1").status == 404


def test_head_where_listed_has_headers_and_no_body(host: SampleHost) -> None:
    connection = host.connect()
    connection.request("HEAD", "/api/items/7")
    got = answer(connection.getresponse())
    assert (got.status, got.body) == (203, b"")
    assert got.headers["content-type"] == "application/json"
    assert "Content-Length" not in got.headers
    # The connection is still in step.
    connection.request("GET", "/api/items/8")
    assert answer(connection.getresponse()).json["id"] == "8"
    connection.close()


def test_keys_open_what_they_are_for(host: SampleHost) -> None:
    function, master = host.ready["function_key"], host.ready["key"]
    assert host.ask("GET", "/api/echo/x").status == 401
    assert host.ask("GET", "/api/echo/x", x_functions_key="wrong").status == 401
    assert host.ask("GET", "/api/echo/x", x_functions_key=host.ready["system_key"]).status == 401
    assert host.ask("GET", f"/api/echo/x?code={function}").status == 200
    assert host.ask("GET", f"/api/echo/x?code={function}", x_functions_key="wrong").status == 401
    assert host.ask("GET", "/api/echo/x", x_functions_key=master).status == 200
    assert host.ask("GET", "/api/for-admins", x_functions_key=function).status == 401
    assert host.ask("GET", "/api/for-admins", x_functions_key=master).status == 200


def test_a_failure_is_a_500_that_tells_nothing(host: SampleHost) -> None:
    got = host.ask("POST", "/api/order", '{"fail": "a secret"}')
    assert (got.status, got.body) == (500, b"")
    assert "a secret" in host.log()
    assert host.ask("GET", "/api/nothing").status == 500


def test_requests_go_round_the_workers(host: SampleHost) -> None:
    pids = {host.ask("GET", "/api/echo/x", **keyed(host)).json["pid"] for _ in range(4)}
    assert pids == {worker["pid"] for worker in host.control.workers()}


def test_a_large_body_arrives_whole_and_none_that_comes_in_chunks(host: SampleHost) -> None:
    chunks = iter([b"one ", b"two ", b"three"])
    assert host.ask("POST", "/api/echo/x", chunks, **keyed(host)).json["body"] == ""
    large = b"x" * 3_000_000
    assert host.ask("POST", "/api/echo/x", large, **keyed(host)).json["body"] == large.decode()


def test_a_worker_that_dies_with_a_request_is_a_500_and_the_next_one_is_answered(host: SampleHost) -> None:
    got = host.ask("POST", "/api/order", '{"die": true}')
    assert (got.status, got.body) == (500, b"")
    assert host.ask("GET", "/api/items/1").status == 203
    host.expect(lambda: {worker["state"] for worker in host.control.workers()} == {"up"})


def test_a_process_that_the_app_left_behind_does_not_hide_that_its_worker_died(host: SampleHost) -> None:
    before = {worker["pid"] for worker in host.control.workers()}
    left = int(host.ask("POST", "/api/child").body)
    try:
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        host.expect(lambda: not before & {worker["pid"] for worker in host.control.workers()})
        host.expect(lambda: {worker["state"] for worker in host.control.workers()} == {"up"})
    finally:
        os.kill(left, signal.SIGKILL)


def test_a_stopped_worker_gets_no_requests(host: SampleHost) -> None:
    stopped = host.worker(0)["pid"]
    host.control.signal(0, "stop")
    try:
        assert stopped not in {host.ask("GET", "/api/echo/x", **keyed(host)).json["pid"] for _ in range(4)}
    finally:
        host.control.signal(0, "continue")


def test_functions_are_listed_for_the_master_key(host: SampleHost) -> None:
    assert host.ask("GET", "/admin/functions").status == 401
    assert host.ask("GET", "/admin/functions", x_functions_key="wrong").status == 401
    assert host.ask("GET", "/admin/functions", x_functions_key=host.ready["function_key"]).status == 403
    listed = host.ask("GET", "/admin/functions", x_functions_key=host.ready["key"]).json
    assert {"run_order", "on_event", "echo"} <= {function["name"] for function in listed}


def test_the_first_worker_of_an_instance_is_a_placeholder_that_is_told_of_the_app_later(
    foundation: Foundation, tmp_path: Path
) -> None:
    """Its environment changes before the app is imported, its working directory after it."""
    with sample_host(foundation, tmp_path) as host:

        def told() -> Any:
            return host.ask("GET", "/api/echo/x", **keyed(host)).json

        first = told()
        assert first["folder"].endswith("apps/sample")
        assert first["at_import"] == {"folder": "/", "queue": "orders"}
        assert "SAMPLE_RECORD" not in started_with(first["pid"])
        host.control.signal(0, "worker")
        host.expect(lambda: host.worker()["state"] == "up" and host.worker()["pid"] != first["pid"])
        again = told()
        assert again["at_import"] == {"folder": first["folder"], "queue": "orders"}
        assert "SAMPLE_RECORD" in started_with(again["pid"])


def started_with(pid: int) -> set[str]:
    """Names in the environment with which a process was started."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return {pair.partition(b"=")[0].decode() for pair in pairs}
