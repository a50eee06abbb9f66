"""What a benchmark runs between: sources, the sink, Azurite, and a stock registry on Azurite; each its own process."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path

from bench.link import Link
from standins.foundation import Account
from standins.process import Service

_REGCLIENT = ["version", "--format", "{{.VCSTag}}"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A source or a sink as the table names it."""

    name: str
    host: str
    pid: int


class Counters:
    """Reads and resets what the benchmark's own servers counted."""

    def __init__(self, ca: Path) -> None:
        self._context = ssl.create_default_context(cafile=str(ca))

    def read(self, peer: Peer) -> dict[str, int]:
        return self._ask(peer, "GET")

    def reset(self, peer: Peer) -> None:
        self._ask(peer, "DELETE")

    def _ask(self, peer: Peer, method: str) -> dict[str, int]:
        connection = HTTPSConnection(peer.host, context=self._context, timeout=10)
        try:
            connection.request(method, "/_bench/counts")
            answer: dict[str, int] = json.load(connection.getresponse())
            return answer
        finally:
            connection.close()


@contextmanager
def source(folder: Path, certificate: Path, size: int, link: Link, name: str) -> Iterator[Peer]:
    arguments = ["--cert", str(certificate), "--size", str(size)]
    arguments += ["--latency", str(link.latency), "--rate", str(link.rate)]
    with running(Service.module("bench.source", arguments, folder / f"{name}.log")) as service:
        yield Peer(name, service.ready()["registry"], service.pid)


@contextmanager
def sink(folder: Path, certificate: Path) -> Iterator[Peer]:
    with running(Service.module("bench.sink", ["--cert", str(certificate)], folder / "sink.log")) as service:
        yield Peer("sink", service.ready()["sink"], service.pid)


@contextmanager
def stock_registry(
    binary: Path,
    folder: Path,
    certificate: Path,
    account: Account,
    container: str,
    *,
    endpoint: str = "",
    tls: bool = True,
    redirects: bool = False,
) -> Iterator[Peer]:
    """A stock registry with its azure driver on Azurite, known there by the local managed identity; it caches nothing.

    `endpoint` is in place of the account's own. With `redirects` it answers GETs of blobs by signed URLs, as in Azure;
    those of a storage whose host's name does not begin with the account's let nobody in.
    """
    port = _free_port()
    configuration = {
        "version": 0.1,
        "log": {"level": "error"},
        "http": {
            "addr": f"127.0.0.1:{port}",
            **({"tls": {"certificate": str(certificate), "key": str(certificate)}} if tls else {}),
        },
        "storage": {
            "azure": {
                "accountname": account.name,
                "container": container,
                "serviceurl": endpoint or account.blob_endpoint,
                "credentials": {"type": "default_credentials"},
            },
            "redirect": {"disable": not redirects},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
    }
    # JSON is YAML.
    path = folder / f"registry-{port}.yml"
    path.write_text(json.dumps(configuration), encoding="utf-8")
    environment = os.environ | account.identity.environment()
    environment |= {"SSL_CERT_FILE": str(account.ca), "OTEL_TRACES_EXPORTER": "none"}
    service = Service.module("bench.launch", [str(binary), "serve", str(path)], folder / "registry.log", environment)
    with running(service):
        _wait_for_port(port, service)
        yield Peer("stock registry", f"localhost:{port}", service.pid)


@contextmanager
def running(service: Service) -> Iterator[Service]:
    try:
        yield service
    finally:
        service.stop()


def cpu_of(peer: Peer) -> float:
    """CPU seconds that a process has taken so far; 0 where there is no /proc."""
    return _cpu(_stat(peer.pid))


def cpu_of_tree(pid: int) -> float:
    """The same of a process and of all that it started, and that is still there."""
    stats = {int(it.name): _stat(int(it.name)) for it in Path("/proc").glob("[0-9]*")}
    below, total = [pid], 0.0
    while below:
        parent = below.pop()
        total += _cpu(stats.get(parent, []))
        below += [it for it, stat in stats.items() if stat and stat[1] == str(parent)]
    return total


def _stat(pid: int) -> list[str]:
    """The fields behind a process's name (proc_pid_stat(5)), which may hold anything; none if it is not there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _cpu(stat: list[str]) -> float:
    """utime and stime are the 14th and 15th field of all."""
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK") if stat else 0.0


def machine_cpu() -> float:
    """CPU seconds that everything on this machine has taken so far; 0 where there is no /proc."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    # user, nice, system, idle, iowait, irq, softirq (proc_stat(5))
    ticks = [int(field) for field in stat.read_text(encoding="ascii").partition("\n")[0].split()[1:8]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def wait_until_idle(patience: float, share: float = 0.07, spell: float = 1.0) -> bool:
    """Waits for a spell in which less than that share of one processor is busy; False if none came in time."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = machine_cpu()
        time.sleep(spell)
        if machine_cpu() - before < share * spell:
            return True
    return False


def children_cpu() -> float:
    """CPU seconds of all children of this process that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def find_tool(name: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """A program in the folder INTEROP_TOOLS, else on PATH."""
    folder = environment.get("INTEROP_TOOLS")
    found = shutil.which(name, path=folder) if folder else None
    found = found or shutil.which(name)
    return Path(found) if found else None


def version_of(tool: Path) -> str:
    """What a program says of its version, in its own words."""
    arguments = {"crane": ["version"], "regctl": _REGCLIENT, "regsync": _REGCLIENT}.get(tool.name, ["--version"])
    found = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False, timeout=30)
    return (found.stdout or found.stderr).strip().partition("\n")[0]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for_port(port: int, service: Service) -> None:
    end = time.monotonic() + 30
    while service.returncode() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the stock registry did not start:\n{service.tail()}")
