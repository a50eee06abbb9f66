"""`python -m devtools.mutants cover`, then `python -m devtools.mutants run --seed 1 --count 200`.

The first measures which tests run which lines (about 15 minutes on two idle cores); the second makes the mutants, runs
the tests and prints each survivor as a diff. Either goes on where it was interrupted. Needs requirements-mutants.txt. A
survivor is a test that is missing, or a mutant that changes nothing that can be observed.
"""

import argparse
import queue
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cosmic_ray.work_item import MutationSpec

from devtools.mutants import covering, mutating

ROOT = Path(__file__).resolve().parents[2]
MAP = ROOT / ".tools" / "covering.jsonl"
VERDICTS = ROOT / ".tools" / "verdicts.jsonl"
ROOMS = (".", "copying", "mirror", "storage", "jobs", "work", "registry", "serve", "sync", "oci")
"""Folders below `acrmirror/`; the first stands for its own modules."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("command", choices=("cover", "run"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--most", type=int, default=16, help="test files that are tried on a mutant")
    parser.add_argument("--rooms", nargs="*", default=ROOMS, help="folders below acrmirror/")
    parser.add_argument("--tests", nargs="*", default=("unit", "integration"), help="folders below tests/")
    parser.add_argument("--map", type=Path, default=MAP, help="where the coverage is kept; delete it to measure anew")
    parser.add_argument(
        "--verdicts", type=Path, default=VERDICTS, help="where verdicts are kept; delete it to judge anew"
    )
    given = parser.parse_args(argv)
    if given.command == "cover":
        files = (file for folder in given.tests for file in (ROOT / "tests" / folder).rglob("test_*.py"))
        tests = sorted(file for file in files if "infra" not in file.name)
        covering.measure(ROOT, tests, given.processes, given.map)
        return 0
    return run(given.map, given.verdicts, given.rooms, given.count, given.seed, given.processes, given.most)


def run(map_file: Path, verdict_file: Path, rooms: list[str], count: int, seed: int, processes: int, most: int) -> int:
    """Prints the verdicts as they come, and keeps them: who is interrupted goes on with the rest. Exit 1 if more than
    one in twenty survived."""
    coverings = covering.read(map_file)
    modules = [
        file
        for room in rooms
        for file in sorted((ROOT / "acrmirror" / room).glob("*.py" if room == "." else "**/*.py"))
    ]
    with tempfile.TemporaryDirectory() as folder:
        mutants = mutating.sample(ROOT, modules, count, seed, Path(folder))
        copies: queue.Queue[Path] = queue.Queue()
        for number in range(processes):
            copies.put(mutating.copy_tree(ROOT, Path(folder) / str(number)))

        known = mutating.read_verdicts(verdict_file)
        lock = threading.Lock()

        def judge(mutation: MutationSpec) -> mutating.Verdict:
            before = known.get(mutating.name_of(mutation))
            if before is not None:
                return before
            copy = copies.get()
            try:
                verdict = mutating.judge(copy, mutation, coverings, most)
            finally:
                copies.put(copy)
            with lock:
                mutating.keep_verdict(verdict_file, verdict)
            what = f"noticed by {verdict.noticed_by}" if verdict.noticed_by else f"SURVIVED {verdict.tried} test files"
            print(f"{verdict.mutant}: {what}, {verdict.seconds:.0f} s", flush=True)
            return verdict

        with ThreadPoolExecutor(processes) as pool:
            verdicts = list(pool.map(judge, mutants))
    survivors = [it for it in verdicts if it.noticed_by is None]
    for verdict in survivors:
        print(f"\n{verdict.mutant}, {verdict.tried} test files tried\n{verdict.diff}")
    print(f"\n{len(verdicts) - len(survivors)} of {len(verdicts)} mutants were noticed (seed {seed})")
    return 1 if len(survivors) * 20 > len(verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
