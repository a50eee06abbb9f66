"""Before provisioning: what is asked for, found, refused and kept."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.bicep.reading import read
from devtools.bicep.settled import at
from devtools.bicep.syntax import Node
from devtools.deployment import INFRA, SITE
from devtools.deployment.scenarios import SCENARIOS, SPARE, run
from infra.hooks import checks, rights
from infra.hooks.__main__ import too_old
from infra.hooks.commands import check_words, decoded
from infra.hooks.environment import Environment
from infra.hooks.ids import ACCOUNT, REGISTRY, parse_id
from infra.hooks.problems import Problem
from infra.hooks.variables import VARIABLES, Kind, Number, Object, OneOf, Texts, wrong_variables
from tests.infra import cloud
from tests.infra.cloud import HERE, THERE, azure, topic
from tests.infra.provisioning import RIGHT, WEST, provisioned, refused

TEXTS = ("MIRROR_EXISTING_TOPIC_NAME", "MIRROR_EXISTING_TOPIC_RESOURCE_GROUP")


# -- which registry


def test_a_registry_is_found_by_its_name_in_the_chosen_subscription() -> None:
    """The CLI's own default is another one."""
    hooked = provisioned(
        {"MIRROR_REGISTRY_NAME": "DemoImages", "AZURE_SUBSCRIPTION_ID": THERE, **WEST, "AZURE_LOCATION": "West Europe"},
        registered={THERE: azure()["registered"][HERE]},
    )
    assert hooked.kept == {
        "MIRROR_REGISTRY_ID": cloud.REGISTRY,
        "AZURE_LOCATION": "westeurope",
    }


def test_whoever_named_no_registry_is_shown_those_there_are_and_asked() -> None:
    two = [cloud.registry("zweite", HERE, "rg-a", "westeurope"), cloud.registry("erste", HERE, "rg-b", "northeurope")]
    hooked = provisioned({}, ["", "7", "2", "northeurope", "northeurope"], registries=two)
    assert (
        "  1. erste (northeurope, in rg-b, Standard)\n  2. zweite (westeurope, in rg-a, Standard)"
        in hooked.console.text
    )
    assert "'7' is none of them." in hooked.console.text
    assert "taking the Azure CLI's, apps" in hooked.console.text
    assert hooked.kept["MIRROR_REGISTRY_ID"] == two[0]["id"]
    assert (hooked.kept["AZURE_SUBSCRIPTION_ID"], hooked.kept["AZURE_LOCATION"]) == (HERE, "northeurope")


def test_the_region_of_the_registry_is_proposed_for_the_app_and_its_pair_for_the_mirror() -> None:
    skus = {"germanynorth": ["Standard_LRS"]}
    kept = provisioned({"MIRROR_REGISTRY_ID": cloud.REGISTRY}, ["", ""], skus=skus).kept
    assert (kept["AZURE_LOCATION"], kept["MIRROR_LOCATION"]) == ("germanywestcentral", "germanynorth")


def test_a_mirror_beside_its_registry_is_warned_of() -> None:
    """Who names that region insists on it; nobody gets it unasked."""
    said = refused({**RIGHT, "MIRROR_LOCATION": ""})
    assert "MIRROR_LOCATION is not set" in said
    assert "The registry is in germanywestcentral, which is paired with germanynorth" in said
    beside = {**RIGHT, "MIRROR_LOCATION": "Germany West Central"}
    assert "WARNING: The mirror is in the registry's region" in provisioned(beside).console.text
    geo = provisioned({**beside, "MIRROR_REDUNDANCY": "Standard_GRS"}, skus={"germanywestcentral": ["Standard_GRS"]})
    assert "a copy in the paired region survives it" in geo.console.text
    assert "WARNING" not in provisioned(RIGHT).console.text


def test_where_nobody_can_answer_what_is_to_be_set_is_said() -> None:
    said = refused({})
    assert "azd env set MIRROR_REGISTRY_NAME" in said
    assert "demoimages (germanywestcentral, in rg-Bücher, Standard)" in said, "of the other subscription"
    assert "azd env set AZURE_LOCATION" in refused({"MIRROR_REGISTRY_ID": cloud.REGISTRY})
    assert "Nobody answered" in refused({}, [])


