"""The stand-ins in a fresh environment, with nothing else of this repository: crane and oras push to them and pull."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from standins.process import Service
from testkit.images import multi_arch, write_layout
from tests.interop.clients import Clients
from tests.interop.contents import contents, digests

pytestmark = pytest.mark.interop

ROOT = Path(__file__).parents[2]
USERNAME, PASSWORD = "pusher", "a password for one run"


@dataclass(frozen=True, slots=True)
class Fresh:
    """A virtual environment with the package and what it depends on."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    def environment(self, **more: str) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more

    def run(self, *words: str | Path, code: int = 0, **more: str) -> str:
        """What it says; from a folder of its own, so that nothing of the repository is imported."""
        command = [self.python, *words]
        environment = self.environment(**more)
        ran = subprocess.run(
            command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert ran.returncode == code, f"{command} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}"
        return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    folder = tmp_path_factory.mktemp("fresh")
    # A copy, since setuptools builds in the folder that it is given.
    shutil.copytree(
        ROOT / "standins", folder / "source", ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    )
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    made = Fresh(folder)
    made.run(
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        f"{folder / 'source'}[functions,pytest]",
    )
    return made


@pytest.fixture
def clients(fresh: Fresh, tmp_path: Path) -> Iterator[tuple[Clients, str]]:
    """crane and oras, logged in, and the registry's host."""
    fresh.run("-m", "standins.certificates", tmp_path)
    service = Service(
        "standins.registry",
        # -P: the folder that this runs in, which is the repository's, is not looked in.
        [
            str(fresh.python),
            "-P",
            "-m",
            "standins.registry",
            "--cert",
            str(tmp_path / "server.pem"),
            "--username",
            USERNAME,
        ],
        tmp_path / "registry.log",
        fresh.environment(STANDINS_REGISTRY_PASSWORD=PASSWORD),
    )
    try:
        host = str(service.ready()["registry"])
        yield Clients.logged_in(tmp_path / "home", tmp_path / "ca.pem", host, USERNAME, PASSWORD), host
    finally:
        service.stop()


def test_what_is_installed_is_the_package_alone(fresh: Fresh) -> None:
    place = fresh.run("-c", "import standins; print(standins.__file__)").strip()
    assert place.startswith(str(fresh.folder / "venv"))
    assert "No module named 'acrmirror'" in fresh.run("-c", "import acrmirror", code=1)
    assert fresh.run("-m", "pip", "check").strip() == "No broken requirements found."


@pytest.mark.parametrize("client", ["crane", "oras"])
def test_a_client_pushes_and_pulls(clients: tuple[Clients, str], client: str, tmp_path: Path) -> None:
    program, host = clients
    image = multi_arch(client, 2, tag="v1")
    write_layout(tmp_path / "layout", image)
    name = f"{host}/alone/{client}:v1"
    program.push(client, tmp_path / "layout", "v1", name, many=True)
    program.pull(client, name, tmp_path / "pulled")
    assert digests(image) <= contents(tmp_path / "pulled")
    assert program.manifest(client, name) == image.manifest(image.root.digest).raw


def test_without_azurite_it_says_how_to_get_it(fresh: Fresh, tmp_path: Path) -> None:
    said = fresh.run("-m", "standins.azurite", "--cert", tmp_path / "server.pem", code=1)
    assert said.startswith("Azurite can't start: STANDINS_AZURITE is not set")
    assert "npm install azurite" in said
    assert "Traceback" not in said


APP = """
import azure.functions as func

app = func.FunctionApp()


@app.route(route="hello", auth_level=func.AuthLevel.FUNCTION)
def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("hello")
"""
CONFTEST = """
from pathlib import Path

import pytest
from standins.profile import Profile, Resources


class Hello(Profile):
    app = Path(__file__).parent / "app"

    def settings(self, services):
        return {}

    def resources(self, settings):
        return Resources(containers=("content",))


@pytest.fixture(scope="session")
def app_profile():
    return Hello()
"""
USES = """
from urllib.request import Request, urlopen

from azure.storage.blob import BlobServiceClient
from standins.profile import Resources


def test_storage(account):
    account.deploy(Resources(containers=("content",)))
    with BlobServiceClient(account.blob_endpoint, **account.client_options) as blobs:
        blobs.get_blob_client("content", "a").upload_blob(b"content")
        assert [blob.name for blob in blobs.get_container_client("content").list_blobs()] == ["a"]


def test_registry(registry):
    assert registry.requests() == []


def test_an_app(stack):
    request = Request(f"{stack.functions.url}/api/hello", headers={"x-functions-key": stack.functions.function_key})
    with urlopen(request) as answer:
        assert answer.read() == b"hello"
"""


def test_pytest_finds_the_fixtures_and_runs_an_app(fresh: Fresh, tmp_path: Path) -> None:
    tools = json.loads((ROOT / ".tools" / "tools.json").read_text())
    azurite = Path(tools["azurite"]).parents[4]
    path = f"{Path(tools['node']).parent}{os.pathsep}{os.environ['PATH']}"
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "function_app.py").write_text(APP)
    (tmp_path / "app" / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_uses.py").write_text(USES)
    said = fresh.run("-m", "pytest", "-q", tmp_path, STANDINS_AZURITE=str(azurite), PATH=path)
    assert "3 passed" in said
