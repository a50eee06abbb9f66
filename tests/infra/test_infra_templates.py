"""The templates: every file is read by two parsers, what they send is what Azure's SDKs know, and does what it must."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tree_sitter
import tree_sitter_bicep

from devtools.bicep.deployment import Impossible
from devtools.bicep.evaluate import deploy, parameters
from devtools.bicep.models import UnknownType, resource
from devtools.bicep.properties import problems
from devtools.bicep.reading import Template, read
from devtools.bicep.syntax import Node
from devtools.deployment import INFRA, ROOT, templates
from devtools.deployment import __main__ as tool
from devtools.deployment.scenarios import COMMITTED, REGISTRY, SCENARIOS, Scenario, predicted, run, snapshot, subscribe
from tests.infra.requirements import check

LANGUAGE = tree_sitter.Language(tree_sitter_bicep.language())
each = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


def name_of(path: Path) -> str:
    return path.relative_to(INFRA).as_posix()


@pytest.mark.parametrize("path", templates(), ids=name_of)
def test_a_second_parser_takes_every_file_as_well(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert read(path)
    assert not tree_sitter.Parser(LANGUAGE).parse(text.encode()).root_node.has_error


@each
def test_what_is_sent_is_what_the_management_sdks_know(scenario: Scenario) -> None:
    found = predicted(scenario).form()["predictedResources"]
    assert [problem for item in found for problem in problems(item)] == []


@each
def test_a_deployment_does_what_it_must(scenario: Scenario) -> None:
    deployment = run(scenario)
    assert check(scenario, deployment, subscribe(deployment)) == []


@pytest.mark.parametrize("scenario", COMMITTED, ids=lambda scenario: scenario.file)
def test_a_snapshot_is_what_the_templates_predict(scenario: Scenario) -> None:
    """If not: `python3 dev.py infra --write`, and read what changed."""
    assert json.loads(snapshot(scenario).read_text(encoding="utf-8")) == predicted(scenario).form()


def test_what_is_out_of_date_is_told_with_what_makes_it_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(tool.out_of_date()) == []
    monkeypatch.setattr(tool, "snapshot_text", lambda scenario: "{}")
    told = list(tool.out_of_date())
    assert len(told) == len(COMMITTED)
    assert all("infra/snapshots/" in line and "python3 dev.py infra --write" in line for line in told)


@pytest.mark.parametrize("words", list(tool.compilations()), ids=" ".join)
def test_the_compiler_takes_the_templates_where_it_is_installed(words: list[str]) -> None:
    """Elsewhere this says only that the files which it would be given are there."""
    assert all((ROOT / word).is_file() for word in words if "/" in word)
    if bicep := shutil.which("bicep"):
        ended = subprocess.run([bicep, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("path", templates(), ids=name_of)
def test_what_is_declared_is_used(path: Path) -> None:
    file = read(path)
    used = {name for item in (*file.declarations.values(), *file.outputs.values()) for name in names(item.value)}
    made = {item.name for kind in ("resource", "module") for item in file.of(kind) if not item.existing}
    exported = {item.name for item in file.declarations.values() if "export" in item.decorators}
    assert set(file.declarations) - used - made - exported == set()


def names(node: object) -> set[str]:
    if isinstance(node, Node):
        own = {node.parts[0]} if node.what == "name" else set()
        return own.union(*map(names, node.parts))
    return set().union(*map(names, node)) if isinstance(node, tuple) else set()


@pytest.mark.parametrize("path", templates(), ids=name_of)
def test_every_parameter_is_described(path: Path) -> None:
    assert [item.name for item in read(path).of("param") if "description" not in item.decorators] == []


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"instanceMemoryMB": 1024}, "instanceMemoryMB cannot be 1024"),
        ({"mirrorRedundancy": "Premium_LRS"}, "mirrorRedundancy cannot be 'Premium_LRS'"),
        ({"registryId": "demo"}, "registryId cannot be 'demo'"),
        ({"copyThreads": 0}, "copyThreads cannot be 0"),
        ({"copyThreads": "12"}, "copyThreads of main.bicep is of type int"),
        ({"softDeleteDays": 400}, "softDeleteDays cannot be 400"),
        ({"registryAuth": "password"}, "registryAuth cannot be 'password'"),
        ({"mirrorServe": "all"}, "mirrorServe cannot be 'all'"),
        ({"serveMirror": True}, "users cannot be ''"),
        ({"colour": "blue"}, "main.bicep takes no colour"),
        ({"coolAfterDays": 30, "coldAfterDays": 30}, "coldAfterDays has to be above coolAfterDays."),
        ({"privateNetworking": True, "networkPrefix": "10.0.0.0/25"}, "networkPrefix 10.0.0.0/25 is too small"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(Impossible, match=re.escape(said)):
        run(Scenario("wrong", parameters))


def test_a_region_is_one_region_however_it_is_written() -> None:
    """Its display name made a second installation beside the first."""
    shown = {"location": "West Europe", "mirrorLocation": "North Europe"}
    known = {"location": "westeurope", "mirrorLocation": "northeurope"}
    assert predicted(Scenario("shown", shown)).form() == predicted(Scenario("known", known)).form()


def test_what_serves_is_another_one_where_its_region_or_kind_of_network_is_another() -> None:
    """Resource Manager refuses to move a Container Apps environment, or to put it into a network."""
    serve = {"serveMirror": True, "serveUsers": "u:hash"}
    others: list[dict[str, object]] = [{}, {"mirrorLocation": "northeurope"}, {"privateNetworking": True}]
    names = [
        item.full_name
        for other in others
        for item in predicted(Scenario("serve", serve | other)).resources
        if item.type.startswith("Microsoft.App/") or str(item.full_name).startswith("id-serve")
    ]
    assert len(names) == len(set(names)) == 9


def test_no_two_modules_of_a_file_are_deployed_under_one_name() -> None:
    """Not even with opposite conditions: one of the two is left out without a word."""
    for path in templates():
        names = [str(dict(body(item.value))["name"]) for item in read(path).of("module")]
        assert len(names) == len(set(names)), path.name


def body(node: Node | None) -> list[tuple[str, object]]:
    assert node is not None
    inner = node.parts[1] if node.what == "if" else node
    return [(key.parts[0], replace(value, line=0, parts=bare(value.parts))) for key, value in inner.parts]


def bare(parts: tuple[object, ...]) -> tuple[object, ...]:
    """Without the lines, which differ."""
    return tuple(replace(part, line=0, parts=bare(part.parts)) if isinstance(part, Node) else part for part in parts)


def test_every_rule_of_the_linter_is_an_error_or_is_argued() -> None:
    text = (INFRA / "bicepconfig.json").read_text(encoding="utf-8")
    rules = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))["analyzers"]["core"]["rules"]
    assert {name for name, rule in rules.items() if rule["level"] != "error"} == {"what-if-short-circuiting"}
    assert re.search(r"//.*\n\s*\"what-if-short-circuiting\"", text)


@pytest.mark.parametrize("path", templates(), ids=name_of)
def test_what_the_linter_or_compiler_is_told_to_overlook_is_argued_on_that_line(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if "#disable" in line:
            assert re.match(r"\s*#disable-next-line [\w-]+ // \w.{20,}", line), line


def parameter_file() -> tuple[Template, Template]:
    return read(INFRA / "main.bicep"), read(INFRA / "main.bicepparam")


def test_every_parameter_of_the_parameter_file_is_one_of_the_template() -> None:
    template, given = parameter_file()
    wanted = {parameter.name for parameter in template.of("param")}
    found = {parameter.name for parameter in given.of("var")}
    assert found == wanted


def defaults() -> dict[str, Any]:
    """Of the template's parameters, as far as they are not worked out from others."""
    found = {}
    for parameter in read(INFRA / "main.bicep").of("param"):
        if parameter.value is not None and parameter.name != "mirrorLocation":
            found[parameter.name] = {"list": [], "object": {}}.get(parameter.value.what, parameter.value.parts[:1])
    return {name: value[0] if isinstance(value, tuple) else value for name, value in found.items()}


