"""The local Functions host is held to what the real one answered and handed on, row by row.

`recordings/requests.jsonl` has 238 raw requests to an app, and the answers of the platform's host 4.1037; what the app
itself said in them is left out, but for its headers. `apps/recorded` has the same functions. `recordings/sample.jsonl`
has 116 events, messages and requests to `apps/sample`, and what that was handed.

In both, HOST is the host's address; FK, SK and MK are its function key, system key and master key; `«a×40»` is forty
times an `a`. Requests are bytes, written as Latin-1. Where the local host differs, the row's label is in `DIFFERENCES`.
"""

import base64
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from standins.foundation import Foundation
from standins.tests.sample_host import SampleHost, sample_host

RECORDINGS = Path(__file__).parent / "recordings"
RECORDED = Path(__file__).parent / "apps" / "recorded"
# These change with each answer, or tell of the connection alone.
NOT_COMPARED = ("date", "server", "connection")

GUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

DIFFERENCES = {
    "GET /": "The platform's home page has 150 kB of pictures; ours has a line.",
}


def rows(name: str) -> list[dict[str, Any]]:
    with (RECORDINGS / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def label(row: dict[str, Any]) -> str:
    return str(row.get("label") or row["request"].partition(" HTTP/")[0])


def whole(text: str) -> str:
    return re.sub("«(.+?)×([0-9]+)»", lambda match: match[1] * int(match[2]), text)


@pytest.fixture(scope="module")
def host(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleHost]:
    with sample_host(foundation, tmp_path_factory.mktemp("recorded"), app=RECORDED) as started:
        yield started


@pytest.fixture(scope="module")
def sample(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleHost]:
    with sample_host(foundation, tmp_path_factory.mktemp("sample"), queues_batchSize="16") as started:
        yield started


def with_keys(host: SampleHost, text: str) -> str:
    keys = {"FK": "function_key", "SK": "system_key", "MK": "key"}
    text = text.replace("FK-OTHER-CASE", host.ready["function_key"].swapcase())
    text = re.sub(r"\b([FSM]K)\b", lambda match: str(host.ready[keys[match[1]]]), text)
    return text.replace("HOST", urlsplit(host.ready["functions"]).netloc)


def exchange(host: SampleHost, request: str) -> tuple[int, dict[str, str], bytes]:
    """Sends these bytes, and reads until the connection ends."""
    url = urlsplit(host.ready["functions"])
    with socket.create_connection((url.hostname, url.port), timeout=60) as connection:
        connection.sendall(with_keys(host, whole(request)).encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        size, _, rest = body.partition(b"\r\n")
        body, end = rest[: int(size, 16)], rest[int(size, 16) :]
        assert end == b"\r\n0\r\n\r\n"
    kept = {name: value for name, value in headers.items() if name not in NOT_COMPARED}
    return int(status.split()[1]), kept, body


def test_each_recorded_request_is_answered_as_it_was(host: SampleHost) -> None:
    recorded = rows("requests.jsonl")
    assert len(recorded) == 238
    different = {}
    for row in recorded:
        status, headers, body = exchange(host, row["request"])
        got = {"status": status, "headers": headers, "body": body.decode()}
        expected = {name: row.get(name, got[name]) for name in got}
        if got != expected:
            different[label(row)] = (expected, got)
    unexplained = {name: told for name, told in different.items() if name not in DIFFERENCES}
    assert not unexplained, "\n".join(f"{name}\n  {was}\n  {now}" for name, (was, now) in unexplained.items())
    assert set(DIFFERENCES) <= set(different), "explained, and not there"


def handed(sample: SampleHost, row: dict[str, Any]) -> list[Any]:
    """What the function was handed for an event."""
    name: object = row["label"].replace("event ", "n-")
    if name == "n-id int":
        name = 7
    found = [entry for entry in sample.records("event") if entry["id"] == name]
    return [{key: entry[key] for key in ("did", "kind", "id", "data", "time")} for entry in found]


def event_of(row: dict[str, Any]) -> bytes:
    """Rows of data are an event's data, as it is; those of events are a whole one."""
    if row["label"].startswith("event"):
        return str(row["sent"]).encode()
    event = json.dumps({"id": row["label"], "subject": "s", "eventType": "x", "data": "DATA"})
    return event.replace('"DATA"', row["sent"]).encode()


def test_each_recorded_event_reaches_the_app_as_it_did(sample: SampleHost) -> None:
    recorded = [row for row in rows("sample.jsonl") if row["label"].split()[0] in ("data", "raw", "event")]
    different = {}
    for row in recorded:
        status = sample.notify(event_of(row)).status
        seen = handed(sample, row)
        if not row["label"].startswith("event"):
            seen = [entry["data"] for entry in seen]
        if (status, seen) != (row["status"], row["seen"]):
            different[row["label"]] = ((row["status"], row["seen"]), (status, seen))
    assert not different


def test_each_recorded_message_reaches_the_app_as_it_did(sample: SampleHost) -> None:
    """Those that say nothing of what was seen never reached it."""
    recorded = [row for row in rows("sample.jsonl") if row["label"].startswith("queue")]
    for row in recorded:
        sample.queue.send_message(base64.b64encode(row["sent"].encode()).decode())
    reaching = [row for row in recorded if row["seen"] is not None]
    sample.expect(lambda: len(sample.records("end")) >= len(reaching), timeout=60)
    different = {}
    for row in recorded:
        found = [entry for entry in sample.records("begin") if entry["text"] == row["sent"]]
        seen = [[entry["text"], GUID.sub("GUID", entry["id"]), entry["dequeue_count"]] for entry in found]
        expected = [row["seen"][:3]] if row["seen"] is not None else []
        if seen != expected:
            different[row["label"]] = (expected, seen)
    assert not different


def test_each_recorded_request_reaches_the_app_as_it_did(sample: SampleHost) -> None:
    different = {}
    for row in rows("sample.jsonl"):
        if not row["label"].startswith("echo"):
            continue
        method, target, headers, body = row["request"]
        lines = [f"{method} {target} HTTP/1.1", "Host: HOST", "Connection: close", "x-functions-key: FK"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        status, _, answer = exchange(sample, "\r\n".join([*lines, "", body or ""]))
        told = json.loads(answer) if status == 200 else answer.decode()
        seen = {name: told[name] for name in row["seen"]} if isinstance(told, dict) and row["seen"] else told
        expected = row["seen"]
        if isinstance(expected, dict):
            expected = json.loads(with_keys(sample, json.dumps(expected)))
        if (status, seen) != (row["status"], expected):
            different[row["label"]] = ((row["status"], expected), (status, seen))
    assert not different
