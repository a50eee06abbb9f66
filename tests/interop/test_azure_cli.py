"""The commands of the hooks, given to the Azure CLI itself: it knows each of them and each of their flags.

Nobody is signed in, so the CLI stops behind its parser: code 2 says that it did not understand, 1 that one has to sign
in first.
"""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from devtools.deployment import INFRA
from tests.interop.tools import tool
from tests.programs import make_program

pytestmark = pytest.mark.interop

HOOKS = INFRA / "hooks"
REGISTRY = "/subscriptions/2/resourceGroups/rg-images/providers/Microsoft.ContainerRegistry/registries/demoimages"
OUTPUTS = [
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_RESOURCE_GROUP",
    "MIRROR_FUNCTION_APP",
    "MIRROR_FUNCTION_APP_ID",
    "MIRROR_HOST_ACCOUNT_ID",
    "MIRROR_DEAD_LETTER_CONTAINER",
    "MIRROR_TOPIC_NAME",
    "MIRROR_TOPIC_RESOURCE_GROUP",
    "MIRROR_TOPIC_SUBSCRIPTION_ID",
]
# Writes down what it is asked, and answers so that the hooks go on to their last command.
RECORDER = f"""
import json, pathlib, sys
with (pathlib.Path(__file__).parent / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if "show" in sys.argv:
    print({REGISTRY!r})
if "list" in sys.argv:
    print("evgt-shared", "rg-events", "None", {REGISTRY!r}, sep="\\t")
"""


@pytest.fixture
def calls(tmp_path: Path) -> list[list[str]]:
    """Every command that the hooks can give."""
    make_program(tmp_path / "az", RECORDER)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "MIRROR_REGISTRY_NAME": "demoimages",
        **dict.fromkeys(OUTPUTS, "x"),
    }
    for hook in ("preprovision.sh", "postdeploy.sh"):
        subprocess.run(["sh", HOOKS / hook], env=environment, check=True, capture_output=True)
    return [json.loads(line) for line in (tmp_path / "calls").read_text(encoding="utf-8").splitlines()]


def asked(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AZURE_CONFIG_DIR": str(folder), "AZURE_CORE_COLLECT_TELEMETRY": "false"}
    return subprocess.run([tool("az"), *arguments], env=environment, capture_output=True, text=True, check=False)


def test_the_cli_knows_every_command_and_flag_of_the_hooks(calls: list[list[str]], tmp_path: Path) -> None:
    template = tmp_path / "empty.json"
    given = [word.partition("=") for word in calls[-1] if "=" in word]
    kinds = {name: {"type": "array" if value.startswith("[") else "string"} for name, _, value in given}
    empty = {"$schema": "", "contentVersion": "1.0.0.0", "parameters": kinds, "resources": []}
    template.write_text(json.dumps(empty), encoding="utf-8")
    verbs = {" ".join(call[: next(index for index, word in enumerate(call) if word.startswith("-"))]) for call in calls}
    assert verbs == {
        "acr show",
        "deployment group create",
        "eventgrid system-topic list",
        "eventgrid system-topic update",
        "functionapp function show",
    }
    for call in calls:
        # A Bicep file would have it look for the compiler first.
        ended = asked([str(template) if word.endswith(".bicep") else word for word in call], tmp_path / "config")
        assert ended.returncode == 1, (call, ended.stderr)
        assert "az login" in ended.stderr, (call, ended.stderr)


def test_a_flag_that_is_not_there_would_be_noticed(calls: list[list[str]], tmp_path: Path) -> None:
    for call in calls:
        wrong = [word.replace("--subscription", "--subscripsion") for word in call] + ["--nonesuch"]
        assert asked(wrong, tmp_path / "config").returncode == 2, call


def documented() -> list[str]:
    """Each `az …` of the docs' shell blocks, on one line, with something in place of what the reader fills in."""
    found: list[str] = []
    command = re.compile(r"""(?:^|\$\()\s*(az (?:"[^"\n]*"|'[^'\n]*'|[^"'\n|)])*)""", re.MULTILINE)
    for page in sorted((INFRA.parent / "docs").glob("*.md")):
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            found += command.findall(re.sub(r"<[^>\n]+>", "x", block.replace("\\\n", " ")))
    return [text.strip() for text in found if text.strip() != "az login"]


@pytest.mark.parametrize("command", documented())
def test_the_cli_knows_every_command_of_the_docs(command: str, tmp_path: Path) -> None:
    words = shlex.split(command)[1:]
    empty = tmp_path / "empty.json"
    empty.write_text('{"$schema": "", "contentVersion": "1.0.0.0", "resources": []}', encoding="utf-8")
    parameters = tmp_path / "parameters.json"
    parameters.write_text('{"$schema": "", "contentVersion": "1.0.0.0", "parameters": {}}', encoding="utf-8")
    files = {".bicep": empty, ".bicepparam": parameters}
    ended = asked([str(files.get(Path(word).suffix, word)) for word in words], tmp_path / "config")
    assert ended.returncode == 1, ended.stderr
    assert not re.search(r"unrecognized|misspelled|not in .* command group|required|expected", ended.stderr), (
        ended.stderr
    )
