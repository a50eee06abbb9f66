"""dev.py where something is there already, or a part of Python itself is missing: what it uses, and what it says."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import dev
from devtools import machine
from devtools.steps import SetupFailed
from devtools.tooling import Tooling
from tests.integration.test_dev import make_clone
from tests.programs import make_program

ROOT = Path(dev.__file__).parent
VERSION = ".".join(map(str, sys.version_info[:2]))
STACK = dev.needs_of("up", [])


def environment(folder: Path) -> Path:
    """The interpreter of a virtual environment without anything in it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


def fill(python: Path, packages: dict[str, str]) -> None:
    """As an installer leaves them: what is looked at is each one's name and version."""
    (site,) = (python.parent.parent / "lib").glob("python*/site-packages")
    for name, version in packages.items():
        told = site / f"{name.replace('-', '_')}-{version}.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def dev_py(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, with no environment active but the one that `variables` name."""
    ours = {name: it for name, it in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    base = Path(getattr(sys, "_base_executable", sys.executable))
    line = [str(base), str(ROOT / "dev.py"), *words]
    return subprocess.run(line, env={**ours, **variables}, capture_output=True, text=True, check=False)


def test_an_active_environment_that_has_all_is_used_and_one_that_lacks_something_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    python = environment(tmp_path / "active")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    assert dev.usable_environment(STACK) is None
    assert (
        f"dev.py leaves the active virtual environment {tmp_path / 'active'} alone: it lacks" in capfd.readouterr().err
    )
    wanted = STACK.pins(VERSION)
    assert "pytest" not in wanted, "the stack does without it"
    fill(python, wanted)
    assert dev.usable_environment(STACK) == python
    assert dev.usable_environment(dev.needs_of("lint", [])) is None
    (dist,) = (tmp_path / "active").glob("lib/*/site-packages/trustme-*")
    shutil.rmtree(dist)
    fill(python, {"trustme": "0.1"})
    assert dev.usable_environment(STACK) is None, "another version than the pinned one"
    assert "trustme 0.1 (pinned: " in capfd.readouterr().err
    assert dev.as_it_is(None, dev.Needs(tools=False, checks=False, to_check=False)) == python, "nothing is installed"
    assert "dev.py uses other versions than the pinned ones: trustme 0.1 (pinned: " in capfd.readouterr().err


def test_an_environment_that_it_made_itself_is_no_other_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(ROOT / ".venv"))
    assert machine.active_environment(ROOT) is None
    monkeypatch.setenv("VIRTUAL_ENV", str(ROOT / "gone"))
    assert machine.active_environment(ROOT) is None


def test_without_installing_all_that_is_missing_is_named_with_how_to_get_it(tmp_path: Path) -> None:
    clone = make_clone(tmp_path / "clone").ROOT
    files = sorted(clone.rglob("*"))
    python = environment(tmp_path / "bare")
    line = [str(python), str(clone / "dev.py"), "--no-install", "up"]
    bare = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    told = subprocess.run(line, env=bare, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (1, "")
    for part in ("trustme==", "azure-storage-blob==", "-m pip install -r requirements-dev.txt", "pip download"):
        assert part in told.stderr, part
    assert "Node.js 22 or newer: put its node on the PATH" in told.stderr
    assert "npm install --global azurite@3.37.0" in told.stderr
    assert "STANDINS_AZURITE" in told.stderr
    assert "Kusto" not in told.stderr
    fill(python, {name: it for name, it in STACK.pins(VERSION).items() if name != "trustme"})
    told = subprocess.run(line, env=bare, capture_output=True, text=True, check=False)
    assert f"(Python {VERSION}) lacks 1 packages:\n  trustme==" in told.stderr
    assert f"{python} -m pip install trustme==" in told.stderr
    assert [it for it in sorted(clone.rglob("*")) if "__pycache__" not in it.parts] == files, "nothing is made"


def test_the_library_that_runs_the_app_on_newer_pythons_is_explained() -> None:
    told = machine.told(Path("python3"), "3.13", ["azure-functions-runtime==1.3.0"], ["requirements-dev.txt"], [])
    assert "is what runs the app on Python 3.13 and newer; 3.11 and 3.12 do without it" in told
    assert "azure-functions-runtime" not in machine.pins(ROOT, ["requirements-dev.txt"], "3.12")
    assert "azure-functions-runtime" in machine.pins(ROOT, ["requirements-dev.txt"], "3.13")


def test_without_that_library_the_stack_says_what_to_do(tmp_path: Path) -> None:
    """Python imports a package that is none in its place."""
    shadow = tmp_path / "azure_functions_runtime"
    shadow.mkdir()
    (shadow / "__init__.py").write_text("raise ImportError\n")
    code = "from standins.functions.runtime import choose; choose('official')"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))},
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    assert f"({sys.executable} -m pip install 'azure-functions-runtime>=1,<2'), or use Python 3.11 or 3.12" in told


