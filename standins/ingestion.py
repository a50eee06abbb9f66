"""Application Insights' ingestion endpoint, as a component answers whose local authentication is switched off.

Protocol: the specification that Azure's exporters are generated from, "Monitor.Exporters" v2.1
(https://github.com/Azure/azure-rest-api-specs/tree/main/specification/applicationinsights/data-plane), and
https://learn.microsoft.com/azure/azure-monitor/app/azure-ad-authentication for who is let in. What was accepted is
written to a file, one item a line. Not emulated: sampling, quotas, roles, and every kind of telemetry but metrics.

`python -m standins.ingestion --cert FILE --identity-key FILE --received FILE [--port 0]`. Its ready line:
{"connection_string": …}.
"""

from __future__ import annotations

import argparse
import json
import re
import ssl
import threading
import uuid
from datetime import datetime
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt

from standins.identity import check_token, read_key
from standins.incoming import BadFraming, TooLong, WholeRequests
from standins.process import die_with_parent, wait_until_told_to_stop

AUDIENCE = "https://monitor.azure.com/"
TRACK = re.compile(r"/+v2(\.1)?/track")
MAX_BODY = 64 << 20


class IngestionServer(ThreadingHTTPServer):
    """Takes what is meant for one component; `received` gets an item a line, with the client that sent it."""

    daemon_threads = True

    def __init__(self, certificate: Path, identity_key: bytes, received: Path, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        # Each connection's own thread shakes hands, so that one that says nothing holds up nobody.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.identity_key = identity_key
        self.instrumentation_key = str(uuid.uuid4())
        self._received = received
        self._lock = threading.Lock()

    @property
    def connection_string(self) -> str:
        """As a component has it in Azure."""
        endpoint = f"https://localhost:{self.server_address[1]}/"
        return f"InstrumentationKey={self.instrumentation_key};IngestionEndpoint={endpoint}"

    def keep(self, items: list[Any], client: str) -> None:
        lines = "".join(json.dumps({"client": client, **item}) + "\n" for item in items)
        with self._lock, self._received.open("a", encoding="utf-8") as file:
            file.write(lines)


class _Handler(WholeRequests):
    server: IngestionServer

    def do_POST(self) -> None:
        try:
            body = self.whole_body(MAX_BODY)
        except (BadFraming, TooLong) as error:
            self.close_connection = True
            self._answer(HTTPStatus.BAD_REQUEST, {"message": f"The body can't be read: {error}."})
            return
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if not TRACK.fullmatch(self.path):
            self._answer(HTTPStatus.NOT_FOUND, {"message": f"There is nothing at {self.path}."})
            return
        try:
            if scheme.lower() != "bearer":
                raise jwt.InvalidTokenError("no bearer token")
            claims = check_token(token, self.server.identity_key, AUDIENCE)
        except jwt.InvalidTokenError as error:
            self._answer(HTTPStatus.UNAUTHORIZED, {"message": f"Local authentication is disabled: {error}."})
            return
        try:
            items = json.loads(body)
        except ValueError:
            items = None
        if not isinstance(items, list):
            self._answer(HTTPStatus.BAD_REQUEST, {"message": "The body is no list of telemetry items."})
            return
        problems = [(index, self._problem(item)) for index, item in enumerate(items)]
        errors = [{"index": index, "statusCode": 400, "message": text} for index, text in problems if text]
        accepted = [items[index] for index, text in problems if not text]
        self.server.keep(accepted, str(claims["appid"]))
        status = HTTPStatus.PARTIAL_CONTENT if errors else HTTPStatus.OK
        self._answer(status, {"itemsReceived": len(items), "itemsAccepted": len(accepted), "errors": errors})

    def _problem(self, item: Any) -> str | None:
        """What is wrong with one envelope."""
        try:
            if item["iKey"] != self.server.instrumentation_key:
                return "another component's instrumentation key"
            datetime.fromisoformat(item["time"].replace("Z", "+00:00"))
            if item["data"]["baseType"] != "MetricData":
                return f"telemetry of type {item['data']['baseType']} is not taken here"
            data = item["data"]["baseData"]
            for point in data["metrics"]:
                if not point["name"] or not isinstance(point["value"], int | float):
                    return "a metric without a name or a value"
            if not all(isinstance(value, str) for value in data.get("properties", {}).values()):
                return "a property that is no text"
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            return f"it is malformed: {error!r}"
        return None

    def _answer(self, status: HTTPStatus, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    die_with_parent()
    parser = argparse.ArgumentParser(prog="python -m standins.ingestion", description=__doc__.partition("\n")[0])
    parser.add_argument("--cert", type=Path, required=True, help="PEM file with private key and chain")
    parser.add_argument("--identity-key", type=Path, required=True, help="what tokens are signed with")
    parser.add_argument("--received", type=Path, required=True, help="file that accepted items are added to")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    key = read_key(arguments.identity_key)
    with IngestionServer(arguments.cert, key, arguments.received, arguments.port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        wait_until_told_to_stop({"connection_string": server.connection_string})
        server.shutdown()
        thread.join()


if __name__ == "__main__":
    main()
