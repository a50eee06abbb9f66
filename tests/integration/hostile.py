"""An HTTPS server that answers as it is told to, without end if need be; and a process that asks it, and is weighed."""

import contextlib
import gzip
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from testkit.stack import ROOT

MIB = 1024 * 1024
WHOLE = 700 * MIB
"""Bytes of an answer that is far too long."""
ROOM = 50.0
"""MiB by which a process may grow, whatever it is answered."""

Answer = Callable[["Asked"], None]


class Asked(BaseHTTPRequestHandler):
    """One request; `answer` writes what it likes. Requests are counted by the server, and bytes that were sent."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def _serve(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.asked.append(f"{self.command} {self.path}")
        # Whoever has had enough closes the connection.
        with contextlib.suppress(OSError):
            self.server.answer(self)

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = _serve

    def begin(self, status: int = 200, /, **headers: object) -> None:
        """Underscores in names stand for dashes."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def say(self, body: bytes, status: int = 200, /, **headers: object) -> None:
        self.begin(status, Content_Length=len(body), **{"Content_Type": "application/json", **headers})
        self.write(body)

    def write(self, data: bytes) -> None:
        self.wfile.write(data)
        with self.server.lock:
            self.server.sent += len(data)

    def pour(self, begin: bytes, piece: bytes, total: int = WHOLE, /, status: int = 200, **headers: object) -> None:
        """`begin`, and `piece` again and again until there are `total` bytes, which is what `Content-Length` says."""
        self.begin(status, **{"Content_Type": "application/json", "Content_Length": total, **headers})
        self._fill(begin, piece, total, self.write)

    def pour_chunks(self, begin: bytes, piece: bytes, total: int = WHOLE, /, status: int = 200) -> None:
        """The same by chunks, so that nothing tells beforehand how many there will be."""
        self.begin(status, Content_Type="application/json", Transfer_Encoding="chunked")
        self._fill(begin, piece, total, lambda data: self.write(b"%x\r\n%s\r\n" % (len(data), data)))
        self.write(b"0\r\n\r\n")

    @staticmethod
    def _fill(begin: bytes, piece: bytes, total: int, write: Callable[[bytes], None]) -> None:
        write(begin)
        done, large = len(begin), piece * max(1, MIB // len(piece))
        while done < total:
            write(large[: total - done])
            done += len(large)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: Answer

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self._context = context
        self.lock = threading.Lock()
        self.asked: list[str] = []
        self.sent = 0

    def finish_request(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(OSError), self._context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, *_: Any) -> None:
        """Broken connections are what it is for."""


@dataclass(frozen=True, slots=True)
class Hostile:
    port: int
    server: _Server

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"


@contextmanager
def hostile(certificate: Path, answer: Answer) -> Iterator[Hostile]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = _Server(context)
    server.answer = answer
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Hostile(server.server_address[1], server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bomb(total: int = WHOLE) -> bytes:
    """So many bytes of a JSON text, as gzip: about a thousandth of it."""
    whole = gzip.compress(b" " * MIB, 9)
    return gzip.compress(b'{"repositories":[', 9) + whole * (total // MIB)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a probe came to: the error's code and text, or what it gave; MiB by which it grew; seconds it took."""

    code: str
    text: str
    grew: float
    seconds: float


def weigh(module: str, arguments: dict[str, Any], seconds: float = 120) -> dict[str, Weighed]:
    """Runs a probe in a process of its own. What it is to `do` is one thing after the other: it can't grow less by
    what comes later than by what came before."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", module, json.dumps(arguments)],
        capture_output=True,
        env=environment,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return {name: Weighed(**told) for name, told in json.loads(done.stdout).items()}


def report(calls: Mapping[str, Callable[[], object]], do: Sequence[str]) -> None:
    """The probe's side: what each came to, printed as JSON."""
    from acrmirror.errors import MirrorError

    before, told = _peak(), {}
    for name in do:
        begun = time.monotonic()
        try:
            code, text = "", str(calls[name]())
        except MirrorError as error:
            code, text = error.code, str(error)
        seconds = time.monotonic() - begun
        told[name] = {"code": code, "text": text[:2000], "grew": _peak() - before, "seconds": seconds}
    print(json.dumps(told))


def _peak() -> float:
    """MiB that this process had in memory at most."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MIB if sys.platform == "darwin" else 1024)
