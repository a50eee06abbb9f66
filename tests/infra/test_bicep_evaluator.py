"""The evaluator, held to what the compiler itself predicted, and to the order that Bicep's operators have."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devtools.bicep.deployment import Impossible, Scope, Target
from devtools.bicep.evaluate import deploy, parameters
from devtools.bicep.functions import guid, unique_string
from devtools.bicep.reading import read
from devtools.bicep.settled import Place, settle
from devtools.bicep.syntax import SyntaxFault

COMPILED = Path(__file__).parent / "compiled"
HERE = "11111111-1111-1111-1111-111111111111"
ELSEWHERE = "22222222-2222-2222-2222-222222222222"
BASE = {
    "AZURE_LOCATION": "westeurope",
    "MIRROR_REGISTRY_ID": (
        f"/subscriptions/{HERE}/resourceGroups/rg-reg/providers/Microsoft.ContainerRegistry/registries/contoso"
    ),
}
# The environments that compiled/README.md says the compiler was run with.
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "plain": {},
    "everything": {
        "MIRROR_LOCATION": "northeurope",
        "MIRROR_REDUNDANCY": "Standard_GRS",
        "MIRROR_PREFIX": "contoso",
        "MIRROR_IMMUTABILITY_DAYS": "30",
        "MIRROR_COOL_AFTER_DAYS": "30",
        "MIRROR_COLD_AFTER_DAYS": "90",
        "MIRROR_PRIVATE_NETWORKING": "true",
        "MIRROR_REGISTRY_PRIVATE_ENDPOINT": "true",
        "MIRROR_SERVE": "true",
        "MIRROR_SERVE_USERS": "reader:$2y$05$hash",
        "MIRROR_ALERT_EMAILS": '["a@example.org"]',
        "MIRROR_ALLOWED_CALLERS": '["203.0.113.0/24"]',
        "MIRROR_REPOSITORY_PREFIXES": '["team/"]',
        "MIRROR_INSTANCE_MEMORY_MB": "4096",
    },
    "shared": {
        "MIRROR_EXISTING_ACCOUNT_ID": (
            f"/subscriptions/{ELSEWHERE}/resourceGroups/rg-old/providers/Microsoft.Storage/storageAccounts/stold"
        ),
        "MIRROR_EXISTING_TOPIC_NAME": "tp",
        "MIRROR_EXISTING_TOPIC_RESOURCE_GROUP": "rg-reg",
        "MIRROR_REGISTRY_AUTH": "anonymous",
    },
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_it_predicts_what_the_compiler_predicts(name: str) -> None:
    """Every resource in its order, every property, every expression and every output: there is no difference left."""
    templates = COMPILED / "templates"
    given = parameters(templates / "main.bicepparam", BASE | ENVIRONMENTS[name])
    found = deploy(templates / "main.bicep", given, Target(Scope(HERE))).form()
    assert found == json.loads((COMPILED / f"{name}.json").read_text(encoding="utf-8"))


def test_what_both_know_only_at_run_time_is_settled_by_what_the_registry_says() -> None:
    snapshot = json.loads((COMPILED / "plain.json").read_text(encoding="utf-8"))
    registry = BASE["MIRROR_REGISTRY_ID"]
    for mode, roles in (("AbacRepositoryPermissions", 2), ("LegacyRegistryPermissions", 1), (None, 1)):
        facts = {"properties.loginServer": "contoso.azurecr.io", "properties.roleAssignmentMode": mode}
        settled = settle(snapshot, Place({registry: facts}))
        assert len([item for item in settled.of("Microsoft.Authorization/roleAssignments") if item.on == registry]) == (
            roles
        )
        assert settled.outputs["MIRROR_BLOB_ENDPOINT"] == "https://stmirrormt4ubtsuzop3u.blob.core.windows.net"


def test_names_are_made_as_resource_manager_makes_them() -> None:
    assert unique_string(f"/subscriptions/{HERE}", "mirror", "westeurope") == "mt4ubtsuzop3u"
    assert guid(f"/subscriptions/{HERE}/resourceGroups/rg-mirror", "mirror") == "c28d539c-13df-54cd-8657-b97c72341a66"


def value_of(expression: str, **given: Any) -> Any:
    """Of one expression; what is given is declared before it."""
    declared = "\n".join(f"param {name} {kind(value)}" for name, value in given.items())
    file = read(Path("x.bicep"), f"{declared}\noutput value string = {expression}\n")
    return deploy(Path("x.bicep"), given, Target(Scope(HERE, "rg")), lambda path: file).form()["outputs"]["value"]


def kind(value: Any) -> str:
    return {str: "string", int: "int", bool: "bool", list: "array", dict: "object"}[type(value)]


@pytest.mark.parametrize(
    ("expression", "given", "wanted"),
    [
        # pycep's own tree takes each operator's right side as far as it goes.
        ("!yes || yes", {"yes": True}, True),
        ("no && no || yes", {"yes": True, "no": False}, True),
        ("yes || yes && no", {"yes": True, "no": False}, True),
        ("n == 1 ? 'one' : n == 2 ? 'two' : 'many'", {"n": 2}, "two"),
        ("n + 1 > 2 && n < 3", {"n": 2}, True),
        ("1 + n * 2 == 5", {"n": 2}, True),
        ("o.?missing.deeper ?? o.there", {"o": {"there": "x"}}, "x"),
        ("(o.?missing ?? o).there", {"o": {"there": "x"}}, "x"),
        ("items[1].name", {"items": [{"name": "a"}, {"name": "b"}]}, "b"),
        ("'${last(split(path, '/'))}-${n}'", {"path": "a/b", "n": 3}, "b-3"),
        ("'it\\'s {0} \\${n}'", {}, "it's {0} ${n}"),
        ("[for (item, index) in items: '${index}${item}']", {"items": ["a", "b"]}, ["0a", "1b"]),
        ("-1 < n", {"n": 0}, True),
        # What is known only at run time stays, with what is known worked out.
        ("environment().suffixes.storage", {}, "[environment().suffixes.storage]"),
        ("'${a}${environment().name}'", {"a": "o'k"}, "[format('{0}{1}', 'o''k', environment().name)]"),
        ("environment().name != 'x' && yes", {"yes": True}, "[and(not(equals(environment().name, 'x')), true())]"),
        ("environment().name == 'x' ? 1 : 2", {}, "[if(equals(environment().name, 'x'), 1, 2)]"),
        ("environment().?name ?? 'x'", {}, "[coalesce(tryGet(environment(), 'name'), 'x')]"),
    ],
)
def test_an_expression_is_worked_out_in_the_order_of_its_operators(
    expression: str, given: Mapping[str, Any], wanted: Any
) -> None:
    assert value_of(expression, **given) == wanted


def test_functions_and_names_come_from_the_files_that_are_imported(tmp_path: Path) -> None:
    (tmp_path / "text.bicep").write_text(
        "@export()\nfunc text(given string, otherwise string) string => empty(given) ? otherwise : given\n"
    )
    (tmp_path / "main.bicepparam").write_text(
        "using 'main.bicep'\nimport { text } from 'text.bicep'\n"
        "param a = int(text(readEnvironmentVariable('A', ''), '11'))\n"
        "param b = text(readEnvironmentVariable('B'), 'x')\n"
    )
    assert parameters(tmp_path / "main.bicepparam", {"A": "", "B": "given"}) == {"a": 11, "b": "given"}
    with pytest.raises(Impossible, match="B is not set"):
        parameters(tmp_path / "main.bicepparam", {})
    with pytest.raises(Impossible, match="int fails"):
        parameters(tmp_path / "main.bicepparam", {"A": "eleven", "B": "given"})


def test_a_secret_is_checked_and_never_written(tmp_path: Path) -> None:
    path = tmp_path / "main.bicep"
    path.write_text("@secure()\n@minLength(3)\nparam users string\noutput users string = users\n")
    scope = Target(Scope(HERE, "rg"))
    assert deploy(path, {"users": "abc"}, scope).form()["outputs"] == {"users": "[parameters('users')]"}
    with pytest.raises(Impossible, match="minLength is 3"):
        deploy(path, {"users": "ab"}, scope)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resource a 'b@c' = {", "x.bicep"),
        ("param a string = 'b", "x.bicep:1"),
        ("var a = [1, 2", "x.bicep"),
        ("var a = 1 +", "x.bicep"),
        ("resource a", "x.bicep"),
        ("var a = b c", "x.bicep:1"),
        ("metadata a = 'b'", "metadata is not known here"),
    ],
)
def test_what_is_not_bicep_is_not_read(text: str, said: str) -> None:
    with pytest.raises(SyntaxFault, match=re.escape(said)):
        read(Path("x.bicep"), text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("output a string = b", "b is declared nowhere"),
        ("var a = b\nvar b = a\noutput c string = a", "a needs b"),
        ("output a string = foo('x')", "there is no function foo"),
        ("param a object\noutput b string = a.c", "there is no .c"),
        ("output a string = [1][3]", "there is no [3]"),
        ("module a 'b.bicep' = if (false) {\n}\noutput c string = a.outputs.d", ".outputs of what is not deployed"),
        ("var a = 'x' + 1\noutput b string = a", "+ does not work on"),
        ("resource a 'B/c@1' = {\n}", "a has no name"),
    ],
)
def test_what_would_fail_is_impossible_and_says_where(text: str, said: str) -> None:
    file = read(Path("x.bicep"), text)
    given: dict[str, dict[str, object]] = {"a": {}} if text.startswith("param") else {}
    with pytest.raises(Impossible, match=re.escape(said)):
        deploy(Path("x.bicep"), given, Target(Scope(HERE, "rg")), lambda path: file)