GIVEN = {"AZURE_LOCATION": "westeurope", "MIRROR_REGISTRY_ID": REGISTRY}


@pytest.mark.parametrize("empty", [False, True], ids=["not set", "set to nothing"])
def test_the_parameter_file_gives_the_defaults_of_the_template(empty: bool) -> None:
    """A workflow passes an empty text for every variable that nobody set."""
    variables = set(re.findall(r"readEnvironmentVariable\('(\w+)'", (INFRA / "main.bicepparam").read_text()))
    environment = (dict.fromkeys(variables, "") if empty else {}) | GIVEN
    given = parameters(INFRA / "main.bicepparam", environment)
    expected = defaults() | {"environmentName": "mirror", "location": "westeurope", "registryId": REGISTRY}
    assert given == expected | {"mirrorLocation": "westeurope"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MIRROR_SERVE", "yes"),
        ("MIRROR_STOCK_REGISTRY", "yes"),
        ("MIRROR_ALERT_EMAILS", "a@example.org"),
        ("MIRROR_THREADS", "eleven"),
        ("MIRROR_REGISTRY_AUTH", "token"),
        ("MIRROR_INSTANCE_MEMORY_MB", "1024"),
        ("MIRROR_REDUNDANCY", "Premium_LRS"),
        ("AZURE_LOCATION", ""),
        ("MIRROR_REGISTRY_ID", ""),
    ],
)
def test_a_variable_that_is_wrong_is_refused_before_anything_is_deployed(variable: str, value: str) -> None:
    with pytest.raises(Impossible):
        deploy(INFRA / "main.bicep", parameters(INFRA / "main.bicepparam", GIVEN | {variable: value}))


def test_what_is_held_against_another_version_than_its_own_is_listed() -> None:
    """The SDKs carry one version of each; the compiler has them all."""
    sent = {(item.type, item.version) for scenario in SCENARIOS for item in predicted(scenario).resources}
    found = {(kind, version, resource(kind, version)[1]) for kind, version in sent}
    assert {(kind.partition("/")[0], version, other) for kind, version, other in found if version != other} == {
        ("Microsoft.Web", "2025-03-01", "2025-05-01"),
        ("Microsoft.Insights", "2026-03-01", "2023-12-01"),
        ("Microsoft.Insights", "2026-01-01", "2018-03-01"),
    }


def test_unknown_types_are_named() -> None:
    with pytest.raises(UnknownType, match="no SDK carries"):
        resource("Microsoft.Storage/storageAccount", "2026-04-01")
    with pytest.raises(UnknownType, match="is spelled"):
        resource("Microsoft.Storage/storageaccounts", "2026-04-01")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"isVersionningEnabled": True}, "has no isVersionningEnabled"),
        ({"isVersioningEnabled": "yes"}, "is of type bool, and not 'yes'"),
        ({"deleteRetentionPolicy": {"days": "7"}}, "days is of type int, and not '7'"),
    ],
)
def test_a_property_that_azure_does_not_know_is_named(change: dict[str, object], said: str) -> None:
    item = {"type": "Microsoft.Storage/storageAccounts/blobServices", "apiVersion": "2026-04-01", "properties": change}
    assert [said in problem for problem in problems(item)] == [True]
