"""What a new instance pays before its first call: importing function_app.py."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST = 1.0
"""Seconds of CPU."""

CPU = """
import json, os, sys
before = os.times()
import function_app
after = os.times()
print(json.dumps(after.user + after.system - before.user - before.system))
"""

# Audit events are Python's own (docs.python.org/3/library/audit_events.html).
WATCHED = """
import gc, json, sys
seen = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"):
        seen.append([event, str(arguments[-1])])
sys.addaudithook(watch)
import function_app
if "--used" in sys.argv:
    import socket
    function_app.mirror_app()
    socket.getaddrinfo("localhost", 443)
credentials = [type(it).__name__ for it in gc.get_objects() if hasattr(type(it), "get_token")]
print(json.dumps([seen, credentials]))
"""

SETTINGS = {
    "MIRROR_REGISTRY": "registry.invalid",
    "MIRROR_BLOB_ENDPOINT": "https://storage.invalid",
    "MIRROR_TABLE_ENDPOINT": "https://storage.invalid",
    "MIRROR_QUEUE__queueServiceUri": "https://storage.invalid",
}


def fresh(code: str, cache: Path, *arguments: str, **settings: str) -> Any:
    """What a new interpreter prints last, as JSON. Compiled modules are kept in `cache`."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(cache), **settings}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


def test_nothing_is_opened_or_asked_for_during_import(cache: Path) -> None:
    assert fresh(WATCHED, cache) == [[], []]


def test_what_is_watched_for_is_seen_once_the_app_is_used(cache: Path) -> None:
    seen, credentials = fresh(WATCHED, cache, "--used", **SETTINGS)
    assert [event for event, _ in seen] == ["socket.getaddrinfo"]
    assert credentials


def test_importing_the_app_takes_less_than_a_second_of_cpu(cache: Path) -> None:
    """The best of a few: whatever else runs only adds to it. The first one compiles."""
    fresh(CPU, cache)
    assert min(fresh(CPU, cache) for _ in range(3)) < MOST
