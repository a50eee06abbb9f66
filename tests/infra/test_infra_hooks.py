"""The hooks as a person runs them: by azure.yaml's own lines, in a folder with a space and an umlaut, with programs on
the path that answer as Azure's do."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tree_sitter
import tree_sitter_powershell
import yaml

from devtools.deployment import INFRA
from infra.hooks.postdeploy import NEEDED
from tests.infra import cloud
from tests.infra.cloud import HERE, THERE, azure, topic

ROOT = INFRA.parent
WEST = {"AZURE_LOCATION": "westeurope", "MIRROR_LOCATION": "westeurope"}
PROJECT = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
HOOKS = {**PROJECT["hooks"], **PROJECT["services"]["mirror"]["hooks"]}


class Machine:
    """A copy of what a deployment needs, and `python3`, `az` and, if wanted, `azd` on a path of their own."""

    def __init__(self, folder: Path, *programs: str) -> None:
        self.project, self.state = folder / "a b ü", folder / "state.json"
        shutil.copytree(INFRA, self.project / "infra", ignore=shutil.ignore_patterns("__pycache__"))
        path = folder / "on path"
        path.mkdir()
        (path / "python3").symlink_to(sys.executable)
        stub = shlex.join([sys.executable, "-I", str(Path(cloud.__file__)), str(self.state)])
        for name in programs:
            (path / name).write_text(f'#!/bin/sh\nexec {stub} {name} "$@"\n', encoding="utf-8")
            (path / name).chmod(0o755)
        self.path = path

    def run(
        self, hook: str, state: dict[str, Any], variables: Mapping[str, str], answers: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        self.state.write_text(json.dumps(state), encoding="utf-8")
        return subprocess.run(
            ["/bin/sh", "-c", HOOKS[hook]["posix"]["run"]],
            cwd=self.project,
            env={"PATH": str(self.path), "LC_ALL": "C.UTF-8", **variables},
            input=answers or "",
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def after(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.state.read_text(encoding="utf-8"))
        return found


def test_a_first_deployment_with_azd(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "az", "azd")
    shared = [topic("evgt-Bücher", "rg-events", cloud.REGISTRY, None)]
    variables = {"AZURE_ENV_NAME": "mirror", **WEST, "MIRROR_REGISTRY_NAME": "demoimages"}
    ended = machine.run(
        "preprovision", azure(topics=shared, default=THERE, registered={THERE: azure()["registered"][HERE]}), variables
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == "", "azd shows it only at a failure"
    assert "demoimages (germanywestcentral) is mirrored, with its topic evgt-Bücher" in ended.stdout
    assert machine.after()["azd"] == {
        "AZURE_SUBSCRIPTION_ID": THERE,
        "MIRROR_REGISTRY_ID": cloud.REGISTRY,
        "MIRROR_EXISTING_TOPIC_NAME": "evgt-Bücher",
        "MIRROR_EXISTING_TOPIC_RESOURCE_GROUP": "rg-events",
    }
    assert machine.after()["topics"][0]["identity"] == {"type": "SystemAssigned"}


@pytest.mark.parametrize("name", ["", "mirror"], ids=["by hand", "in an environment"])
def test_without_azd_what_to_set_is_printed_for_the_shell(tmp_path: Path, name: str) -> None:
    machine = Machine(tmp_path, "az")
    variables = {**WEST, "MIRROR_REGISTRY_ID": cloud.REGISTRY, "AZURE_ENV_NAME": name}
    ended = machine.run("preprovision", azure(), variables)
    assert ended.returncode == 0, ended.stderr
    assert f"export MIRROR_REGISTRY_ID={shlex.quote(cloud.REGISTRY)}\n" in ended.stdout
    assert "export MIRROR_EXISTING_TOPIC_NAME=''\n" in ended.stdout


def test_where_nobody_sits_a_question_is_a_problem(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "az", "azd")
    ended = machine.run("preprovision", azure(), {"AZURE_ENV_NAME": "mirror"})
    assert (ended.returncode, ended.stderr[:35]) == (1, "preprovision: Which registry? Set i")
    assert machine.after()["azd"] == {}


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    ended = Machine(tmp_path).run("preprovision", azure(), {})
    assert ended.returncode == 1
    assert ended.stderr == "preprovision: az is not installed, or not on the PATH: see https://aka.ms/azure-cli.\n"


def test_the_event_subscription_is_made_from_another_ones_outputs(tmp_path: Path) -> None:
    """As Resource Manager spells them, while what it does is told where azd shows it."""
    machine = Machine(tmp_path, "az", "azd")
    values = {**dict.fromkeys(NEEDED, "x"), "MIRROR_TOPIC_SUBSCRIPTION_ID": THERE, "MIRROR_SMOKE_TEST": "false"}
    spelled = {f"{name[:5].lower()}{name[5:]}": value for name, value in values.items()}
    ended = machine.run("postdeploy", azure(), {**spelled, "MIRROR_REPOSITORY_PREFIXES": '["team/"]'})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Pushes to the registry are mirrored from now on." in ended.stdout
    assert [item["values"]["repositoryPrefixes"] for item in machine.after()["deployments"]] == [["team/"]]


def test_what_a_removal_takes_is_said_before(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "az", "azd")
    groups = {"AZURE_RESOURCE_GROUP": "rg-mirror", "MIRROR_RESOURCE_GROUP": "rg-mirror-mirror"}
    variables = {**groups, "MIRROR_TOPIC_RESOURCE_GROUP": "rg-Bücher", "AZURE_SUBSCRIPTION_ID": HERE}
    ended = machine.run("predown", azure(), variables)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [line.split(",")[0].split(":")[0] for line in ended.stdout.splitlines()] == [
        "rg-mirror goes",
        "rg-Bücher stays",
        "rg-mirror-mirror stays",
    ]
    ended = machine.run("predown", azure(locks={"rg-mirror-mirror": []}), variables)
    assert ended.returncode == 1, "azd stops"
    assert ended.stderr.startswith("predown: rg-mirror-mirror has the mirror in it, and no lock.")


def test_azd_runs_the_same_program_in_either_shell() -> None:
    """PowerShell goes on after a program that is missing, and ends well. Version 5.1 has to read the line, too."""
    assert set(PROJECT["hooks"]) == {"preprovision", "postdeploy", "predown"}
    language = tree_sitter.Language(tree_sitter_powershell.language())
    for name, shells in HOOKS.items():
        command = shells["posix"]["run"].removeprefix("python3 ")
        wanted = f"$ErrorActionPreference = 'Stop'; python {command}; exit $LASTEXITCODE"
        assert shells["windows"]["run"] == wanted, name
        assert not tree_sitter.Parser(language).parse(wanted.encode()).root_node.has_error
        assert (shells["posix"]["shell"], shells["windows"]["shell"]) == ("sh", "pwsh")
        assert command.split()[0] in ("-m", "infra/hooks/package.py")
        assert "\n" not in shells["posix"]["run"]


def test_shellcheck_has_nothing_to_say() -> None:
    """About the hooks' lines, nor the steps of the workflow that deploys."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text(encoding="utf-8"))
    steps = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    lines = [shells["posix"]["run"] for shells in HOOKS.values()]
    for shell, script in [*(("sh", line) for line in lines), *(("bash", step) for step in steps)]:
        words = [str(Path(sys.executable).with_name("shellcheck")), "--severity=style", f"--shell={shell}", "-"]
        ended = subprocess.run(words, input=script, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout


def test_azd_finds_the_template_and_is_new_enough() -> None:
    assert (ROOT / PROJECT["infra"]["path"] / f"{PROJECT['infra']['module']}.bicep").is_file()
    assert PROJECT["services"]["mirror"]["host"] == "function"
    assert PROJECT["requiredVersions"]["azd"] == ">= 1.25.0"
    assert PROJECT["hooks"]["preprovision"]["posix"]["interactive"] is True
