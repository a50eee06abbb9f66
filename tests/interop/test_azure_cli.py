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
from infra.hooks.environment import Environment
from infra.hooks.postdeploy import NEEDED, postdeploy
from infra.hooks.predown import predown
from infra.hooks.preprovision import preprovision
from tests.infra import cloud
from tests.infra.hooked import Hooked
from tests.interop.tools import tool

pytestmark = pytest.mark.interop

OUTPUTS = {**dict.fromkeys(NEEDED, "x"), "MIRROR_REGISTRY_ID": cloud.REGISTRY}
# They answer without anybody being signed in.
ALWAYS = ("version --", "account list --")


@pytest.fixture(scope="module")
def calls() -> list[list[str]]:
    """Every command that the hooks can give: for a first deployment beside a topic without an identity."""
    shared = [cloud.topic("evgt-shared", "rg-events", cloud.REGISTRY, None)]
    state = cloud.azure(topics=shared, token={"loginServer": "localhost:1", "accessToken": "x"}, key="x")
    named = {"AZURE_LOCATION": "westeurope", "MIRROR_REGISTRY_NAME": "demoimages"}
    hooked = Hooked(state, named, ["northeurope"], azd=False)
    preprovision(hooked.environment, hooked.azure, hooked.azd, hooked.console, hooked.sleep)
    after = Hooked(state, OUTPUTS)
    postdeploy(after.environment, after.azure, after.console, after.sleep)
    predown(Environment({**OUTPUTS, "MIRROR_RESOURCE_GROUP": "rg-mirror-mirror"}), after.azure, after.console)
    return [words[1:] for words in state["calls"]]


def asked(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AZURE_CONFIG_DIR": str(folder), "AZURE_CORE_COLLECT_TELEMETRY": "false"}
    return subprocess.run([tool("az"), *arguments], env=environment, capture_output=True, text=True, check=False)


def test_the_cli_knows_every_command_and_flag_of_the_hooks(calls: list[list[str]], tmp_path: Path) -> None:
    template, parameters = tmp_path / "empty.json", tmp_path / "parameters.json"
    template.write_text(json.dumps({"$schema": "", "contentVersion": "1.0.0.0", "resources": []}), encoding="utf-8")
    parameters.write_text(json.dumps({"contentVersion": "1.0.0.0", "parameters": {}}), encoding="utf-8")
    body = tmp_path / "body.json"
    body.write_text("{}", encoding="utf-8")
    assert {next(verb for verb in cloud.COMMANDS if " ".join(call).startswith(verb)) for call in calls} == {
        *cloud.COMMANDS
    } - {"eventgrid system-topic update"}
    for call in first_of_each(calls):
        # A Bicep file would have it look for the compiler first; what the hooks wrote into a file is gone.
        given = [str(template) if word.endswith(".bicep") else word for word in call]
        given = [re.sub(r"^@.*parameters\.json$", f"@{parameters}", word) for word in given]
        given = [re.sub(r"^@.*identity\.json$", f"@{body}", word) for word in given]
        ended = asked(given, tmp_path / "config")
        if " ".join(call).startswith(ALWAYS):
            assert ended.returncode == 0, (call, ended.stderr)
        else:
            assert ended.returncode == 1, (call, ended.stderr)
            assert re.search("az login|az acr check-health", ended.stderr), (call, ended.stderr)


def first_of_each(calls: list[list[str]]) -> list[list[str]]:
    """One of several that differ in values alone."""
    return list({tuple(word for word in call if re.match(r"-|[a-z]+$", word)): call for call in calls}.values())


def test_a_flag_that_is_not_there_would_be_noticed(calls: list[list[str]], tmp_path: Path) -> None:
    for call in calls[:2]:
        assert asked([*call, "--nonesuch"], tmp_path / "config").returncode == 2, call


def documented() -> list[str]:
    """Each `az …` of the docs' shell blocks, on one line, with something in place of what the reader fills in."""
    found: list[str] = []
    command = re.compile(r"""(?:^|\$\()\s*(az (?:"[^"\n]*"|'[^'\n]*'|[^"'\n|)>])*)""", re.MULTILINE)
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
