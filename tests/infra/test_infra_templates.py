"""The templates: every file is read by two parsers, what they send is what Azure's SDKs know, and does what it must."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_bicep

from devtools.bicep.deployment import Impossible
from devtools.bicep.models import UnknownType, resource
from devtools.bicep.properties import problems
from devtools.bicep.reading import Node, Template, read
from devtools.deployment import INFRA, ROOT, templates
from devtools.deployment import __main__ as tool
from devtools.deployment.scenarios import COMMITTED, SCENARIOS, Scenario, predicted, run, snapshot, subscribe
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
        ({"serveMirror": True}, "users cannot be ''"),
        ({"colour": "blue"}, "main.bicep takes no colour"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(Impossible, match=re.escape(said)):
        run(Scenario("wrong", parameters))


def parameter_file() -> tuple[Template, Template]:
    return read(INFRA / "main.bicep"), read(INFRA / "main.bicepparam")


def test_every_parameter_of_the_parameter_file_is_one_of_the_template() -> None:
    template, given = parameter_file()
    wanted = {parameter.name for parameter in template.of("param")}
    found = {parameter.name for parameter in given.of("var")}
    assert found <= wanted
    # What few need has its default only in the template, and the registry's tags are nobody else's business.
    assert wanted - found == {
        "claimStaleSeconds",
        "mirrorContainer",
        "notFoundSeconds",
        "recheckSeconds",
        "registryAudience",
        "retrySeconds",
        "serveImage",
        "tags",
    }


def test_the_parameter_file_gives_the_types_and_the_defaults_of_the_template() -> None:
    template = {parameter.name: parameter for parameter in read(INFRA / "main.bicep").of("param")}
    text = (INFRA / "main.bicepparam").read_text(encoding="utf-8")
    readers = {"string": "", "int": "int", "bool": "bool", "array": "json"}
    for name, reader, variable, default in re.findall(
        r"^param (\w+) = (?:(\w+)\()?readEnvironmentVariable\('(\w+)', '([^']*)'\)", text, re.MULTILINE
    ):
        parameter = template[name]
        assert reader == readers[parameter.type] or name == "instanceMemoryMB", name
        assert variable.startswith(("MIRROR_", "AZURE_"))
        if parameter.value is not None and parameter.type in ("int", "string"):
            value = parameter.value.parts[0] if parameter.value.what == "literal" else ""
            assert default == str(value), name


def test_unknown_types_and_versions_are_named() -> None:
    with pytest.raises(UnknownType, match="no SDK carries"):
        resource("Microsoft.Storage/storageAccount", "2026-04-01")
    with pytest.raises(UnknownType, match="the SDKs carry 2026-04-01"):
        resource("Microsoft.Storage/storageAccounts", "2099-01-01")
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
