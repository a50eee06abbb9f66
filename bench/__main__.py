"""`python3 dev.py bench`: copies one image with each contender, in turn and on the same data, and prints what it took.

Three courses: over a simulated link (20 ms a request, 60 MB/s a connection) into a sink that costs nearly nothing,
over no link into the same sink, and over no link into Azurite. Then memory, at one size and at four times that; and
which calls to storage a push costs. Then what many images cost, beside tools that do the same: backfilled, compared,
pulled and restored; and a push when storage is far away.
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
from bench.courses import COURSES, MIB, Bench, Extent
from standins.process import end_by_signals

QUICK = ("link", "plain", "azurite", "memory", "serve")
"""Tests hold what `calls` counts, and of the courses that take a stack of their own one shows that they run."""
QUICK_WITHOUT = ("regctl",)
"""A third of its kind."""


def main() -> int:
    end_by_signals()
    arguments = _arguments()
    field = [it for it in contenders(arguments.threads) if _runs(it.name, arguments)]
    if not field:
        print(f"bench: none of these can run here: {', '.join(arguments.contender)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="acrmirror-bench-") as folder:
        extent = Extent(arguments.images, arguments.tags, arguments.requests)
        bench = Bench(Path(folder), field, arguments.runs, extent, arguments.settle)
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
    parser.add_argument("--images", type=int, help="small images of the courses about many (500)")
    parser.add_argument("--tags", type=int, help="tags that `compare` compares (10000)")
    parser.add_argument("--requests", type=int, help="requests of each kind that `serve` sends a round (400)")
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
    arguments.only = arguments.only or [it for it in COURSES if not arguments.quick or it in QUICK]
    arguments.images = arguments.images or (20 if arguments.quick else 500)
    arguments.tags = arguments.tags or (200 if arguments.quick else 10_000)
    arguments.requests = arguments.requests or (32 if arguments.quick else 400)
    arguments.runs = arguments.runs or (1 if arguments.quick else 5)
    arguments.size = (arguments.size or (128 if arguments.quick else 1024)) * MIB
    arguments.azurite_size = (arguments.azurite_size or (96 if arguments.quick else 256)) * MIB
    return arguments


def _runs(name: str, arguments: argparse.Namespace) -> bool:
    if arguments.contender:
        return name in arguments.contender
    return not arguments.quick or name not in QUICK_WITHOUT


def _introduce(field: list[Contender]) -> None:
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}")
    for name in ("crane", "skopeo", "regctl", "regsync", "registry"):
        tool = services.find_tool(name)
        print(f"{name}: {services.version_of(tool) if tool else 'not installed here, so it is left out'}")
    print(f"contenders: {', '.join(it.name for it in field)}; figures are min / median / max over the rounds\n")


if __name__ == "__main__":
    sys.exit(main())
