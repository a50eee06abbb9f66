"""The app as it is deployed: what is in the zip, and that a worker then has that alone."""

import json
import os
import shutil
import sysconfig
import zipfile
from pathlib import Path

from devtools.package import ROOT, pack
from standins.foundation import Foundation
from standins.functions import isolated
from standins.functions.process import PACKAGES
from standins.stack import Stack
from standins.tests.sample_host import sample_host

APP = """
import importlib.util
import json
import sys

import azure.functions as func

app = func.FunctionApp()


@app.route("seen", trigger_arg_name="request", auth_level=func.AuthLevel.ANONYMOUS)
def seen(request: func.HttpRequest) -> func.HttpResponse:
    names = request.params["names"].split(",")
    found = {name: getattr(importlib.util.find_spec(name), "origin", None) for name in names}
    return func.HttpResponse(json.dumps({"found": found, "path": sys.path}))
"""


def test_the_zip_holds_the_app_and_nothing_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack(tmp_path / "clone", tmp_path / "app.zip")) as opened:
        names = opened.namelist()
    assert {name.partition("/")[0] for name in names} == {
        "LICENSE",
        "acrmirror",
        "function_app.py",
        "host.json",
        "requirements.txt",
    }
    clone = tmp_path / "clone"
    app = {str(it.relative_to(clone)) for it in (clone / "acrmirror").rglob("*") if it.is_file()}
    assert {name for name in names if name.startswith("acrmirror/")} == app


def test_it_is_packed_as_it_lies_where_there_is_no_repository(tmp_path: Path) -> None:
    """As in an unpacked archive of one, with what `dev.py` and Python made there since."""
    folder = tmp_path / "a b ü"
    taken = ("function_app.py", "acrmirror/rooms/ü.py")
    left = (
        ".gitignore",
        ".funcignore",
        "README.md",
        ".venv/lib/x.py",
        "acrmirror/__pycache__/x.pyc",
        "tests/test_x.py",
    )
    for name in (*taken, *left):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name in (".gitignore", ".funcignore"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    with zipfile.ZipFile(pack(tmp_path / "clone", tmp_path / "app.zip", folder)) as opened:
        assert sorted(opened.namelist()) == sorted(taken)
    assert not (folder / ".git").exists()


def test_an_app_that_brings_its_packages_has_these_alone(foundation: Foundation, tmp_path: Path) -> None:
    """Neither this repository nor its environment: `acrmirror` and `pytest` are in both, `standins` is the worker's."""
    app = tmp_path / "app"
    packages = app / PACKAGES
    packages.mkdir(parents=True)
    (app / "function_app.py").write_text(APP)
    (app / "host.json").write_text('{"version": "2.0"}')
    (packages / "only_here.py").touch()
    here = Path(sysconfig.get_path("purelib"))
    for name in ("azure", "werkzeug", "markupsafe"):
        if (here / name).exists():
            shutil.copytree(here / name, packages / name, ignore=shutil.ignore_patterns("mgmt", "storage", "data"))
    with sample_host(foundation, tmp_path, app=app, make_queue=False) as host:
        names = ["acrmirror", "function_app", "json", "only_here", "pytest", *isolated.WORKER_LIBRARY]
        seen = json.loads(host.ask("GET", f"/api/seen?names={','.join(names)}").body)
    found, path = seen["found"], seen["path"]
    assert (found["acrmirror"], found["pytest"]) == (None, None)
    assert found["only_here"] == str(packages / "only_here.py")
    assert found["function_app"] == str(app / "function_app.py")
    assert not [it for it in path if it.startswith((str(ROOT), str(here))) and not it.startswith(str(app))]


def test_a_stack_runs_the_app_that_it_is_pointed_at(stack: Stack) -> None:
    """With `--package` that is the one from the zip, and its worker is an isolated one."""
    wanted = Path(os.environ.get("LOCAL_APP") or ROOT)
    for worker in stack.functions.workers():
        process = Path("/proc") / str(worker["pid"])
        assert (process / "cwd").resolve() == wanted
        command = (process / "cmdline").read_bytes().decode().split("\0")
        assert (isolated.__file__ in command) == (wanted / PACKAGES).is_dir()
