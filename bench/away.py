"""Storage that is a link away: relays before its three services, which wait before each request goes on.

`python -m bench.away --ca FILE --cert FILE --latency S --blob URL --table URL --queue URL` prints one JSON line when it
is ready: its pid, and the endpoint that stands for each of the three.
"""

import argparse
import os
import time
from contextlib import ExitStack
from pathlib import Path

from bench.trials import SERVICES
from standins.process import announce, die_with_parent, wait_until_told_to_stop
from standins.relay import Relay
from standins.request import Request


def main() -> None:
    die_with_parent()
    parser = argparse.ArgumentParser(prog="bench.away", description=__doc__)
    parser.add_argument("--ca", type=Path, required=True, help="PEM file that vouches for storage")
    parser.add_argument("--cert", type=Path, required=True, help="PEM file with key and chain")
    parser.add_argument("--latency", type=float, required=True, help="seconds before a request goes on")
    for name in SERVICES:
        parser.add_argument(f"--{name}", required=True, help="the endpoint of an account, without a slash at its end")
    arguments = parser.parse_args()

    def later(request: Request[bytes]) -> Request[bytes]:
        time.sleep(arguments.latency)
        return request

    with ExitStack() as ends:
        endpoints = {}
        for name in SERVICES:
            relay = ends.enter_context(Relay(arguments.ca, arguments.cert, getattr(arguments, name)))
            relay.ask = later
            endpoints[name] = relay.endpoint
        announce({"pid": os.getpid(), **endpoints})
        wait_until_told_to_stop()


if __name__ == "__main__":
    main()
