"""dev.py's cheap parts: what it decides. What it makes is shown by every run of the tests from a fresh clone."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

import dev
from devtools.steps import SetupFailed, run
from devtools.tooling import Tooling

ON_TWO_CORES = ("-n", "3", "--dist", "worksteal")
ROOT = Path(dev.__file__).parent


@pytest.fixture
def clone(tmp_path: Path) -> ModuleType:
    """The dev.py of another clone, which has nothing but the lists of packages."""
    return make_clone(tmp_path / "clone")


def make_clone(folder: Path) -> ModuleType:
    locks = (
        "azurite/package-lock.json",
        "azurite/package.json",
        "kusto/package-lock.json",
        "node/package-lock.json",
        "node/requirements.txt",
    )
    modules = ("__init__", "machine", "steps", "tooling")
    copied = (*(f"tools/{it}" for it in locks), *(f"devtools/{it}.py" for it in modules))
    for name in ("dev.py", *dev.CHECKS_PACKAGES, *copied):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    spec = importlib.util.spec_from_file_location("dev_of_another_clone", folder / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_half_an_environment_is_told_from_a_whole_one_and_made_anew(clone: ModuleType) -> None:
    environment = clone.ROOT / ".venv"
    python = environment / "bin" / "python"
    wanted = clone.fingerprint(clone.PACKAGES, "3.13")
    python.parent.mkdir(parents=True)
    (environment / "left-over").touch()
    clone.make_environment(Path(sys.executable), environment)
    assert clone.version_of(python) == clone.version_of(Path(sys.executable))
    assert not (environment / "left-over").exists()
    assert not clone.is_complete(environment, clone.STAMP, wanted), "packages are missing: there is no stamp"
    (environment / clone.STAMP).write_text(wanted)
    assert clone.is_complete(environment, clone.STAMP, wanted)
    python.unlink()
    python.symlink_to("/gone/python")
    assert not clone.is_complete(environment, clone.STAMP, wanted), "its interpreter is gone"


def test_another_requirement_python_or_place_makes_another_fingerprint(clone: ModuleType, tmp_path: Path) -> None:
    before = clone.fingerprint(clone.PACKAGES, "3.13")
    assert clone.fingerprint(clone.PACKAGES, "3.12") != before
    assert make_clone(tmp_path / "elsewhere").fingerprint(dev.PACKAGES, "3.13") != before
    with (clone.ROOT / "requirements.txt").open("a") as file:
        file.write("another==1.0\n")
    assert clone.fingerprint(clone.PACKAGES, "3.13") != before


def test_tools_are_complete_while_the_lock_they_were_made_from_stands(clone: ModuleType) -> None:
    tooling = Tooling(clone.ROOT)
    assert not tooling.is_complete()
    clone.TOOLS.mkdir()
    told = clone.TOOLS / "tools.json"
    found = {"node": sys.executable, "azurite": __file__, "lock": tooling.lock()}
    told.write_text(json.dumps(found))
    assert tooling.is_complete()
    told.write_text(json.dumps(found | {"azurite": "/gone/azurite.js"}))
    assert not tooling.is_complete()
    told.write_text(json.dumps(found))
    for name, another in (("requirements.txt", "another==1.0"), ("package-lock.json", "{}")):
        before = (clone.ROOT / "tools" / "node" / name).read_text()
        (clone.ROOT / "tools" / "node" / name).write_text(another)
        assert not tooling.is_complete()
        (clone.ROOT / "tools" / "node" / name).write_text(before)
        assert tooling.is_complete()


def test_the_language_service_is_complete_while_the_lock_it_was_made_from_stays(clone: ModuleType) -> None:
    tooling = Tooling(clone.ROOT)
    assert not tooling.service_is_complete()
    folder = clone.TOOLS / "kusto"
    folder.mkdir(parents=True)
    assert not tooling.service_is_complete(), "half of it is there"
    (folder / "made-of.txt").write_text(tooling.service_lock())
    assert tooling.service_is_complete()
    (clone.ROOT / "tools" / "kusto" / "package-lock.json").write_text("{}")
    assert not tooling.service_is_complete()


@pytest.mark.parametrize(("tool", "at_least"), [("azurite", 100), ("kusto", 1), ("node", 4)])
def test_a_lock_names_no_registry_and_has_a_checksum_for_every_package(tool: str, at_least: int) -> None:
    packages = json.loads((ROOT / "tools" / tool / "package-lock.json").read_text())["packages"]
    installed = [package for name, package in packages.items() if name]
    assert len(installed) >= at_least
    assert not any("resolved" in package for package in installed)
    assert all(package.get("integrity") or package.get("link") for package in installed)


def test_every_package_is_pinned() -> None:
    for name in (*dev.CHECKS_PACKAGES, "tools/node/requirements.txt"):
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.startswith(("#", "-r ")):
                assert re.fullmatch(r'[\w.-]+==[\w.]+(; python_version (<|>=) "3\.13")?', line), f"{name}: {line}"


def test_a_second_one_in_the_same_clone_waits_for_the_first(clone: ModuleType) -> None:
    order = []
    inside, done = threading.Event(), threading.Event()

    def second() -> None:
        inside.wait()
        with clone.only_one_at_a_time():
            order.append("second")
        done.set()

    thread = threading.Thread(target=second)
    thread.start()
    with clone.only_one_at_a_time():
        inside.set()
        assert not done.wait(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], [*ON_TWO_CORES, "tests/unit", "tests/infra", "tests/integration", "standins/tests"]),
        (
            ["-k", "registry"],
            [*ON_TWO_CORES, "tests/unit", "tests/infra", "tests/integration", "standins/tests", "-k", "registry"],
        ),
        (["tests/unit"], [*ON_TWO_CORES, "tests/unit"]),
        (["tests/unit/test_oci.py::test_x", "-n0"], [*ON_TWO_CORES, "tests/unit/test_oci.py::test_x", "-n0"]),
    ],
)
def test_paths_given_to_test_replace_the_default_ones(
    given: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert dev.test_arguments(given) == expected


def test_what_follows_a_command_is_the_commands_own() -> None:
    assert dev.parse(["up", "--json", "--workers", "3"]).rest == ["--json", "--workers", "3"]
    assert dev.parse(["demo", "--help"]).rest == ["--help"]
    assert dev.parse(["--python", "python3.12", "test", "-x"]).python == "python3.12"


def test_an_old_or_missing_interpreter_is_told(tmp_path: Path) -> None:
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\necho 3.10\n")
    old.chmod(0o755)
    with pytest.raises(SetupFailed, match=r"Python 3\.10.*3\.11 or newer"):
        dev.version_of(old)
    with pytest.raises(SetupFailed, match="no interpreter"):
        dev.prepare("python-that-is-not-there", dev.needs_of("lint", []))


def test_what_fails_is_told_with_its_own_words_and_a_remedy() -> None:
    with pytest.raises(SetupFailed, match=r"(?s)code 3: .*no space left.*Make room"):
        run([sys.executable, "-c", "print('no space left'); raise SystemExit(3)"], "Make room.", ROOT)


@pytest.mark.parametrize("home", ["/sys", "/proc/gone"])
def test_npm_has_a_cache_where_the_home_takes_none(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("npm_config_cache", raising=False)
    monkeypatch.setenv("HOME", home)
    assert Tooling(ROOT).npm_cache() == ["--cache", str(ROOT / ".tools" / "npm-cache")]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Tooling(ROOT).npm_cache() == []


def test_it_runs_from_any_folder_and_tells_its_commands(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, ROOT / "dev.py", "--help"],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for command in dev.COMMANDS:
        assert re.search(rf"^  {command} ", told, re.MULTILINE), command


def test_it_runs_where_the_locale_knows_no_character_of_its_folder(tmp_path: Path) -> None:
    folder = make_clone(tmp_path / "a b ü").ROOT
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {**os.environ, **ascii_alone}
    dev_py = [sys.executable, folder / "dev.py"]
    told = subprocess.run([*dev_py, "--help"], env=environment, capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (0, "")
    failed = subprocess.run([*dev_py, "--python=missing-ü", "up"], env=environment, capture_output=True, text=True)
    assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
    assert "there is no interpreter missing-ü" in failed.stderr
    code = "import dev; print(dev.fingerprint((), '3.13'))"
    marks = [
        subprocess.run([sys.executable, "-c", code], cwd=folder, env=it, capture_output=True, text=True, check=True)
        for it in (environment, dict(os.environ))
    ]
    assert marks[0].stdout == marks[1].stdout


def test_it_is_of_the_standard_library_alone() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import dev"
    subprocess.run([sys.executable, "-I", "-S", "-c", code, str(ROOT)], check=True)


def test_compiled_modules_are_kept_where_they_lie_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    dev.keep_compiled_modules()
    assert "PYTHONDONTWRITEBYTECODE" not in os.environ
    assert os.environ["PYTHONPYCACHEPREFIX"] == str(ROOT / ".tools" / "compiled")
    monkeypatch.delenv("PYTHONPYCACHEPREFIX")
    dev.keep_compiled_modules()
    assert "PYTHONPYCACHEPREFIX" not in os.environ
