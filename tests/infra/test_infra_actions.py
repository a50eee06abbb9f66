"""Workflows run nothing whose bytes somebody else can change: each action is named by its commit."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.documentation import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(file: Path) -> list[dict[str, Any]]:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [step for job in document["jobs"].values() for step in job.get("steps", [])]


@pytest.mark.parametrize("file", FILES, ids=lambda it: it.name)
def test_each_action_is_pinned_to_a_commit(file: Path) -> None:
    used = [step["uses"] for step in steps(file) if "uses" in step]
    assert used
    assert [it for it in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", it)] == []
    # And says beside it which version that is.
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert [line for line in lines if not re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)] == []


@pytest.mark.parametrize("file", FILES, ids=lambda it: it.name)
def test_a_checkout_leaves_no_token_behind(file: Path) -> None:
    checkouts = [step for step in steps(file) if str(step.get("uses", "")).startswith("actions/checkout@")]
    assert all(step.get("with", {}).get("persist-credentials") is False for step in checkouts)


def test_a_release_is_made_of_what_the_tag_names() -> None:
    (release,) = (it for it in FILES if it.name == "release.yml")
    commands = " ".join(str(step.get("run", "")) for step in steps(release))
    assert 'test "$GITHUB_REF_NAME" = "v$version"' in commands
    assert "dev.py test" in commands
    assert "diff dist/SHA256SUMS again/SHA256SUMS" in commands