def test_a_name_that_is_not_there_is_told_with_those_that_are() -> None:
    said = refused({**RIGHT, "MIRROR_REGISTRY_ID": "", "MIRROR_REGISTRY_NAME": "nonesuch"})
    assert "MIRROR_REGISTRY_NAME is 'nonesuch'" in said
    assert "demoimages" in said
    assert "MIRROR_REGISTRY_ID names" in refused({**RIGHT, "MIRROR_REGISTRY_ID": cloud.REGISTRY + "x"})


def test_a_name_and_an_id_of_two_registries_are_told() -> None:
    said = refused({**RIGHT, "MIRROR_REGISTRY_NAME": "another"})
    assert "MIRROR_REGISTRY_NAME is 'another', and MIRROR_REGISTRY_ID names 'demoimages'" in said
    assert provisioned({**RIGHT, "MIRROR_REGISTRY_NAME": "DEMOIMAGES"}).kept == {}


@pytest.mark.parametrize(
    "text",
    [
        cloud.REGISTRY,
        f" {cloud.REGISTRY}/ ",
        cloud.REGISTRY.replace("resourceGroups", "resourcegroups"),
        cloud.REGISTRY.replace("/subscriptions", "/SUBSCRIPTIONS").replace("Microsoft.C", "microsoft.c"),
    ],
    ids=["as it is", "slash and blanks", "lower case", "other cases"],
)
def test_an_id_is_read_however_it_is_written(text: str) -> None:
    assert str(parse_id(text, REGISTRY, "it")) == cloud.REGISTRY


@pytest.mark.parametrize(
    "text",
    [
        "demoimages",
        cloud.REGISTRY.replace("/providers", "//providers"),
        cloud.REGISTRY.replace(THERE, ""),
        cloud.REGISTRY.replace(THERE, "x"),
        cloud.REGISTRY.replace("rg-Bücher", "rg."),
        cloud.REGISTRY.replace("rg-Bücher", "r/g"),
        cloud.REGISTRY + "/webhooks/x",
        cloud.REGISTRY.replace("ContainerRegistry", "Storage"),
        cloud.REGISTRY.removesuffix("demoimages"),
        cloud.REGISTRY + " x",
    ],
)
def test_what_is_no_id_is_refused_with_its_variable(text: str) -> None:
    said = refused({**RIGHT, "MIRROR_REGISTRY_ID": text})
    assert said.startswith(f"MIRROR_REGISTRY_ID is '{text}'") or "MIRROR_REGISTRY_ID is" in said
    assert "/providers/Microsoft.ContainerRegistry/registries/<name>" in said


# -- which topic


@pytest.mark.parametrize(
    "topics",
    [
        [],
        [topic("evgt-other", "rg-Bücher", cloud.REGISTRY + "2", None)],
        [topic("evgt-demoimages", "RG-Bücher", cloud.REGISTRY.lower() + "/", "SystemAssigned")],
    ],
    ids=["no topic", "another registry's", "our own"],
)
def test_without_a_foreign_topic_the_template_makes_its_own(topics: list[dict[str, Any]]) -> None:
    """What is not set is not set to nothing: no word is empty on its way."""
    assert provisioned(RIGHT, topics=topics).kept == {}


@pytest.mark.parametrize("identity", ["SystemAssigned", "SystemAssigned, UserAssigned", "None", None])
def test_a_topic_that_is_there_is_used_and_gets_the_identity_that_it_lacks(identity: str | None) -> None:
    """By a request that says so: the CLI's own command was seen to send an empty one, and to end well."""
    hooked = provisioned(RIGHT, topics=[topic("evgt-shared", "rg-events", cloud.REGISTRY.upper(), identity)])
    assert hooked.kept == dict(zip(TEXTS, ("evgt-shared", "rg-events"), strict=True))
    assert "SystemAssigned" in hooked.state["topics"][0]["identity"]["type"]
    assert len(hooked.asked("az rest --method patch")) == (identity in ("None", None))


