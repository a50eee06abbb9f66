"""A sample of mutants, and the verdict of the tests on each."""

import difflib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cosmic_ray.plugins
from cosmic_ray.commands import init as find_mutants
from cosmic_ray.mutating import mutate_code
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec

from devtools.mutants.covering import Covering

OPERATORS = (
    "core/AddNot",
    "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd",
    "core/ReplaceTrueWithFalse",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceUnaryOperator_Delete_Not",
    "core/ReplaceBreakWithContinue",
    "core/ReplaceContinueWithBreak",
    "core/ExceptionReplacer",
    "core/NumberReplacer",
    "core/ZeroIterationForLoop",
    "core/ReplaceBinaryOperator_Add_Sub",
    "core/ReplaceBinaryOperator_Sub_Add",
    "core/ReplaceBinaryOperator_Mul_FloorDiv",
    "core/ReplaceComparisonOperator_Eq_NotEq",
    "core/ReplaceComparisonOperator_NotEq_Eq",
    "core/ReplaceComparisonOperator_Lt_LtE",
    "core/ReplaceComparisonOperator_LtE_Lt",
    "core/ReplaceComparisonOperator_Gt_GtE",
    "core/ReplaceComparisonOperator_GtE_Gt",
    "core/ReplaceComparisonOperator_Is_IsNot",
    "core/ReplaceComparisonOperator_IsNot_Is",
    "core/ReplaceComparisonOperator_In_NotIn",
    "core/ReplaceComparisonOperator_NotIn_In",
)
"""Mistakes that a person makes. Left out are those in annotations and decorators, which no test could notice."""
QUICK_FILE = 4.0
MARGIN = 30.0
"""Seconds that a test file may take beyond three times its usual; then the mutant has stalled it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`mutant` names it; `noticed_by` is the test file that failed or stalled, or "the parser", None for a survivor;
    `tried` how many files were run."""

    mutant: str
    noticed_by: str | None
    tried: int
    seconds: float
    diff: str


def name_of(mutation: MutationSpec) -> str:
    """Where it is, and what it does: the same for the same code."""
    operator = mutation.operator_name.removeprefix("core/")
    options = "".join(f" {name}={value}" for name, value in sorted(mutation.operator_args.items()))
    return f"{mutation.module_path}:{mutation.start_pos[0]}:{mutation.start_pos[1]} {operator}{options}"


def read_verdicts(file: Path) -> dict[str, Verdict]:
    """By the names of the mutants; empty where none was judged yet."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    found = [Verdict(**json.loads(line)) for line in lines]
    return {it.mutant: it for it in found}


def keep_verdict(file: Path, verdict: Verdict) -> None:
    with file.open("a", encoding="utf-8") as opened:
        opened.write(json.dumps(asdict(verdict)) + "\n")


def sample(root: Path, modules: list[Path], count: int, seed: int, work: Path) -> list[MutationSpec]:
    """`count` of all mutants of `modules`, the same ones for the same seed and code."""
    found: list[MutationSpec] = []
    with use_db(str(work / "mutants.sqlite"), WorkDB.Mode.create) as db:
        find_mutants([str(module.relative_to(root)) for module in sorted(modules)], db, {})
        found = [it for item in db.work_items if _is_a_mistake(it := item.mutations[0])]
    found.sort(key=lambda it: (str(it.module_path), it.operator_name, it.occurrence))
    return random.Random(seed).sample(found, min(count, len(found)))


def _is_a_mistake(mutation: MutationSpec) -> bool:
    """A number that is one off counts where it is part of a function; as a module's constant it is a setting, such as
    a pause of 60 seconds that becomes 61."""
    if mutation.operator_name == "core/NumberReplacer" and mutation.definition_name is None:
        return False
    return mutation.operator_name in OPERATORS


def judge(copy: Path, mutation: MutationSpec, coverings: list[Covering], most: int) -> Verdict:
    """Runs the test files that run the mutant's line until one fails, at most `most` of them: those that take a second
    or two first, then those that are most about its module."""
    begun = time.monotonic()
    module = str(mutation.module_path)
    first, last = mutation.start_pos[0], mutation.end_pos[0]
    concerned = [it for it in coverings if any(first <= line <= last for line in it.lines.get(module, ()))]
    concerned.sort(key=lambda it: (it.seconds > QUICK_FILE, -_share(it, module)))
    tried = 0
    with _mutated(copy / module, mutation) as diff:
        if not _parses(copy / module):
            return Verdict(name_of(mutation), "the parser", 0, time.monotonic() - begun, diff)
        for tried, covering in enumerate(concerned[:most], 1):
            if not _passes(copy, covering):
                return Verdict(name_of(mutation), covering.test, tried, time.monotonic() - begun, diff)
    return Verdict(name_of(mutation), None, tried, time.monotonic() - begun, diff)


def _share(covering: Covering, module: str) -> float:
    """How much of what a test file runs is of this module."""
    return len(covering.lines.get(module, ())) / max(1, sum(map(len, covering.lines.values())))


@contextmanager
def _mutated(file: Path, mutation: MutationSpec) -> Iterator[str]:
    before = file.read_text(encoding="utf-8")
    operator = cosmic_ray.plugins.get_operator(mutation.operator_name)(**mutation.operator_args)
    try:
        after = mutate_code(before, operator, mutation.occurrence)
    except AttributeError:
        # Cosmic Ray finds a place in `except socket.timeout` that it then can not replace.
        after = "("
    try:
        file.write_text(after or before, encoding="utf-8")
        lines = difflib.unified_diff(
            before.splitlines(), (after or before).splitlines(), str(mutation.module_path), "mutant", lineterm="", n=2
        )
        yield "\n".join(lines)
    finally:
        file.write_text(before, encoding="utf-8")


def _parses(file: Path) -> bool:
    try:
        compile(file.read_bytes(), file, "exec")
    except SyntaxError:
        return False
    return True


def _passes(copy: Path, covering: Covering) -> bool:
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-x", "-n0", covering.test],
        cwd=copy,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(copy)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as tests:
        try:
            return tests.wait(3 * covering.seconds + MARGIN) == 0
        except subprocess.TimeoutExpired:
            os.killpg(tests.pid, 9)
            return False


def copy_tree(root: Path, into: Path) -> Path:
    """The tracked files of `root`, with its environment and tools beside them."""
    into.mkdir(parents=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, into / name)
    (into / ".tools").symlink_to((root / ".tools").resolve())
    return into
