"""`python -m standins.registry`: runs until it is told to stop; see --help."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
from pathlib import Path

from standins import guard
from standins.process import die_with_parent, wait_until_told_to_stop

from .events import DEFAULT_RESOURCE
from .service import Options, Service
from .storage import SIGNATURE_SECONDS
from .tokens import ACCESS_SECONDS, ANONYMOUS_SECONDS, REFRESH_SECONDS
from .webhook import ANSWER_SECONDS, Subscription, validate

PASSWORD_VARIABLE = "STANDINS_REGISTRY_PASSWORD"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m standins.registry",
        description="A stand-in for Azure Container Registry. Prints one JSON line when it is ready.",
    )
    parser.add_argument("--cert", type=Path, required=True, help="PEM file with the private key and its chain")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data-port", type=int, default=0, help="port of the host that signed URLs point to")
    parser.add_argument("--login-server", help="the registry's own name (default: localhost and its port)")
    parser.add_argument("--username", help=f"with the password in {PASSWORD_VARIABLE}")
    parser.add_argument("--anonymous", action="store_true", help="let anyone pull")
    parser.add_argument("--identity-key", type=Path, help="key that Entra tokens are checked with")
    parser.add_argument("--root", type=Path, help="folder to keep content under while it runs")
    parser.add_argument("--resource-id", default=DEFAULT_RESOURCE, help="the registry's ARM id: its events' topic")
    parser.add_argument("--event-endpoint", help="where events go")
    parser.add_argument("--event-schema", choices=("eventgrid", "cloudevents"), default="eventgrid")
    parser.add_argument("--event-validate", action="store_true", help="ask the endpoint for the handshake first")
    parser.add_argument("--event-timeout", type=float, default=ANSWER_SECONDS)
    parser.add_argument("--event-scale", type=float, default=1.0, help="factor on Event Grid's waits between attempts")
    parser.add_argument("--refresh-seconds", type=float, default=REFRESH_SECONDS)
    parser.add_argument("--access-seconds", type=float, default=ACCESS_SECONDS)
    parser.add_argument("--anonymous-seconds", type=float, default=ANONYMOUS_SECONDS)
    parser.add_argument("--signature-seconds", type=float, default=SIGNATURE_SECONDS)
    return parser


def main() -> None:
    die_with_parent()
    parser = _parser()
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    control_token = os.environ.get(guard.VARIABLE) or secrets.token_urlsafe(24)
    options = Options(
        certificate=args.cert,
        control_token=control_token,
        port=args.port,
        data_port=args.data_port,
        host=args.login_server,
        username=args.username,
        password=os.environ.get(PASSWORD_VARIABLE),
        anonymous=args.anonymous,
        resource_id=args.resource_id,
        root=args.root,
        identity_key=args.identity_key,
        lifetimes={
            "refresh_seconds": args.refresh_seconds,
            "access_seconds": args.access_seconds,
            "anonymous_seconds": args.anonymous_seconds,
        },
        signature_seconds=args.signature_seconds,
    )
    with Service(options) as service:
        if args.event_endpoint:
            subscription = Subscription(
                args.event_endpoint, args.event_schema, timeout=args.event_timeout, scale=args.event_scale
            )
            if args.event_validate and (problem := validate(subscription)):
                parser.error(f"the endpoint did not pass the handshake: {problem}")
            service.courier.subscribe(subscription)
        ready = {"registry": service.host, "data": service.data_host, "control": control_token}
        wait_until_told_to_stop(ready)
    # A delivery may still wait for its endpoint, a connection for its client: neither holds up the end.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
