"""Each row of docs/errors.md of the command line, and each exit code of docs/cli.md: provoked, and ended as it says."""

import json
import os
import pty
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from acrmirror.mirror import Layout
from standins.foundation import Foundation
from standins.process import wait_for
from standins.stack import Stack
from testkit.images import Image, multi_arch, oci_image
from tests.documentation import table
from tests.integration.command import Command
from tests.integration.error_rows import command_rows
from tests.integration.mirroring import Mirroring, mirroring
from tests.integration.storage_proxy import StorageProxy
from tests.programs import as_from_a_terminal

LAYOUT = Layout()

MIB = 1024 * 1024
CODES = {int(code) for code, _ in table("docs/cli.md", "code")}


@dataclass(frozen=True, slots=True)
class Terminal:
    """What a case stands on."""

    mirror: Mirroring
    run: Command
    repository: str
    foundation: Foundation
    make_stack: Callable[..., Stack]

    def bring(self, size: int = 20_000) -> Image:
        image = self.mirror.push(self.repository, oci_image(self.repository, (size,)))
        self.run.inside("pull", self.repository, "--wait")
        return image

    def slow(self) -> None:
        """An image that takes longer than a test."""
        self.mirror.push(self.repository, oci_image(self.repository, (24 * MIB,)))
        self.mirror.stack.registry.set_faults([{"match": {"kind": "data"}, "do": {"bandwidth_mbps": 0.5}}])

    def told(self, *arguments: str, code: int, **environment: str) -> str:
        """The error that a script gets, as its code and what was answered."""
        done = self.run.inside(*arguments, "--output", "json", code=code, **environment)
        error = json.loads(done.stderr)["error"]
        assert all(error[part] for part in ("asked", "answered", "remedy")), error
        return f"{error['code']}: {error['answered']}"


Case = Callable[[Terminal, int], str]
CASES: dict[str, Case] = {}


def says(case: Case) -> Case:
    CASES[case.__name__.replace("_", "-")] = case
    return case


@says
def bad_key(at: Terminal, code: int) -> str:
    return at.told("ls", code=code, ACRMIRROR_KEY="wrong")


@says
def not_found(at: Terminal, code: int) -> str:
    return at.told("ls", "never-there/*", code=code)


@says
def no_problem_details(at: Terminal, code: int) -> str:
    """The URL of something else: of storage."""
    return at.told("ls", code=code, ACRMIRROR_URL=at.mirror.stack.blob_endpoint)


@says
def usage(at: Terminal, code: int) -> str:
    return at.told("pull", "team/*", "--force", code=code)


@says
def misconfigured(at: Terminal, code: int) -> str:
    return at.told("ls", code=code, ACRMIRROR_CONFIG=str(at.run.folder / "none"), ACRMIRROR_URL="")


@says
def unavailable(at: Terminal, code: int) -> str:
    return at.told("ls", code=code, ACRMIRROR_URL="http://127.0.0.1:1")


