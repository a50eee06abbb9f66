"""What the deployment sets is what the app reads, and the app takes it."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from acrmirror.settings import Settings
from devtools.bicep.settled import Whole, at
from devtools.deployment import ACCOUNT, INFRA, SITE
from devtools.deployment.scenarios import SCENARIOS, Scenario, run, subscribe
from function_app import app
from tests.infra.requirements.settings import DEFAULTS

ROOT = Path(__file__).resolve().parents[2]

# Only the local stack sets the first two; the platform itself offers the third.
NOT_DEPLOYED = {"MIRROR_REDIRECT_LOCAL", "MIRROR_TRUST_BUNDLE", "IDENTITY_ENDPOINT"}
# What the host and telemetry sign in with; the app does not read them.
OF_THE_PLATFORM = re.compile(
    r"AzureWebJobsStorage__(credential|clientId|(blob|queue|table)ServiceUri)|MIRROR_QUEUE__(credential|clientId)"
    r"|APPLICATIONINSIGHTS_(AUTHENTICATION_STRING|STATSBEAT_DISABLED_ALL|SDKSTATS_DISABLED|CONTROLPLANE_DISABLED)|OTEL_\w+"
    r"|PYTHON_THREADPOOL_THREAD_COUNT"
)
CLIENT_ID = "00000000-0000-4000-8000-000000000000"


class Recorded(Mapping[str, str]):
    """An environment that knows which names were read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values_ = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def deployed_settings(deployment: Whole) -> dict[str, str]:
    listed: list[dict[str, Any]] = at(deployment.of(SITE)[0].body, "properties/siteConfig/appSettings")
    return {item["name"]: re.sub(r"/subscriptions/\S+\.clientId", CLIENT_ID, item["value"]) for item in listed}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_app_takes_what_the_deployment_sets(scenario: Scenario) -> None:
    given = scenario.given
    settings = Settings.from_environment(deployed_settings(run(scenario)))
    assert settings.registry == "demo.azurecr.io"
    assert settings.registry_resource_id == given["registryId"]
    assert settings.client_id == CLIENT_ID
    assert settings.anonymous == (given.get("registryAuth") == "anonymous")
    assert settings.container == given.get("mirrorContainer", "mirror")
    assert settings.registry_region == "germanywestcentral"
    assert settings.region in ("westeurope", "northeurope", "francecentral")
    assert settings.redundancy.startswith("Standard_")
    assert settings.prefix == given.get("mirrorPrefix", "")
    assert settings.threads == given.get("copyThreads", DEFAULTS["threads"])
    assert settings.claim_stale_seconds == given.get("claimStaleSeconds", DEFAULTS["claim_stale_seconds"])
    assert settings.redirect_hosts == (".blob.core.windows.net", ".data.azurecr.io")
    assert not settings.redirect_local
    assert settings.queue_endpoint.removeprefix("https://").startswith("sthost")


def test_every_setting_that_the_app_reads_is_set_and_no_other() -> None:
    environment = Recorded(deployed_settings(run(SCENARIOS[0])))
    Settings.from_environment(environment)
    of_the_app = {name for name in environment if not OF_THE_PLATFORM.fullmatch(name)}
    assert of_the_app == environment.asked - NOT_DEPLOYED


def test_the_host_gets_its_triggers_from_a_bundle_that_flex_consumption_takes() -> None:
    bundle = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["extensionBundle"]
    assert bundle["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
    assert re.match(r"\[4\.\d", bundle["version"])


def test_the_deployment_speaks_of_functions_queues_and_connections_that_are_there() -> None:
    functions = {function.get_function_name(): function.get_trigger() for function in app.get_functions()}
    triggers = {name: trigger.get_dict_repr() for name, trigger in functions.items() if trigger is not None}
    deployment = run(SCENARIOS[0])
    site = deployment.of(SITE)[0].body
    ready = at(site, "properties/functionAppConfig/scaleAndConcurrency/alwaysReady")
    destination = at(subscribe(deployment).resources[-1].body, "properties/destination/properties/resourceId")
    assert {item["name"].removeprefix("function:") for item in ready} == {"on_registry_event", "run_mirror_job"}
    assert triggers[destination.rpartition("/")[2]]["type"] == "eventGridTrigger"
    queues = {item["queueName"]: item["connection"] for item in triggers.values() if item["type"] == "queueTrigger"}
    assert set(queues) == {item.name for item in deployment.of(f"{ACCOUNT}/queueServices/queues")}
    assert set(queues.values()) == {"MIRROR_QUEUE"}
    for text in (INFRA / "alerts").glob("*.kql"):
        named = set(re.findall(r"Name == '(\w+)'", text.read_text(encoding="utf-8")))
        assert named <= set(functions), text.name
