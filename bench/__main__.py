"""`python3 dev.py bench`: copies one image with each contender, in turn and on the same data, and prints what it took.

Three courses: over a simulated link (20 ms a request, 60 MB/s a connection) into a sink that costs nearly nothing,
over no link into the same sink, and over no link into Azurite. Then memory, at one size and at four times that; and
which calls to storage a push costs.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path

from bench import services
from bench.contenders import Contender, contenders
from bench.courses import COURSES, MIB, Bench
from standins.process import end_by_signals


def main() -> int:
    end_by_signals()
    arguments = _arguments()
    field = [it for it in contenders(arguments.threads) if not arguments.contender or it.name in arguments.contender]
    if not field:
        print(f"bench: none of these can run here: {', '.join(arguments.contender)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="acrmirror-bench-") as folder:
        bench = Bench(Path(folder), field, arguments.runs, arguments.settle)
        _introduce(field)
        for course in arguments.only:
            bench.run(course, arguments.azurite_size if course == "azurite" else arguments.size)
    if arguments.json:
        arguments.json.write_text(json.dumps(bench.as_json(), indent=1) + "\n", encoding="utf-8")
    for complaint in bench.complaints:
        print(f"bench: {complaint}", file=sys.stderr)
    return 1 if bench.complaints else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="little and once: whether it runs, not how fast")
    parser.add_argument("--runs", type=int, help="rounds a course (default 5)")
    parser.add_argument("--size", type=int, metavar="MIB", help="the layer's size (default 1024)")
    parser.add_argument("--azurite-size", type=int, metavar="MIB", help="the same for Azurite, which is slow (256)")
    parser.add_argument("--threads", type=int, help="copy threads of ours (default: as the app has)")
    parser.add_argument("--only", nargs="+", choices=COURSES, help="courses to run (default all)")
    parser.add_argument("--contender", nargs="+", default=[], help="contenders to run, by name (default all)")
    parser.add_argument(
        "--settle", type=float, default=0.0, metavar="S", help="wait up to that long before a copy for an idle machine"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there too")
    arguments = parser.parse_args()
    # Tests hold what `calls` counts, so that a quick look does without it.
    arguments.only = arguments.only or [it for it in COURSES if not arguments.quick or it != "calls"]
    arguments.runs = arguments.runs or (1 if arguments.quick else 5)
    arguments.size = (arguments.size or (128 if arguments.quick else 1024)) * MIB
    arguments.azurite_size = (arguments.azurite_size or (96 if arguments.quick else 256)) * MIB
    return arguments


def _introduce(field: list[Contender]) -> None:
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}")
    for name in ("crane", "skopeo", "registry"):
        tool = services.find_tool(name)
        print(f"{name}: {services.version_of(tool) if tool else 'not installed here, so it is left out'}")
    print(f"contenders: {', '.join(it.name for it in field)}; figures are min / median / max over the rounds\n")


if __name__ == "__main__":
    sys.exit(main())
