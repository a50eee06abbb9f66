"""After the code is deployed: waiting for the function, the event subscription, and what each failure says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devtools.bicep.reading import read
from devtools.deployment import INFRA
from infra.hooks.environment import Environment, assignment, outputs
from infra.hooks.postdeploy import NEEDED, postdeploy
from infra.hooks.problems import Problem
from infra.hooks.smoke import repository
from tests.infra.cloud import THERE, azure
from tests.infra.hooked import Hooked

OUTPUTS = {
    **dict.fromkeys(NEEDED, "x"),
    "MIRROR_FUNCTION_APP": "func-mirror-x",
    "MIRROR_TOPIC_SUBSCRIPTION_ID": THERE,
    "MIRROR_TOPIC_RESOURCE_GROUP": "rg-Bücher",
    "MIRROR_REPOSITORY_PREFIXES": '["team/", "2024"]',
    "MIRROR_SMOKE_TEST": "false",
}


def deployed(variables: Mapping[str, str], **state: Any) -> Hooked:
    hooked = Hooked(azure(**state), variables)
    postdeploy(hooked.environment, hooked.azure, hooked.console, hooked.sleep)
    return hooked


def failed(variables: Mapping[str, str], **state: Any) -> tuple[str, Hooked]:
    hooked = Hooked(azure(**state), variables)
    with pytest.raises(Problem) as caught:
        postdeploy(hooked.environment, hooked.azure, hooked.console, hooked.sleep)
    return str(caught.value), hooked


def test_the_subscription_gets_all_its_parameters_by_a_file() -> None:
    """Words with quotes in them do not come through `az.cmd`, and `["2024"]` came as a number."""
    made = deployed(OUTPUTS).state["deployments"]
    assert [(item["--subscription"], item["--resource-group"]) for item in made] == [(THERE, "rg-Bücher")]
    values = made[0]["values"]
    assert set(values) == {parameter.name for parameter in read(INFRA / "subscription.bicep").of("param")}
    assert values["repositoryPrefixes"] == ["team/", "2024"]
    assert (
        deployed({**OUTPUTS, "MIRROR_REPOSITORY_PREFIXES": ""}).state["deployments"][0]["values"]["repositoryPrefixes"]
        == []
    )


def test_only_what_is_not_found_is_waited_for() -> None:
    hooked = deployed(OUTPUTS, function_after=3)
    assert hooked.pauses == [10, 10, 10]
    assert "(20 s): not listed yet" in hooked.console.text
    said, hooked = failed(OUTPUTS, function_after=1000)
    assert "func-mirror-x does not list on_registry_event after 10 minutes" in said
    assert (sum(hooked.pauses), hooked.state["deployments"]) == (600, [])


@pytest.mark.parametrize(
    ("failure", "tries"),
    [
        ((1, "Please run 'az login' to setup account."), 1),
        ((1, "(AuthorizationFailed) The client does not have authorization to perform action"), 1),
        ((3, "(ResourceGroupNotFound) Resource group 'rg-check' could not be found."), 3),
        ((1, "Connection aborted."), 3),
    ],
    ids=["signed out", "no rights", "no group", "no network"],
)
def test_what_else_fails_is_shown_and_soon_ends_the_wait(failure: tuple[int, str], tries: int) -> None:
    said, hooked = failed(OUTPUTS, failures={"functionapp function show": [failure] * 100})
    assert failure[1] in said
    assert len(hooked.asked("az functionapp")) == tries


def test_a_failure_that_passes_is_shown_and_waited_out() -> None:
    flaky = [(1, "Connection aborted."), (3, "(NotFound) Function"), (1, "Connection reset."), (1, "Gateway timeout")]
    hooked = deployed(OUTPUTS, failures={"functionapp function show": flaky})
    assert all(text in hooked.console.text for _, text in flaky if "NotFound" not in text)


def test_the_subscription_is_tried_again() -> None:
    """Event Grid has the function answer first, and one that has just been deployed does not always."""
    validation = (1, "Url validation: Webhook validation handshake failed for the endpoint")
    hooked = deployed(OUTPUTS, failures={"deployment group create": [validation, validation]})
    assert hooked.pauses == [15, 30]
    assert validation[1] in hooked.console.text
    said, hooked = failed(OUTPUTS, failures={"deployment group create": [validation] * 9})
    assert "no push is mirrored" in said
    assert validation[1] in said
    assert len(hooked.asked("az deployment")) == 5


@pytest.mark.parametrize("text", ["(AuthorizationFailed) no", "InvalidTemplate: no", "BCP033: no"])
def test_a_subscription_that_can_never_be_made_is_not_tried_again(text: str) -> None:
    said, hooked = failed(OUTPUTS, failures={"deployment group create": [(1, text)] * 9})
    assert text in said
    assert hooked.pauses == []


def test_all_that_is_not_set_is_named() -> None:
    lacking = {name: value for name, value in OUTPUTS.items() if "TOPIC" not in name}
    said, hooked = failed(lacking)
    named = "MIRROR_TOPIC_NAME, MIRROR_TOPIC_RESOURCE_GROUP, MIRROR_TOPIC_SUBSCRIPTION_ID are not set"
    assert said.startswith(named)
    assert hooked.state["calls"] == []


def test_prefixes_that_are_no_list_are_refused() -> None:
    assert "MIRROR_REPOSITORY_PREFIXES is 'team/'" in failed({**OUTPUTS, "MIRROR_REPOSITORY_PREFIXES": "team/"})[0]


def test_what_it_needs_the_template_puts_out() -> None:
    declared = set(read(INFRA / "main.bicep").outputs)
    assert {*NEEDED, "MIRROR_REPOSITORY_PREFIXES", "MIRROR_APP_URL"} <= declared


def test_outputs_are_read_as_the_azure_cli_prints_them(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    printed = {
        "azurE_RESOURCE_GROUP": {"type": "String", "value": "rg-a"},
        "mirroR_X": {"type": "Array", "value": ["a"]},
    }
    file.write_text("\ufeff" + json.dumps(printed), encoding="utf-8")
    environment = Environment(outputs(file))
    assert (environment.get("AZURE_RESOURCE_GROUP"), environment.get("MIRROR_X")) == ("rg-a", '["a"]')
    for text in ("", "null", '{"a": 1}'):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(Problem, match="does not hold the outputs"):
            outputs(file)


def test_what_to_set_is_written_for_the_shell_at_hand() -> None:
    assert assignment("A", "it's", "posix") == """export A='it'"'"'s'"""
    assert assignment("A", "it's", "nt") == "$env:A = 'it''s'"


def test_the_test_image_is_one_whose_events_come() -> None:
    assert repository("") == repository("[]") == "mirror-smoke-test"
    assert repository('["team/", "base/"]') == "team/mirror-smoke-test"


def test_without_the_right_to_push_the_deployment_is_done() -> None:
    hooked = deployed(
        {**OUTPUTS, "MIRROR_SMOKE_TEST": ""}, failures={"functionapp keys list": [(1, "(AuthorizationFailed)")]}
    )
    assert "Not tried with an image: you may not read the app's keys." in hooked.console.text
    hooked = deployed({**OUTPUTS, "MIRROR_SMOKE_TEST": ""}, key="k")
    assert "MIRROR_REGISTRY_ID is not set" in hooked.console.text
