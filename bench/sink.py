"""A sink that costs nearly nothing, behind two protocols: Blob Storage's and the registry's push.

`python -m bench.sink --cert server.pem` prints one JSON line when it is ready. Bodies are received and forgotten; their
lengths are kept, and blobs below 64 KiB whole, so that links and manifests can be read back. Credentials are taken
unread. `GET /_bench/counts` tells what it was asked.
"""

import argparse
import os
from pathlib import Path

from bench.blobs import BlobService
from bench.counts import Counts
from bench.pushes import PushService
from bench.wire import Connection, Request, Server
from standins.process import announce, die_with_parent, wait_until_told_to_stop


class Sink:
    """Sends each request to the protocol that its path belongs to."""

    def __init__(self) -> None:
        self._counts = Counts()
        self._blobs = BlobService()
        self._pushes = PushService()

    def handle(self, connection: Connection, request: Request) -> None:
        if request.path.startswith("/_bench/"):
            self._counts.handle(connection, request)
        elif request.path == "/v2" or request.path.startswith("/v2/"):
            self._counts.add(self._pushes.handle(connection, request))
        else:
            self._counts.add(self._blobs.handle(connection, request))


def main() -> None:
    die_with_parent()
    parser = argparse.ArgumentParser(prog="bench.sink", description=__doc__)
    parser.add_argument("--cert", type=Path, required=True, help="PEM file with key and chain")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    server = Server(Sink().handle, arguments.cert, arguments.port)
    server.start()
    announce({"sink": f"localhost:{server.port}", "pid": os.getpid()})
    wait_until_told_to_stop()


if __name__ == "__main__":
    main()
