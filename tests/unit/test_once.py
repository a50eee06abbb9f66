"""What is made once for the process, whoever asks first."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from acrmirror.once import once

ROOT = Path(__file__).resolve().parents[2]
CALLERS = 8

FIRST_CALLS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import function_app

sys.setswitchinterval(1e-6)
for part in (function_app.mirror_app, function_app.api, function_app.front):
    together = Barrier(8)
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: (together.wait(), part())[1], range(8)))
    print(len({id(it) for it in made}))
"""
SETTINGS = {
    "MIRROR_REGISTRY": "registry.invalid",
    "MIRROR_BLOB_ENDPOINT": "https://storage.invalid",
    "MIRROR_TABLE_ENDPOINT": "https://storage.invalid",
    "MIRROR_QUEUE__queueServiceUri": "https://storage.invalid",
}


def test_calls_that_come_at_the_same_time_get_one_thing() -> None:
    together = threading.Barrier(CALLERS)
    made: list[object] = []
    go_on = threading.Event()

    @once
    def part() -> object:
        made.append(object())
        # Long enough for all others to have asked.
        go_on.wait(0.2)
        return made[-1]

    def ask(_: int) -> object:
        together.wait()
        return part()

    with ThreadPoolExecutor(CALLERS) as threads:
        got = list(threads.map(ask, range(CALLERS)))
    assert len(made) == 1
    assert all(it is made[0] for it in got)
    assert part() is made[0]
    assert part.__name__ == "part"


def test_a_call_that_failed_leaves_the_next_one_to_make_it() -> None:
    tries: list[int] = []

    @once
    def part() -> int | None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not yet")
        return None

    with pytest.raises(OSError, match="not yet"):
        part()
    assert (part(), part(), len(tries)) == (None, None, 2)


def test_the_functions_first_calls_get_one_app() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CALLS], capture_output=True, text=True, check=True, cwd=ROOT, env=SETTINGS
    )
    assert done.stdout.split() == ["1", "1", "1"]
