"""The configuration of each container tool: it parses as that tool reads it, and names both sides."""

import base64
import tomllib

import pytest
from typer.testing import CliRunner, Result

from acrmirror.cli.app import app

URL = "https://func-mirror.azurewebsites.net"
REGISTRY = "demo.azurecr.io"
BASIC = "Basic " + base64.b64encode(b"nodes:a-b_c").decode()


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["--url", f"{URL}/api", "mirror-config", *arguments], input=given, env={})


def text(tool: str, *more: str, given: str | None = None) -> str:
    done = run(tool, "--registry", REGISTRY, *more, given=given)
    assert done.exit_code == 0, done.output
    return done.output


def test_containerd_asks_the_mirror_first() -> None:
    read = tomllib.loads(text("containerd"))
    assert read == {"server": f"https://{REGISTRY}", "host": {URL: {"capabilities": ["pull", "resolve"]}}}
    assert f"/etc/containerd/certs.d/{REGISTRY}/hosts.toml" in text("containerd")


def test_a_pull_credential_is_a_header_for_the_mirror_alone() -> None:
    read = tomllib.loads(text("containerd", "--username", "nodes", "--password-stdin", given="a-b_c\n"))
    assert read["host"][URL]["header"] == {"authorization": BASIC}
    assert "header" not in read


def test_podman_and_its_kin_know_a_mirror_by_host() -> None:
    read = tomllib.loads(text("podman"))
    mirror = {"location": "func-mirror.azurewebsites.net"}
    assert read == {"registry": [{"prefix": REGISTRY, "location": REGISTRY, "mirror": [mirror]}]}
    assert "podman login func-mirror.azurewebsites.net" in text("podman")


def test_docker_is_given_commands() -> None:
    lines = [line for line in text("docker").splitlines() if not line.startswith("#")]
    assert [line.split()[:2] for line in lines] == [["docker", "login"], ["docker", "pull"], ["docker", "tag"]]
    assert lines[2].endswith(f"{REGISTRY}/REPOSITORY:TAG")


def test_a_cluster_writes_the_same_to_each_node() -> None:
    """The manifests are read as what they are, a subset of YAML that needs no parser: one block of text, by indents."""
    manifests = text("aks", "--username", "nodes", "--password-stdin", given="a-b_c")
    secret, daemon = manifests.split("---\n")
    block = secret.split("  hosts.toml: |\n")[1]
    assert all(not line or line.startswith("    ") for line in block.splitlines())
    inside = "\n".join(line.removeprefix("    ") for line in block.splitlines())
    assert tomllib.loads(inside)["host"][URL]["header"] == {"authorization": BASIC}
    assert f'path: "/etc/containerd/certs.d/{REGISTRY}"' in daemon
    assert "mcr.microsoft.com/" in daemon
    assert BASIC not in daemon


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (["containerd", "--registry", "https://demo.azurecr.io"], None, "is no host"),
        (["containerd", "--registry", 'a"]\n[x'], None, "is no host"),
        (["aks", "--registry", REGISTRY, "--username", "nodes"], None, "go together"),
        (["aks", "--registry", REGISTRY, "--password-stdin"], "x", "go together"),
        (["aks", "--registry", REGISTRY, "--username", 'a"b', "--password-stdin"], "x", "no name"),
        (["aks", "--registry", REGISTRY, "--username", "nodes", "--password-stdin"], "\n", "no password"),
        (["frob", "--registry", REGISTRY], None, "frob"),
    ],
)
def test_what_would_make_a_broken_file_is_refused(arguments: list[str], given: str | None, said: str) -> None:
    done = run(*arguments, given=given)
    assert done.exit_code == 2
    assert said in " ".join((done.output + done.stderr).split())
