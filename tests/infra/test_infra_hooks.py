"""The hooks around a deployment: lint, equal commands in both shells, and what they do, with an `az` that records."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_powershell
import yaml

from devtools.bicep.reading import read
from devtools.deployment import INFRA
from tests.programs import make_program

ROOT = INFRA.parent
HOOKS = INFRA / "hooks"
SHELL = sorted(HOOKS.glob("*.sh"))
POWERSHELL = sorted(HOOKS.glob("*.ps1"))
SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"
REGISTRY = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-images/providers/Microsoft.ContainerRegistry/registries/demo"
)
OUTPUTS = {
    "AZURE_SUBSCRIPTION_ID": "11111111-1111-1111-1111-111111111111",
    "AZURE_RESOURCE_GROUP": "rg-check",
    "MIRROR_FUNCTION_APP": "func-mirror-x",
    "MIRROR_FUNCTION_APP_ID": "/subscriptions/1/resourceGroups/rg-check/providers/Microsoft.Web/sites/func-mirror-x",
    "MIRROR_HOST_ACCOUNT_ID": "/subscriptions/1/…/sthostx",
    "MIRROR_DEAD_LETTER_CONTAINER": "dead-letters",
    "MIRROR_TOPIC_NAME": "evgt-demo",
    "MIRROR_TOPIC_RESOURCE_GROUP": "rg-images",
    "MIRROR_TOPIC_SUBSCRIPTION_ID": SUBSCRIPTION,
    "MIRROR_REPOSITORY_PREFIXES": '["team/"]',
}

STAND_IN = """
import json, pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
answers = json.loads((here / "answers.json").read_text())
for beginning, replies in answers.items():
    if " ".join(sys.argv[1:]).startswith(beginning):
        count = here / (beginning.replace(" ", "-") + ".count")
        at = int(count.read_text()) if count.exists() else 0
        count.write_text(str(at + 1))
        code, text = replies[min(at, len(replies) - 1)]
        sys.stdout.write(text)
        sys.exit(code)
