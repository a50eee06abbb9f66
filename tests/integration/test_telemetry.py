"""Metrics of real pushes, sent by Azure's own exporter, signed in by the identity endpoint, to a real endpoint."""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from acrmirror.app import App
from acrmirror.jobs.records import error_fields
from acrmirror.jobs.run import Run
from acrmirror.moments import from_datetime, to_datetime
from acrmirror.reference import Digest, Reference
from acrmirror.settings import Settings
from acrmirror.telemetry import Telemetry
from acrmirror.telemetry.telemetry import CLOSE_SECONDS
from acrmirror.work import Copy
from devtools.bicep.settled import at
from devtools.deployment import SITE
from devtools.deployment.scenarios import SCENARIOS, run
from standins.foundation import Foundation
from standins.ingestion import AUDIENCE
from standins.plugin import StackMaker
from standins.process import Service, wait_for
from standins.stack import Stack
from testkit.images import oci_image
from tests.integration.mirroring import Mirroring, mirroring

DEPLOYED = {
    item["name"]: item["value"]
    for item in at(run(SCENARIOS[0]).of(SITE)[0].body, "properties/siteConfig/appSettings")
    if re.match("APPLICATIONINSIGHTS_|OTEL_", item["name"])
}
KNOWN = {"kind", "outcome", "error.type", "direction", "status", "queue"}