def test_an_identity_that_does_not_come_ends_it() -> None:
    shared = [topic("evgt-shared", "rg-events", cloud.REGISTRY, None)]
    said = refused(RIGHT, topics=shared, takes_identity=False)
    assert "evgt-shared has no identity although it was given one" in said


def test_identities_of_others_are_left_alone() -> None:
    shared = [topic("evgt-shared", "rg-events", cloud.REGISTRY, "UserAssigned")]
    assert "user-assigned identities only" in refused(RIGHT, topics=shared)


def test_a_topic_that_a_person_set_is_kept_or_the_contradiction_told() -> None:
    own = [topic("evgt-demoimages", "rg-Bücher", cloud.REGISTRY, "SystemAssigned")]
    assert provisioned({**RIGHT, TEXTS[0]: "evgt-demoimages"}, topics=own).kept == {TEXTS[1]: "rg-Bücher"}
    two = [topic(name, "rg-events", cloud.REGISTRY, "SystemAssigned") for name in ("evgt-a", "evgt-b")]
    chosen = {**RIGHT, TEXTS[0]: "EVGT-B"}
    assert provisioned(chosen, topics=two).kept == dict(zip(TEXTS, ("evgt-b", "rg-events"), strict=True))
    assert "several system topics: evgt-a in rg-events, evgt-b in rg-events" in refused(RIGHT, topics=two)
    assert "it has no topic" in refused(chosen)
    said = refused({**chosen, TEXTS[1]: "rg-else"}, topics=two)
    assert "MIRROR_EXISTING_TOPIC_NAME is 'EVGT-B' in rg-else" in said
    assert "the registry's topic is evgt-a in rg-events, evgt-b in rg-events" in said


# -- what is looked at before anything is made


