"""The templates: every file parses, every property is one that Azure's SDKs know, and the whole does what it must."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_bicep
from pycep import BicepParser

from infra.checks import INFRA, templates
from infra.checks.deployment import Impossible
from infra.checks.models import UnknownType, resource
from infra.checks.mutations import problems
from infra.checks.parser import read
from infra.checks.requirements import check as requirements
from infra.checks.scenarios import SCENARIOS, Loader, Scenario, run, subscribe
from infra.checks.static import check
from infra.checks.tokens import SyntaxFault

FILES = templates()
LANGUAGE = tree_sitter.Language(tree_sitter_bicep.language())


def name_of(path: Path) -> str:
    return path.relative_to(INFRA).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_two_parsers_from_elsewhere_take_every_file_as_well(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert BicepParser().parse(text=text)
    assert not tree_sitter.Parser(LANGUAGE).parse(text.encode()).root_node.has_error


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_holds_against_the_management_sdks(path: Path) -> None:
    assert [str(finding) for finding in check(read(path), Loader())] == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_deployment_does_what_it_must(scenario: Scenario) -> None:
    deployment = run(scenario)
    assert requirements(scenario, deployment, subscribe(deployment)) == []


@pytest.mark.parametrize("path", [INFRA / "main.bicep", INFRA / "subscription.bicep"], ids=name_of)
def test_the_compiler_takes_the_templates_where_it_is_installed(path: Path) -> None:
    """Elsewhere this says only that nothing else is wrong with them."""
    assert problems() == []
    if bicep := shutil.which("bicep"):
        for verb in (["build", "--stdout"], ["lint"]):
            ended = subprocess.run([bicep, *verb, path], capture_output=True, text=True, check=False)
            assert ended.returncode == 0, ended.stderr


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


def test_every_parameter_of_the_parameter_file_is_one_of_the_template() -> None:
    template, given = read(INFRA / "main.bicep"), read(INFRA / "main.bicepparam")
    assert given.using == "main.bicep"
    wanted = {parameter.name for parameter in template.parameters}
    found = {parameter.name for parameter in given.parameters}
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
    template = {parameter.name: parameter for parameter in read(INFRA / "main.bicep").parameters}
    text = (INFRA / "main.bicepparam").read_text(encoding="utf-8")
    readers = {"string": "", "int": "int", "bool": "bool", "array": "json"}
    for name, reader, variable, default in re.findall(
        r"^param (\w+) = (?:(\w+)\()?readEnvironmentVariable\('(\w+)', '([^']*)'\)", text, re.MULTILINE
    ):
        parameter = template[name]
        assert reader == readers[parameter.type], name
        assert variable.startswith(("MIRROR_", "AZURE_"))
        if parameter.default is not None and parameter.type in ("int", "string"):
            assert default == str(getattr(parameter.default, "value", "")), name


@pytest.mark.parametrize(
    "text",
    [
        "resource a 'b@c' = {",
        "param a string = 'b",
        "var a = [1, 2",
        "var a = 'b${c'",
        "var a = 1 +",
        "resource a",
        "var a = b c",
    ],
)
def test_what_is_not_bicep_is_not_read(text: str) -> None:
    with pytest.raises(SyntaxFault):
        read(Path("x.bicep"), text)


def test_unknown_types_and_versions_are_named() -> None:
    with pytest.raises(UnknownType, match="no SDK carries"):
        resource("Microsoft.Storage/storageAccount", "2026-04-01")
    with pytest.raises(UnknownType, match="the SDKs carry 2026-04-01"):
        resource("Microsoft.Storage/storageAccounts", "2099-01-01")
    with pytest.raises(UnknownType, match="is spelled"):
        resource("Microsoft.Storage/storageaccounts", "2026-04-01")
