"""`python -m standins.policy --ca FILE --cert FILE --blob URL --queue URL --table URL`

The policy comes over the control API; before it does, nothing is let through. Ready line: {"blob", "queue", "table":
the endpoints to use instead, "control": "http://127.0.0.1:PORT"}. Every request to the latter carries the token of the
environment's STANDINS_CONTROL_TOKEN as `X-Standins-Token`: PUT /policy, GET /seen, DELETE /seen.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
from dataclasses import asdict
from pathlib import Path

from standins import guard
from standins.functions.request import HostRequest
from standins.functions.server import Response, Server
from standins.policy.grants import Places, Policy
from standins.policy.server import SERVICES, Layer
from standins.process import die_with_parent, wait_until_told_to_stop

_NOTHING = Policy(Places("", "", "", ""))


def main() -> None:
    die_with_parent()
    parser = argparse.ArgumentParser(prog="python -m standins.policy", description=__doc__.partition("\n")[0])
    parser.add_argument("--ca", type=Path, required=True, help="who signed the certificates of what is relayed to")
    parser.add_argument("--cert", type=Path, required=True, help="PEM file with private key and chain")
    for service in SERVICES:
        parser.add_argument(f"--{service}", required=True, metavar="URL")
    arguments = parser.parse_args()
    upstreams = {service: getattr(arguments, service) for service in SERVICES}
    with Layer(arguments.ca, arguments.cert, upstreams, _NOTHING) as layer:
        control = Server(0, lambda request: _answer(layer, request))
        thread = threading.Thread(target=control.serve_forever, args=(0.1,), name="control")
        thread.start()
        wait_until_told_to_stop({**layer.endpoints, "control": f"http://127.0.0.1:{control.port}"})
        control.shutdown()
        thread.join()


def _answer(layer: Layer, request: HostRequest) -> Response:
    if not guard.is_allowed(request.headers, os.environ.get(guard.VARIABLE, "")):
        return Response(401)
    match request.method, request.path:
        case "PUT", "/policy":
            layer.set(Policy.from_json(json.loads(request.body)))
        case "GET", "/seen":
            return Response.text(200, json.dumps([asdict(one) for one in layer.seen()]), "application/json")
        case "DELETE", "/seen":
            layer.forget()
        case _:
            return Response(404)
    return Response(204)


if __name__ == "__main__":
    main()