@dataclass(frozen=True, slots=True)
class Ingestion:
    """The endpoint of one component."""

    service: Service
    received: Path
    ca: Path

    @property
    def connection_string(self) -> str:
        return str(self.service.ready()["connection_string"])

    @property
    def url(self) -> str:
        return f"{self.connection_string.partition('IngestionEndpoint=')[2].partition(';')[0]}v2.1/track"

    def settings(self) -> dict[str, str]:
        """As a deployment has them, but for the place and the patience."""
        mine = {"APPLICATIONINSIGHTS_CONNECTION_STRING": self.connection_string, "MIRROR_TELEMETRY_SECONDS": "1"}
        return DEPLOYED | mine

    def items(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.received.read_text().splitlines()] if self.received.exists() else []

    def sums(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """(metric, the values of its attributes) and the sum of all that came."""
        found: dict[tuple[str, tuple[str, ...]], float] = {}
        for item in self.items():
            data = item["data"]["baseData"]
            assert set(data.get("properties", {})) <= KNOWN
            key = data["metrics"][0]["name"], tuple(value for _, value in sorted(data.get("properties", {}).items()))
            found[key] = found.get(key, 0) + data["metrics"][0]["value"]
        return found

    def send(self, token: str | None, *items: object) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        request = Request(self.url, json.dumps(items).encode(), headers)
        try:
            with urlopen(request, context=ssl.create_default_context(cafile=self.ca)) as response:
                return response.status, json.load(response)
        except HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture
def ingestion(foundation: Foundation, tmp_path: Path) -> Iterator[Ingestion]:
    received = tmp_path / "received.jsonl"
    arguments = ["--cert", str(foundation.certificates.server), "--identity-key", str(foundation.key)]
    arguments += ["--received", str(received)]
    service = Service.module("standins.ingestion", arguments, tmp_path / "ingestion.log")
    yield Ingestion(service, received, foundation.certificates.ca)
    assert service.stop() == 0


def test_a_mirrored_push_is_told_of_by_its_figures_and_by_nothing_else(
    make_stack: StackMaker, ingestion: Ingestion
) -> None:
    stack = make_stack(settings=ingestion.settings())
    with mirroring(stack) as mirror:
        image = mirror.push("telemetry/app", oci_image("telemetry"))
        (job,) = mirror.wait_for(1)
        told = {("acrmirror.push.lag", ()), ("acrmirror.events", ("event",))}
        assert wait_for(lambda: told <= set(ingestion.sums()), 60)
    fields, sums = job.fields, ingestion.sums()
    lag = to_datetime(fields["finished"]) - to_datetime(fields["at"])
    assert sums.pop(("acrmirror.push.lag", ())) == pytest.approx(lag.total_seconds(), abs=1e-3)
    assert sums.pop(("acrmirror.events", ("event",))) == 1
    assert sums.pop(("acrmirror.jobs", ("event", "done"))) == 1
    assert sums.pop(("acrmirror.copy.io", ("read",))) == fields["bytes_read"] > 0
    assert sums.pop(("acrmirror.copy.io", ("written",))) == fields["bytes_written"] > 0
    assert sums.pop(("acrmirror.layers", ("copied",))) == len(image.blobs)
    requests = {key: sums.pop(key) for key in list(sums) if key[0] == "acrmirror.registry.requests"}
    assert sum(requests.values()) == fields["requests"]
    assert requests["acrmirror.registry.requests", ("blob", "307")] == len(image.blobs)
    # The timer may have looked meanwhile.
    assert {name for name, _ in sums} <= {"acrmirror.queue.messages", "acrmirror.queue.age"}
    assert {item["client"] for item in ingestion.items()} == {stack.client_id}
    assert {item["tags"]["ai.cloud.role"] for item in ingestion.items()} == {DEPLOYED["OTEL_SERVICE_NAME"]}
    for secret in ("telemetry/app", image.root.digest.encoded, stack.registry.host, stack.account.name):
        assert secret not in ingestion.received.read_text()


@pytest.fixture
def mirror(bare_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirroring]:
    """For an app in this process, whose exporter reads the environment."""
    quiet = {name: value for name, value in DEPLOYED.items() if name.endswith("_DISABLED") or "_DISABLED_" in name}
    for name, value in {**bare_stack.identity.environment(), **quiet}.items():
        monkeypatch.setenv(name, value)
    with mirroring(bare_stack) as opened:
        yield opened


def endpoint_of(listener: socket.socket) -> str:
    key = "00000000-0000-4000-8000-000000000000"
    return f"InstrumentationKey={key};IngestionEndpoint=https://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.mark.parametrize("trouble", ["nobody listens", "nobody answers", "no connection string"])
def test_jobs_do_without_telemetry_that_fails(
    mirror: Mirroring, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    repository = f"unheard/{trouble.replace(' ', '-')}"
    image = mirror.push(repository, oci_image(repository))
    job = Copy.of_event(
        Reference(repository, image.tag, image.root.digest), repository, from_datetime(datetime.now(UTC))
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        string = "nonsense" if trouble == "no connection string" else endpoint_of(listener)
        if trouble == "nobody listens":
            listener.close()
        settings = {**mirror.stack.app_environment(), "APPLICATIONINSIGHTS_CONNECTION_STRING": string}
        with App.open(Settings.from_environment(settings)) as app:
            app.dispatch.run(job.to_json(), 1)
            record = mirror.records.get(job.id)
            assert record is not None
            assert record.state == "done"
            ended = time.monotonic()
        assert time.monotonic() - ended < CLOSE_SECONDS + 5
    assert mirror.tagged(repository, image.tag or "") == image.root.digest
    assert caplog.records or trouble == "nobody answers", "nobody is told"


def test_a_run_is_counted_if_the_job_is_its_own_and_a_look_at_the_tag_is_no_job(mirror: Mirroring) -> None:
    reader = InMemoryMetricReader()
    telemetry = Telemetry(lambda: MeterProvider([reader], shutdown_on_exit=False))
    job = Copy.of_event(Reference("counted", "v1", Digest.of(b"x")), "counted", from_datetime(datetime.now(UTC)))
    overtaken, own = Run(mirror.records, job, 1, telemetry), Run(mirror.records, job, 2, telemetry)
    for one in (overtaken, own):
        one.begin()
    for one in (own, overtaken):
        one.finish({"state": "done"} | error_fields(None))
    Run(mirror.records, job.checking_again(), 1, telemetry).finish({"state": "done"} | error_fields(None))
    data = reader.get_metrics_data()
    telemetry.close()
    assert data is not None
    counts = {
        (metric.name, *(point.attributes or {}).values()): getattr(point, "count", None)
        or getattr(point, "value", None)
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
    }
    assert counts == {
        ("acrmirror.jobs", "event", "done"): 1,
        ("acrmirror.jobs", "check", "done"): 1,
        ("acrmirror.push.lag",): 1,
    }


ALONE = """
import json, os, sys, threading
reached = set()
def hook(event, arguments):
    if event == "socket.getaddrinfo":
        reached.add(str(arguments[0]))
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        reached.add(str(arguments[1][0]))
sys.addaudithook(hook)
from acrmirror.credentials import make_credential
from acrmirror.settings import Settings
from acrmirror.telemetry import Telemetry
settings = Settings.from_environment(os.environ)
with make_credential(settings) as credential:
    telemetry = Telemetry.open(settings, credential)
    telemetry.run_ended({"kind": "pull", "state": "done"})
    threads = sorted(it.name for it in threading.enumerate() if it is not threading.main_thread())
    telemetry.close()
print(json.dumps([sorted(reached), threads]))
"""


def test_the_exporter_speaks_to_its_endpoint_and_to_nobody_else(bare_stack: Stack, ingestion: Ingestion) -> None:
    """As the deployment sets it; by itself it would tell its maker of its use, and ask there for settings."""
    environment = {**os.environ, **bare_stack.app_environment(), **ingestion.settings()}
    ended = subprocess.run([sys.executable, "-c", ALONE], env=environment, capture_output=True, text=True, check=True)
    reached, threads = json.loads(ended.stdout)
    assert set(reached) <= {"127.0.0.1", "::1", "localhost"}
    # Who would speak to others waits for a while before it does.
    assert threads == ["OtelPeriodicExportingMetricReader", "telemetry"]
    assert ingestion.sums() == {("acrmirror.jobs", ("pull", "done")): 1}


KILLED = """
import os, sys, time
from acrmirror.credentials import make_credential
from acrmirror.settings import Settings
from acrmirror.telemetry import Telemetry
settings = Settings.from_environment(os.environ)
telemetry = Telemetry.open(settings, make_credential(settings))
telemetry.run_ended({"kind": "pull", "state": "done"})
sys.stdin.read()
"""


def test_a_worker_that_is_killed_after_a_run_has_told_of_it(bare_stack: Stack, ingestion: Ingestion) -> None:
    """Without a signal, and long before the next interval."""
    late = {"MIRROR_TELEMETRY_SECONDS": "3600"}
    environment = {**os.environ, **bare_stack.app_environment(), **ingestion.settings(), **late}
    with subprocess.Popen([sys.executable, "-c", KILLED], env=environment, stdin=subprocess.PIPE) as worker:
        assert wait_for(lambda: bool(ingestion.items()), 60)
        worker.kill()
    assert ingestion.sums() == {("acrmirror.jobs", ("pull", "done")): 1}


def test_the_endpoint_takes_no_key_and_nothing_that_is_meant_for_another(
    ingestion: Ingestion, foundation: Foundation
) -> None:
    metric = {"baseType": "MetricData", "baseData": {"metrics": [{"name": "a", "value": 1}]}}
    item = {"time": "2026-04-25T21:39:47.000000Z", "iKey": ingestion.connection_string[19:55], "data": metric}
    credential = foundation.identity.credential()
    elsewhere = credential.get_token("https://storage.azure.com/.default").token
    assert ingestion.send(None, item)[0] == 401
    assert ingestion.send(elsewhere, item)[0] == 401
    token = credential.get_token(f"{AUDIENCE}/.default").token
    assert ingestion.send(token, item) == (200, {"itemsReceived": 1, "itemsAccepted": 1, "errors": []})
    status, answer = ingestion.send(token, item, item | {"iKey": "another"}, {"iKey": item["iKey"]})
    assert (status, answer["itemsAccepted"], [it["index"] for it in answer["errors"]]) == (206, 1, [1, 2])
    assert len(ingestion.items()) == 2