@pytest.mark.parametrize(
    ("variables", "state", "said"),
    [
        ({}, {"versions": {"az": "2.79.1", "azd": "1.25.0"}}, "az is version 2.79.1, and 2.80 or newer"),
        ({}, {"versions": {"az": "2.80.0", "azd": "1.24.9"}}, "azd is version 1.24.9, and 1.25 or newer"),
        ({}, {"accounts": []}, "run az login"),
        ({}, {"failures": {"acr show": [(1, "AADSTS70043: The refresh token has expired")]}}, "run az login"),
        ({"AZURE_LOCATION": "brazilsouth"}, {}, "AZURE_LOCATION is 'brazilsouth'"),
        ({}, {"runtimes": {"python": ["3.11"]}}, "has no Python 3.13. It has: 3.11"),
        ({}, {"registered": {HERE: ["Web"]}}, f"az provider register --subscription {HERE} --namespace Microsoft.App"),
        (
            {"MIRROR_LOCATION": "North Europe", "MIRROR_REDUNDANCY": "Standard_ZRS"},
            {},
            "MIRROR_REDUNDANCY is Standard_ZRS",
        ),
        ({"MIRROR_REGISTRY_PRIVATE_ENDPOINT": "true"}, {}, "only a Premium one has private endpoints"),
        ({}, {"registries": [{**azure()["registries"][0], "publicNetworkAccess": "Disabled"}]}, "ENDPOINT to true"),
        ({"MIRROR_STOCK_REGISTRY": "yes"}, {}, "MIRROR_STOCK_REGISTRY is 'yes', and has to be one of true, false."),
        ({"MIRROR_SERVE": "true"}, {}, "MIRROR_SERVE is 'true', and has to be one of off, credentials, anonymous."),
        ({"MIRROR_THREADS": "eleven"}, {}, "MIRROR_THREADS is 'eleven', and has to be a whole number."),
        ({"MIRROR_THREADS": "65"}, {}, "MIRROR_THREADS is '65', and has to be from 1 to 64."),
        ({"MIRROR_INSTANCE_MEMORY_MB": "1024"}, {}, "has to be 512 or 2048 or 4096"),
        ({"MIRROR_ALERT_EMAILS": "a@example.org"}, {}, "MIRROR_ALERT_EMAILS is 'a@example.org', and has to be a list"),
        ({"MIRROR_REPOSITORY_PREFIXES": str(["x"] * 26).replace("'", '"')}, {}, "has to be a list of at most 25"),
        ({"MIRROR_TAGS": "owner=me"}, {}, "MIRROR_TAGS is 'owner=me', and has to be an object"),
        ({"MIRROR_REGISTRY_AUTH": "token"}, {}, "MIRROR_REGISTRY_AUTH is 'token'"),
        ({"MIRROR_NETWORK_PREFIX": "10.0.0.0/25"}, {}, "too small for three subnets"),
        ({"MIRROR_NETWORK_PREFIX": "10.0.0.1/24"}, {}, "has to be a range of addresses"),
        ({"MIRROR_COOL_AFTER_DAYS": "30", "MIRROR_COLD_AFTER_DAYS": "30"}, {}, "MIRROR_COLD_AFTER_DAYS is 30"),
        ({"MIRROR_RESTORE_TARGET_ID": "spare"}, {}, "MIRROR_RESTORE_TARGET_ID is 'spare', and has to be"),
        (
            {"MIRROR_RESTORE_TARGET_ID": SPARE},
            {"permissions": {SPARE.partition("/providers")[0]: [{"actions": ["*/read"]}]}},
            f"at {SPARE.partition('/providers')[0]}: {rights.DEPLOY}, {rights.ASSIGN}.",
        ),
        ({"MIRROR_EXISTING_ACCOUNT_ID": "stmirror"}, {}, "MIRROR_EXISTING_ACCOUNT_ID is 'stmirror'"),
        ({"MIRROR_ALLOWED_CALLERS": '["192.0.2.7"]'}, {}, "MIRROR_ALLOWED_CALLERS has '192.0.2.7'"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_would_be_refused_later_is_told_before(
    variables: dict[str, str], state: dict[str, Any], said: str
) -> None:
    assert said in refused({**RIGHT, **variables}, **state)


def test_an_azd_that_does_not_say_its_version_is_shown() -> None:
    assert "`azd version --output json` failed" in refused(RIGHT, versions={"az": "2.91.0", "azd": None})


def test_everything_that_is_wrong_is_told_at_once() -> None:
    said = refused({**RIGHT, "MIRROR_SERVE": "yes", "MIRROR_THREADS": "0"}, versions={"az": "2.1.0", "azd": "1.1.0"})
    assert [line[:4] for line in said.splitlines()] == ["- az", "- az", "- MI", "- MI"]


def test_rights_are_looked_at_where_something_is_made() -> None:
    group = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-Bücher"
    mirrors = f"/subscriptions/{THERE}/resourceGroups/rg-mirrors"
    contributor = [{"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}]
    reader = [{"actions": ["*/read"], "notActions": []}]
    account = {"MIRROR_EXISTING_ACCOUNT_ID": f"{mirrors}/providers/{ACCOUNT}/stother"}
    said = refused(
        {**RIGHT, **account}, permissions={f"/subscriptions/{HERE}": contributor, group: reader, mirrors: contributor}
    )
    assert f"at /subscriptions/{HERE}: {rights.ASSIGN}." in said
    assert f"at {group}: {', '.join(rights.AT_REGISTRY)}." in said
    assert f"at {mirrors}: {rights.ASSIGN}." in said
    with_roles = [*contributor, {"actions": ["Microsoft.Authorization/roleAssignments/*"], "notActions": []}]
    everywhere = {scope: with_roles for scope in (f"/subscriptions/{HERE}", group, mirrors)}
    assert provisioned({**RIGHT, **account}, permissions=everywhere).kept == {}, "of two roles one grants it"
    assert "Set MIRROR_LOCK to false" in refused(RIGHT, permissions=everywhere)
    assert provisioned({**RIGHT, "MIRROR_LOCK": "false"}, permissions=everywhere).kept == {}


def test_private_networking_asks_for_more_providers() -> None:
    state: dict[str, Any] = {"registered": {HERE: azure()["registered"][HERE][:-1]}}
    assert provisioned(RIGHT, **state).kept == {}
    assert "Microsoft.Network" in refused({**RIGHT, "MIRROR_PRIVATE_NETWORKING": "true"}, **state)


def test_the_runtime_that_is_looked_for_is_the_apps() -> None:
    assert at(run(SCENARIOS[0]).of(SITE)[0].body, "properties/functionAppConfig/runtime/version") == checks.RUNTIME


# -- how it is written down


def test_without_azd_what_to_set_is_printed() -> None:
    hooked = provisioned(RIGHT, azd=False, topics=[topic("evgt-shared", "rg-Bücher", cloud.REGISTRY, "SystemAssigned")])
    assert "export MIRROR_EXISTING_TOPIC_RESOURCE_GROUP='rg-Bücher'" in hooked.console.text
    assert not hooked.asked("azd")


def test_answers_with_other_line_ends_are_read() -> None:
    assert provisioned(RIGHT, line_end="\r\n").kept == {}


def test_names_are_the_same_in_any_case() -> None:
    environment = Environment({"azurE_RESOURCE_GROUP": "rg-a", "Mirror_X": "b", "EMPTY": " "})
    assert (environment.get("AZURE_RESOURCE_GROUP"), environment.get("MIRROR_X"), environment.get("EMPTY")) == (
        *("rg-a", "b"),
        "",
    )


@pytest.mark.parametrize("word", ['["team/"]', "50%", "a&b", "x\ny"])
def test_what_a_batch_file_would_change_is_not_given_to_it(word: str) -> None:
    with pytest.raises(Problem, match="can't be given"):
        check_words(r"C:\Program Files\az.CMD", ["acr", word])
    check_words("/usr/bin/az", ["acr", word])


def test_other_encodings_of_answers_are_read() -> None:
    assert decoded("Bücher".encode()) == "Bücher"
    assert decoded(b"B\xfccher").startswith("B")


@pytest.mark.parametrize(("version", "fits"), [((3, 10, 14), False), ((3, 11, 0), True), ((3, 14, 1), True)])
def test_an_older_python_is_told_so(version: tuple[int, ...], fits: bool) -> None:
    assert (too_old(version) == "") == fits
    ast.parse((INFRA / "hooks" / "__main__.py").read_text(encoding="utf-8"), feature_version=(3, 4))


# -- the list of variables is the templates'


def test_each_variable_is_held_to_what_its_parameter_takes() -> None:
    text = (INFRA / "main.bicepparam").read_text(encoding="utf-8")
    variables = dict(re.findall(r"^param (\w+) = .*?readEnvironmentVariable\('(MIRROR_\w+)'", text, re.MULTILINE))
    found: dict[str, Kind] = {}
    for parameter in read(INFRA / "main.bicep").of("param"):
        name = variables.get(parameter.name, "")
        limits = {key: number(parameter.decorators.get(key)) for key in ("minValue", "maxValue", "maxLength")}
        allowed = parameter.decorators.get("allowed")
        only = tuple(part.parts[0] for part in allowed.parts) if allowed is not None else ()
        if parameter.type == "int":
            found[name] = Number(0, 0, only) if only else Number(limits["minValue"], limits["maxValue"])
        elif only or parameter.type == "bool":
            found[name] = OneOf(only or ("true", "false"))
        elif parameter.type == "string[]":
            known = VARIABLES.get(name)
            found[name] = Texts(limits["maxLength"] or Texts().most, known.example if isinstance(known, Texts) else "")
        elif parameter.type == "tagsOf":
            found[name] = Object()
        elif parameter.type in ("subnetsOf", "zoneIdsOf"):
            found[name] = Object(keys_of(parameter.type))
    assert found == VARIABLES


def keys_of(name: str) -> tuple[str, ...]:
    """Of an object that infra/types.bicep describes."""
    text = (INFRA / "types.bicep").read_text(encoding="utf-8")
    return tuple(re.findall(r"(\w+): string\?", text.partition(f"type {name} = {{")[2].partition("}")[0]))


def number(node: Node | None) -> int:
    return int(node.parts[0]) if node is not None else 0


def test_what_is_not_set_is_right() -> None:
    assert list(wrong_variables(Environment(dict.fromkeys(VARIABLES, "")))) == []


def python_files() -> Iterator[Path]:
    yield from (INFRA / "hooks").glob("*.py")


def test_the_hooks_need_nothing_that_has_to_be_installed() -> None:
    ours = {"infra", "__future__", "pip"}
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= {*sys.stdlib_module_names, *ours}, path.name
