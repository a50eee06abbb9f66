"""What is packaged: wheels for the platform's Python, whichever Python packages; and an app that tells another one."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from acrmirror.errors import Misconfigured
from acrmirror.health import Check, Health
from acrmirror.package import RECORD, other_python
from devtools.bicep.settled import at
from devtools.deployment import INFRA, ROOT, SITE
from devtools.deployment.scenarios import SCENARIOS, run

PROGRAM = INFRA / "hooks" / "package.py"
ANY, OURS, OTHER = "py3-none-any", "cp313-cp313-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_17_x86_64"


def wheel(folder: Path, name: str, tag: str, *requires: str) -> None:
    """An empty package of version 1, whose only module says which wheel it is from."""
    files = {
        f"{name}.py": f"TAG = {tag!r}\n",
        f"acrm/{name}.py": "",
        f"{name}-1.dist-info/METADATA": "\n".join(
            [f"Metadata-Version: 2.1\nName: {name}\nVersion: 1", *(f"Requires-Dist: {line}" for line in requires), ""]
        ),
        f"{name}-1.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = [f"{path},sha256={digest(text)},{len(text)}" for path, text in files.items()]
    files[f"{name}-1.dist-info/RECORD"] = "\n".join([*record, f"{name}-1.dist-info/RECORD,,", ""])
    with zipfile.ZipFile(folder / f"{name}-1-{tag}.whl", "w") as made:
        for path, text in files.items():
            made.writestr(path, text)


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class App:
    """A folder with lists of packages, and an index of wheels beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.index = folder / "the app", folder / "index"
        self.folder.mkdir()
        self.index.mkdir()

    def package(self, requirements: str, constraints: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "requirements.txt").write_text(requirements)
        (self.folder / "constraints.txt").write_text(constraints)
        environment = {
            **os.environ,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.index),
            "PIP_CONFIG_FILE": os.devnull,
        }
        words = [sys.executable, str(PROGRAM), str(self.folder)]
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    def found(self) -> dict[str, str]:
        packages = self.folder / ".python_packages" / "lib" / "site-packages"
        return {path.stem: path.read_text().split("'")[1] for path in packages.glob("*.py")}


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def test_packages_are_chosen_for_the_platform_whatever_python_packages(app: App) -> None:
    """Markers of what is requested, and of what that requests, count for the platform; so do the wheels."""
    wheel(app.index, "acrm_a", OURS, 'acrm_b; python_version < "3.13"', 'acrm_c; python_version >= "3.13"')
    wheel(app.index, "acrm_a", OTHER, 'acrm_b; python_version < "3.13"', 'acrm_c; python_version >= "3.13"')
    wheel(app.index, "acrm_c", ANY, 'acrm_d; extra == "more"', 'acrm_e; sys_platform == "win32"')
    wheel(app.index, "acrm_f", ANY, "acrm_c[more]")
    wheel(app.index, "acrm_d", ANY)
    asked = 'acrm-a==1\nacrm_b==1; python_version < "3.13"\nacrm_f==1; python_version >= "3.13"  # why\n'
    ended = app.package(asked, "acrm-c==1\nacrm-d==1\n")
    assert ended.returncode == 0, ended.stderr
    assert app.found() == {"acrm_a": OURS, "acrm_c": ANY, "acrm_d": ANY, "acrm_f": ANY}
    shared = app.folder / ".python_packages" / "lib" / "site-packages" / "acrm"
    assert {path.stem for path in shared.iterdir()} == {"acrm_a", "acrm_c", "acrm_d", "acrm_f"}, "as azure is shared"
    assert (app.folder / RECORD).read_text() == "3.13\n"
    assert "4 packages for Python 3.13" in ended.stdout


def test_what_cannot_be_had_is_named_and_the_packages_from_before_stay(app: App) -> None:
    wheel(app.index, "acrm_a", ANY)
    assert app.package("acrm-a==1\n", "").returncode == 0
    wheel(app.index, "acrm_b", OTHER)
    for asked, said in (("acrm-b==1\n", "pip could not get acrm-b==1"), ("acrm-a==1\nacrm-z\n", "acrm-z is needed")):
        ended = app.package(asked, "")
        assert ended.returncode == 1
        assert said in ended.stderr
        assert app.found() == {"acrm_a": ANY}


def test_the_package_is_for_the_python_that_the_function_app_has() -> None:
    site = run(SCENARIOS[0]).of(SITE)[0]
    version = at(site.body, "properties/functionAppConfig/runtime/version")
    assert f'PYTHON = "{version}"' in PROGRAM.read_text(encoding="utf-8")
    service = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))["services"]["mirror"]
    assert service["remoteBuild"] is False
    for hook in service["hooks"]["prepackage"].values():
        assert PROGRAM.relative_to(ROOT).as_posix() in hook["run"]


@pytest.mark.parametrize(("record", "running", "wrong"), [("3.13\n", (3, 13), False), ("3.11\n", (3, 13), True)])
def test_another_python_is_named_with_what_to_do(
    tmp_path: Path, record: str, running: tuple[int, int], wrong: bool
) -> None:
    assert other_python(tmp_path, running) is None, "nothing was packaged"
    (tmp_path / RECORD).parent.mkdir()
    (tmp_path / RECORD).write_text(record)
    found = other_python(tmp_path, running)
    assert isinstance(found, Misconfigured) == wrong
    assert Health((Check("python", found),)).ok != wrong
    if wrong:
        assert "built for Python 3.11, and it runs on Python 3.13" in str(found)


@pytest.mark.parametrize("importable", [True, False], ids=["that can be imported", "that can't be imported"])
def test_a_start_on_another_python_says_so_in_its_first_line(tmp_path: Path, importable: bool) -> None:
    """Also where the packages are of the other Python, and importing them fails."""
    shutil.copytree(ROOT / "acrmirror", tmp_path / "acrmirror", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "function_app.py", tmp_path)
    (tmp_path / RECORD).parent.mkdir()
    (tmp_path / RECORD).write_text("3.99\n")
    if not importable:
        (tmp_path / "azure").mkdir()
        (tmp_path / "azure" / "__init__.py").write_text("raise ImportError('a wheel of another Python')\n")
    code = "import logging; logging.basicConfig(); import function_app"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    words = [sys.executable, "-c", code]
    ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode == 0) == importable, ended.stderr
    assert "its packages were built for Python 3.99" in ended.stderr.splitlines()[0]