@says
def malformed(at: Terminal, code: int) -> str:
    """The URL of a web server that has a page for everything."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        told = at.told("ls", code=code, ACRMIRROR_URL=f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
        serving.join()
    return told


@says
def denied(at: Terminal, code: int) -> str:
    """Links to another account than the one they are signed for."""
    certificates = at.foundation.certificates
    with StorageProxy(certificates.ca, certificates.server) as proxy:
        stack = at.make_stack(settings={"MIRROR_BLOB_ENDPOINT": proxy.endpoint})
        proxy.upstream = stack.account.blob_endpoint
        with mirroring(stack) as mirror:
            elsewhere = replace(at, mirror=mirror, run=Command.of(stack, at.run.folder))
            elsewhere.bring()
            return elsewhere.told("export", at.repository, "-o", str(at.run.folder / "x.tar"), code=code)


@says
def digest_mismatch(at: Terminal, code: int) -> str:
    image = at.bring()
    damaged = max(image.blobs, key=lambda it: it.descriptor.size).descriptor
    name = LAYOUT.blob_data(damaged.digest)
    at.mirror.container.upload_blob(name, bytes(damaged.size), overwrite=True)
    return at.told("export", at.repository, "-o", str(at.run.folder / "x.tar"), code=code)


@says
def cannot_write(at: Terminal, code: int) -> str:
    at.bring()
    return at.told("export", at.repository, "-o", str(at.run.folder / "no" / "image.tar"), code=code)


@says
def reader_gone(at: Terminal, code: int) -> str:
    at.bring(8 * MIB)
    line = at.run.line("export", at.repository, "-o", "-", "--output", "json")
    with subprocess.Popen(
        line, env=at.run.environment, cwd=at.run.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(512)
        process.stdout.close()
        told = process.stderr.read()
        assert process.wait(30) == code, told
    error = json.loads(told)["error"]
    return f"{error['code']}: {error['answered']}"


@pytest.fixture
def terminal(
    mirror: Mirroring, run: Command, repository: str, foundation: Foundation, make_stack: Callable[..., Stack]
) -> Terminal:
    return Terminal(mirror, run, repository, foundation, make_stack)


def test_every_row_has_its_case() -> None:
    assert set(CASES) == set(command_rows())


@pytest.mark.parametrize("name", CASES)
def test_what_the_row_says_is_said(terminal: Terminal, name: str) -> None:
    row, code = command_rows()[name]
    told = CASES[name](terminal, code)
    assert told.startswith(f"{name}: ")
    assert row.fits(told), told


def done(at: Terminal) -> None:
    at.run.inside("health")


def failed(at: Terminal) -> None:
    at.slow()
    (pulled,) = json.loads(at.run.inside("pull", at.repository, "--output", "json").stdout)
    at.run.inside("cancel", pulled["id"])
    at.run.inside("status", pulled["id"], "--wait", code=1)
    at.mirror.stack.registry.clear_faults()
    at.run.inside("retry", pulled["id"], "--wait")
    assert "wrong-state" in at.told("cancel", pulled["id"], code=2)


def asked_wrongly(at: Terminal) -> None:
    at.run.inside("ls", code=2, ACRMIRROR_CONFIG="/dev/null/none")
    assert "example.org" in at.told("pull", "example.org/team/app", code=2)
    at.run.inside("export", at.repository, code=2)
    at.run.inside("export", at.repository, "-o", str(at.run.folder / "x.tar"), "--platform", "linux/a/b/c", code=2)
    end, terminal = pty.openpty()
    line = at.run.line("export", at.repository, "-o", "-")
    done = subprocess.run(line, env=at.run.environment, stdout=terminal, stderr=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 2
    os.close(terminal)
    os.close(end)


def not_there(at: Terminal) -> None:
    at.run.inside("pull", at.repository, code=3)
    at.run.inside("inspect", at.repository, code=3)
    at.run.inside("retry", "8204456366608-76ad9328fefb", code=3)
    at.mirror.push(at.repository, multi_arch(at.repository, 2))
    at.run.inside("pull", at.repository, "--wait")
    at.run.inside("export", at.repository, "-o", str(at.run.folder / "x.tar"), "--platform", "linux/s390x", code=3)


def refused(at: Terminal) -> None:
    at.mirror.push(at.repository, oci_image(at.repository))
    at.mirror.stack.registry.set_faults([{"match": {"kind": "manifest"}, "do": {"status": 403}}])
    at.run.inside("pull", at.repository, code=4)


def not_reached(at: Terminal) -> None:
    at.run.inside("ls", code=5, ACRMIRROR_URL="http://127.0.0.1:1")


def unfinished(at: Terminal) -> None:
    at.slow()
    at.run.inside("pull", at.repository, "--wait", "--timeout", "1", code=6)
    at.mirror.stack.registry.clear_faults()


def interrupted(at: Terminal) -> None:
    at.slow()
    line = at.run.line("pull", at.repository, "--wait")
    with subprocess.Popen(
        line, env=at.run.environment, cwd=at.run.folder, stderr=subprocess.PIPE, preexec_fn=as_from_a_terminal
    ) as process:
        assert wait_for(lambda: bool(at.mirror.jobs(at.repository)), 30)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in told
    at.mirror.stack.registry.clear_faults()


def incomplete(at: Terminal) -> None:
    """The registry refuses one of two repositories, and the other is mirrored all the same."""
    for name in ("a", "b"):
        at.mirror.push(f"{at.repository}/{name}", oci_image(f"{at.repository}/{name}"))
    at.mirror.stack.registry.set_faults(
        [{"match": {"path": f"/acr/v1/{at.repository}(/|%2F)a.*"}, "do": {"status": 403}}]
    )
    done = at.run.inside("pull", f"{at.repository}/*", "--wait", "--output", "json", code=7)
    (pulled,) = json.loads(done.stdout)
    assert (pulled["state"], pulled["match"]["jobs"]) == ("incomplete", {"done": 1})
    at.mirror.stack.registry.clear_faults()


def partly(at: Terminal) -> None:
    at.mirror.push(at.repository, oci_image(at.repository))
    at.run.inside("pull", at.repository, "--wait")
    at.run.inside("export", at.repository, f"{at.repository}:none", "--to", f"{at.run.folder}/out/", code=8)


ENDS = {
    0: done,
    1: failed,
    2: asked_wrongly,
    3: not_there,
    4: refused,
    5: not_reached,
    6: unfinished,
    7: incomplete,
    8: partly,
    130: interrupted,
}


def test_every_exit_code_has_its_case() -> None:
    assert set(ENDS) == CODES


@pytest.mark.parametrize("code", ENDS)
def test_it_ends_with_the_code_that_the_table_has(terminal: Terminal, code: int) -> None:
    ENDS[code](terminal)