def python_without(module: str, folder: Path, content: str | None = None) -> Path:
    """A Python as a distribution splits it: everything but one package of the standard library, which is `content`."""
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix}))
    home = folder / "lib" / library.name
    home.mkdir(parents=True)
    for entry in library.iterdir():
        if entry.name not in (module, "site-packages", "dist-packages"):
            (home / entry.name).symlink_to(entry)
    if content is not None:
        (home / module).mkdir()
        (home / module / "__init__.py").write_text("")
        (home / module / "__main__.py").write_text(content)
    program = folder / "bin" / f"python{VERSION}"
    program.parent.mkdir()
    shutil.copy2(Path(sys.executable).resolve(), program)
    return program


@pytest.mark.parametrize(
    ("module", "content", "said"),
    [
        ("venv", None, rf"(?s)No module named venv.*apt install python{VERSION}-venv"),
        ("ensurepip", None, rf"(?s)No module named ensurepip.*apt install python{VERSION}-venv.*--no-install"),
        (
            "ensurepip",
            "raise OSError(28, 'No space left on device')",
            r"(?s)No space left on device.*space left in .*TMPDIR",
        ),
    ],
)
def test_what_fails_of_a_virtual_environment_is_named(
    module: str, content: str | None, said: str, tmp_path: Path
) -> None:
    python = python_without(module, tmp_path / "python", content)
    with pytest.raises(SetupFailed, match=said) as failed:
        dev.make_environment(python, tmp_path / ".venv")
    assert "apt install" not in str(failed.value) or content is None


def node(folder: Path, version: str) -> Path:
    make_program(folder / "node", f"print({version!r})")
    return folder / "node"


def test_a_node_that_is_too_old_or_comes_without_npm_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "npm-cli.js"
    npm.write_text("")
    npm.chmod(0o755)
    (tmp_path / "npm").symlink_to(npm)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    for version, taken in (("v20.20.2", False), ("v24.1.0", True), ("nonsense", False)):
        node(tmp_path, version)
        assert (machine.system_node() == (tmp_path / "node", npm)) is taken, version


def test_an_azurite_that_npm_put_on_the_path_is_used_in_the_pinned_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "lib" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    script.parent.mkdir(parents=True)
    script.touch(0o755)
    package = script.parents[2] / "package.json"
    (tmp_path / "azurite").symlink_to(script)
    (tmp_path / "npm-cli.js").touch(0o755)
    (tmp_path / "npm").symlink_to(tmp_path / "npm-cli.js")
    found = node(tmp_path, "v24.1.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.delenv(machine.AZURITE_VARIABLE, raising=False)
    assert list(machine.missing_tools(ROOT, tmp_path / "none", with_service=False)) == []
    for name in ("azurite", "node"):
        (tmp_path / "clone" / "tools" / name).mkdir(parents=True)
        for file in (ROOT / "tools" / name).iterdir():
            (tmp_path / "clone" / "tools" / name / file.name).symlink_to(file)
    package.write_text(json.dumps({"name": "azurite", "version": machine.azurite_pin(ROOT)}))
    tooling = Tooling(tmp_path / "clone")
    tooling.install(Path(sys.executable), with_service=False)
    assert json.loads((tooling.folder / "tools.json").read_text()) == {
        "node": str(found),
        "azurite": str(script),
        "lock": tooling.lock(),
    }
    package.write_text(json.dumps({"name": "azurite", "version": "3.0.0"}))
    # npm, which is none here, is asked for the pinned one.
    make_program(tmp_path / "node", "import sys\nprint('v24.1.0')\nsys.exit(sys.argv[1] != '--version')")
    with pytest.raises(SetupFailed, match="npm registry"):
        tooling.install(Path(sys.executable), with_service=False)


def test_without_installing_this_very_machine_runs(tmp_path: Path) -> None:
    """Where it lacks nothing: the interpreter of these tests, and the tools that they run on."""
    told = dev_py("--no-install", "--python", sys.executable, "up", "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert "until Ctrl-C" in told.stdout