"""


class Azure:
    """A folder on the path with an `az` that says what it was told to say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_program(folder / "az", STAND_IN)
        # Ten seconds a try are too long for a test.
        sleep = folder / "sleep"
        sleep.write_text("#!/bin/sh\n", encoding="utf-8")
        sleep.chmod(0o755)

    def run(
        self, hook: str, environment: dict[str, str], answers: dict[str, list[tuple[int, str]]]
    ) -> subprocess.CompletedProcess[str]:
        (self.folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
        path = f"{self.folder}:/usr/bin:/bin"
        return subprocess.run(
            ["sh", HOOKS / hook],
            env={"PATH": path, "LC_ALL": "C.UTF-8", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def calls(self) -> list[list[str]]:
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def azure(tmp_path: Path) -> Azure:
    return Azure(tmp_path)


def kept(ended: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in ended.stdout.splitlines() if "=" in line)


def topics(*rows: tuple[str, str, str, str]) -> dict[str, list[tuple[int, str]]]:
    text = "".join("\t".join(row) + "\n" for row in rows)
    return {"eventgrid system-topic list": [(0, text)], "eventgrid system-topic update": [(0, "")]}


def test_shellcheck_has_nothing_to_say() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    ended = subprocess.run([shellcheck, "--severity=style", *SHELL], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("path", POWERSHELL, ids=lambda path: path.name)
def test_powershell_parses(path: Path) -> None:
    language = tree_sitter.Language(tree_sitter_powershell.language())
    root = tree_sitter.Parser(language).parse(path.read_bytes()).root_node
    assert not root.has_error


def script(path: Path) -> str:
    """One command a line, without comments."""
    text = re.sub(r"(?m)^\s*#.*$", "", path.read_text(encoding="utf-8"))
    return re.sub(r"[\\`]\n\s*", " ", text)


def meant(text: str, assigned: dict[str, str]) -> str:
    """What a value stands for, in either shell: environment variables, files and plain words, in order. In which
    format an answer is read is each shell's own business."""
    for name, value in assigned.items():
        text = re.sub(rf"\${name}\b", value.replace("\\", ""), text)
    words = re.findall(r"\b(?:[A-Z][A-Z_]+[A-Z]|\w+(?==)|\w+\.bicep)\b", text)
    words = words or re.findall(r"^\s*'?((?!tsv|json)[a-z_]+)\b", text)
    return " ".join(dict.fromkeys(words))


def az_calls(path: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    """Each call of `az`, in order: its command, and its flags in order with what they are given."""
    text = script(path)
    assigned = dict(re.findall(r"(?m)^\$?([a-z_]\w*) ?= ?(.*)$", text))
    return [
        (command.strip(), [(flag, meant(value, assigned)) for flag, value in FLAG.findall(flags)])
        for command, flags in AZ.findall(text)
    ]


def told(path: Path) -> list[str]:
    """What a person is told, in order, whatever each shell calls its variables."""
    said = re.findall(r"""(?:\bsay|throw|Write-Warning|Write-Output) (?:"([^\n]*)"|'([^\n]*)')(?=\s|$)""", script(path))
    texts = [
        re.sub(r"\$\([^)]*\)|\$(?:env:)?[\w.{}:-]+?(?=[\s'.,:]|$)", "…", double or single) for double, single in said
    ]
    return [text for text in texts if not text.startswith("…=")]


AZ = re.compile(r"(?<![\w-])az ((?:[a-z-]+ )+)(--[^\n;|]*)")
FLAG = re.compile(r"(?<!\S)(--[a-z-]+)((?:(?!\s--[a-z]).)*)")


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.stem)
def test_both_shells_have_the_same_hook_that_gives_the_same_commands(path: Path) -> None:
    """No PowerShell can be had where these tests have to run: its hooks are parsed, and held to those that are run."""
    other = path.with_suffix(".ps1")
    assert az_calls(path)
    assert az_calls(path) == az_calls(other)
    # Where this shell stops by itself, the other has to say what failed.
    remaining = iter(told(other))
    assert all(text in remaining for text in told(path))
    assert {item.stem for item in SHELL} == {item.stem for item in POWERSHELL}
    keep = r"(?m)^\s*[Kk]eep '?([A-Z_]+)"
    assert re.findall(keep, script(path)) == re.findall(keep, script(other))


@pytest.mark.parametrize("path", POWERSHELL, ids=lambda path: path.name)
def test_powershell_looks_how_each_command_ended(path: Path) -> None:
    """It goes on after one that failed, whatever its error preference is."""
    lines = [line.strip() for line in script(path).splitlines() if line.strip()]
    calls = [index for index, line in enumerate(lines) if re.match(r"(?:\$\w+ = )?azd? ", line)]
    assert len(calls) >= len(az_calls(path))
    for index in calls:
        assert "$LASTEXITCODE" in lines[index + 1], lines[index]


def test_azd_finds_its_hooks_and_its_template() -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    assert (ROOT / project["infra"]["path"] / f"{project['infra']['module']}.bicep").is_file()
    assert project["services"]["mirror"]["host"] == "function"
    runs = [shell["run"] for hook in project["hooks"].values() for shell in hook.values()]
    assert len(runs) == 4
    for run in runs:
        assert (ROOT / run).is_file()
        assert run.endswith(".ps1") or os.access(ROOT / run, os.X_OK)


def test_what_the_last_hook_needs_the_template_puts_out() -> None:
    outputs = set(read(INFRA / "main.bicep").outputs)
    assert set(OUTPUTS) <= outputs
    for path in (HOOKS / "postdeploy.sh", HOOKS / "postdeploy.ps1"):
        used = set(re.findall(r"\b((?:MIRROR|AZURE)_[A-Z_]+)\b", path.read_text(encoding="utf-8")))
        assert used == set(OUTPUTS), path.name


def test_the_last_hook_gives_the_subscription_all_its_parameters(azure: Azure) -> None:
    ended = azure.run("postdeploy.sh", OUTPUTS, {"functionapp function show": [(3, ""), (3, ""), (0, "{}")]})
    assert ended.returncode == 0, ended.stderr
    assert [call[:3] for call in azure.calls[:-1]] == [["functionapp", "function", "show"]] * 3
    create = azure.calls[-1]
    given = dict(item.split("=", 1) for item in create[create.index("--parameters") + 1 :])
    template = Path(create[create.index("--template-file") + 1])
    assert template.resolve() == INFRA / "subscription.bicep"
    assert set(given) == {parameter.name for parameter in read(template).of("param")}
    assert given["repositoryPrefixes"] == '["team/"]'
    assert create[create.index("--subscription") + 1] == SUBSCRIPTION
    assert create[create.index("--resource-group") + 1] == "rg-images"


def test_the_last_hook_gives_up_on_a_function_that_never_comes(azure: Azure) -> None:
    ended = azure.run("postdeploy.sh", OUTPUTS, {"functionapp function show": [(3, "")]})
    assert ended.returncode == 1
    assert "does not list on_registry_event after ten minutes" in ended.stderr
    assert not [call for call in azure.calls if call[0] == "deployment"]


def test_the_last_hook_names_what_it_lacks(azure: Azure) -> None:
    lacking = {name: value for name, value in OUTPUTS.items() if name != "MIRROR_TOPIC_NAME"}
    ended = azure.run("postdeploy.sh", lacking, {})
    assert ended.returncode == 1
    assert ended.stderr.startswith("MIRROR_TOPIC_NAME is not set")


def test_a_registry_is_found_by_its_name(azure: Azure) -> None:
    answers = {"acr show": [(0, REGISTRY + "\n")], **topics()}
    ended = azure.run("preprovision.sh", {"MIRROR_REGISTRY_NAME": "demo"}, answers)
    assert ended.returncode == 0, ended.stderr
    assert kept(ended)["MIRROR_REGISTRY_ID"] == REGISTRY
    assert shlex.join(azure.calls[0]) == "acr show --name demo --query id --output tsv"


def test_no_registry_is_asked_for(azure: Azure) -> None:
    ended = azure.run("preprovision.sh", {}, {})
    assert ended.returncode == 1
    assert "azd env set MIRROR_REGISTRY_NAME" in ended.stderr


def test_an_id_that_is_none_is_refused(azure: Azure) -> None:
    ended = azure.run("preprovision.sh", {"MIRROR_REGISTRY_ID": "demo"}, {})
    assert ended.returncode == 1
    assert "MIRROR_REGISTRY_ID is 'demo'" in ended.stderr


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("evgt-other", "rg-images", "None", REGISTRY + "2")],
        [("evgt-demo", "RG-Images", "SystemAssigned", REGISTRY.lower())],
    ],
    ids=["no topic", "another registry's", "our own"],
)
def test_without_a_foreign_topic_the_template_makes_its_own(
    azure: Azure, rows: list[tuple[str, str, str, str]]
) -> None:
    ended = azure.run("preprovision.sh", {"MIRROR_REGISTRY_ID": REGISTRY}, topics(*rows))
    assert ended.returncode == 0, ended.stderr
    assert kept(ended) == {"MIRROR_EXISTING_TOPIC_NAME": "", "MIRROR_EXISTING_TOPIC_RESOURCE_GROUP": ""}
    assert azure.calls[0][azure.calls[0].index("--subscription") + 1] == SUBSCRIPTION


@pytest.mark.parametrize("identity", ["SystemAssigned", "SystemAssigned, UserAssigned", "None"])
def test_a_topic_that_is_there_is_used(azure: Azure, identity: str) -> None:
    rows = topics(("evgt-x", "rg-x", "None", "/other"), ("evgt-shared", "rg-events", identity, REGISTRY.upper()))
    ended = azure.run("preprovision.sh", {"MIRROR_REGISTRY_ID": REGISTRY}, rows)
    assert ended.returncode == 0, ended.stderr
    assert kept(ended) == {
        "MIRROR_EXISTING_TOPIC_NAME": "evgt-shared",
        "MIRROR_EXISTING_TOPIC_RESOURCE_GROUP": "rg-events",
    }
    updates = [call for call in azure.calls if call[:3] == ["eventgrid", "system-topic", "update"]]
    assert len(updates) == (identity == "None")


def test_identities_of_others_are_left_alone(azure: Azure) -> None:
    rows = topics(("evgt-shared", "rg-events", "UserAssigned", REGISTRY))
    ended = azure.run("preprovision.sh", {"MIRROR_REGISTRY_ID": REGISTRY}, rows)
    assert ended.returncode == 1
    assert "user-assigned identities only" in ended.stderr
    assert len(azure.calls) == 1
