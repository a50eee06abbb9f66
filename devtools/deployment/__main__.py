"""`python3 dev.py infra`: the templates, checked by the Bicep compiler where it is on the PATH, else by the evaluator.

With `--write` it makes what follows from the templates instead: the snapshots beside them, and two pages of docs.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from devtools.bicep.properties import problems
from devtools.deployment import INFRA, ROOT, graph, permissions
from devtools.deployment.scenarios import (
    COMMITTED,
    HERE,
    SCENARIOS,
    Scenario,
    predicted,
    snapshot,
    snapshot_text,
)

PAGES = {"deployed.md": graph.page, "roles.md": permissions.table}


def main(arguments: list[str]) -> int:
    bicep = shutil.which("bicep")
    if arguments == ["--write"]:
        write(bicep)
        return 0
    if arguments:
        print("usage: python3 dev.py infra [--write]", file=sys.stderr)
        return 2
    found = [*out_of_date(), *(by_the_compiler(bicep) if bicep else by_the_models())]
    print("\n".join(found) or "The templates hold.")
    if bicep is None:
        print("bicep is not on the PATH: only the evaluator looked at them. The workflow has the compiler do it.")
    return 1 if found else 0


def write(bicep: str | None) -> None:
    for scenario in COMMITTED:
        snapshot(scenario).write_text(snapshot_text(scenario), encoding="utf-8")
        if bicep:
            subprocess.run([bicep, *snapshot_words(scenario, "overwrite")], cwd=ROOT, check=True)
    for name, make in PAGES.items():
        (ROOT / "docs" / name).write_text(make(), encoding="utf-8")


def out_of_date() -> Iterator[str]:
    """What follows from the templates, and no longer does."""
    remedy = "make it again with `python3 dev.py infra --write`, and read what changed"
    for scenario in COMMITTED:
        path = snapshot(scenario)
        if not path.is_file() or path.read_text(encoding="utf-8") != snapshot_text(scenario):
            yield f"{path.relative_to(ROOT)} is not what the templates predict: {remedy}"
    for name, make in PAGES.items():
        if (ROOT / "docs" / name).read_text(encoding="utf-8") != make():
            yield f"docs/{name} is not what the templates come to: {remedy}"


def by_the_models() -> Iterator[str]:
    for scenario in SCENARIOS:
        for resource in predicted(scenario).form()["predictedResources"]:
            yield from (f"{scenario.name}: {problem}" for problem in problems(resource))


def by_the_compiler(bicep: str) -> Iterator[str]:
    """Each command that fails, with what it said. A warning is a failure: bicepconfig.json makes rules errors, and what
    has no rule is read here."""
    for words in compilations():
        ended = subprocess.run([bicep, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        said = ended.stderr.strip()
        if ended.returncode or "Warning" in said or "Error" in said:
            yield f"bicep {' '.join(words)} ended with code {ended.returncode}:\n{said or ended.stdout}"


def compilations() -> Iterator[list[str]]:
    for path in (INFRA / "main.bicep", INFRA / "subscription.bicep"):
        name = str(path.relative_to(ROOT))
        yield ["build", name, "--stdout"]
        yield ["lint", name]
    for scenario in COMMITTED:
        yield ["build-params", named(INFRA / "snapshots" / f"{scenario.file}.bicepparam"), "--stdout"]
        yield snapshot_words(scenario, "validate")


def snapshot_words(scenario: Scenario, mode: str) -> list[str]:
    """Of `bicep snapshot`."""
    file = named(INFRA / "snapshots" / f"{scenario.file}.bicepparam")
    tenant = "99999999-9999-9999-9999-999999999999"
    place = ["--subscription-id", HERE, "--tenant-id", tenant, "--location", "westeurope"]
    return ["snapshot", file, "--mode", mode, *place]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
