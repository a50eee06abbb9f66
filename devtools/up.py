"""`python3 dev.py up`: the whole stack, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from devtools.activity import Activity
from devtools.pulling import MirrorRegistry
from standins.options import LEASE_SECONDS
from standins.process import ServiceFailed, StopRequest, end_by_signals
from standins.stack import Stack
from testkit.stack import mirror_stack

PAUSE = 0.5  # seconds between two looks at what happened

PAGE = """\
A registry, Blob, Queue and Table Storage, an identity endpoint and a Functions host that runs this app.

  registry    {registry}   user {username}, password {password}
  functions   {functions}   key {functions_key}
  mirror      {blob}/{mirror_container}
  pull it at  {mirror_registry}   user {mirror_username}, password {mirror_password}
  records     {table}/{records_table}
  CA          {ca}
  logs        {logs}

What is pushed to the registry is in the mirror a moment later. Clients have to trust the CA
(docker takes any certificate from localhost):

  docker login {registry} -u {username} -p {password}
  docker tag hello-world {registry}/team/hello && docker push {registry}/team/hello

  export SSL_CERT_FILE={ca}
  crane auth login {registry} -u {username} -p {password}
  crane push image.tar {registry}/team/app:1
  oras push --username {username} --password {password} {registry}/team/notes:1 README.md

What is in the mirror is pulled from it, as it is or as it was:

  docker login {mirror_registry} -u {mirror_username} -p {mirror_password}
  docker pull {mirror_registry}/team/hello

The command line of this clone, against this stack:

  export ACRMIRROR_URL={functions} ACRMIRROR_KEY={functions_key} ACRMIRROR_CA={ca}
  {python} -m acrmirror.cli status
"""


TARGET = """
A second registry is at {target} (user {target_username}, password {target_password}).
All that the mirror has is restored into it by:

  {python} -m acrmirror.cli restore '*' --to {target} --wait
"""
HAPPENS = """
What happens (Ctrl-C ends it all):
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py up", description="Runs the whole stack until Ctrl-C or SIGTERM.")
    parser.add_argument("--json", action="store_true", help="print one line of JSON when it is ready, and nothing else")
    parser.add_argument("--anonymous", action="store_true", help="let anyone pull, and give the app no credential")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="instances of the app (1)")
    parser.add_argument(
        "--lease",
        type=int,
        default=LEASE_SECONDS,
        metavar="SECONDS",
        help="until a killed worker's message comes back (600, as on the platform)",
    )
    parser.add_argument("--event-schema", choices=("eventgrid", "cloudevents"), default="eventgrid")
    parser.add_argument("--func", action="store_true", help="run the app in Azure Functions Core Tools (func)")
    parser.add_argument("--restore-target", action="store_true", help="run a second registry, to restore into")
    parser.add_argument("--registry-port", type=int, default=0, help="ports are free ones unless given")
    parser.add_argument("--data-port", type=int, default=0, help="of the host that the registry redirects to")
    parser.add_argument("--functions-port", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where logs and certificates go (a temporary folder)")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="an app setting")
    found = parser.parse_args(arguments)
    if any("=" not in setting for setting in found.setting):
        parser.error("--setting takes NAME=VALUE")
    return found


def main() -> int:
    options = parse()
    end_by_signals()  # until the stack runs
    try:
        with make_stack(options) as stack:
            stop = StopRequest(watch_input=False)
            ready = stack.ready() | MirrorRegistry.of(stack).ready()
            if options.json:
                print(json.dumps(ready), flush=True)
                watch(stack, stop)
            else:
                logs = " ".join(str(log) for log in stack.logs.values())
                page = PAGE + (TARGET if options.restore_target else "") + HAPPENS
                print(page.format(**ready, logs=logs, python=sys.executable), flush=True)
                tell(stack, stop)
                print("\nStopping.", flush=True)
    except ServiceFailed as error:
        print(f"dev.py up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def make_stack(options: argparse.Namespace) -> Stack:
    return mirror_stack(
        folder=options.folder,
        workers=options.workers,
        lease=options.lease,
        anonymous=options.anonymous,
        event_schema=options.event_schema,
        settings={"MIRROR_COMPARE_HOURS": "24", **dict(setting.split("=", 1) for setting in options.setting)},
        registry_port=options.registry_port,
        data_port=options.data_port,
        functions_port=options.functions_port,
        func=options.func,
        target=options.restore_target,
    )


def watch(stack: Stack, stop: StopRequest) -> None:
    """Waits; raises `ServiceFailed` if a part of the stack ends by itself."""
    while not stop.wait(1):
        stack.check()


def tell(stack: Stack, stop: StopRequest) -> None:
    """The same, and prints what happens."""
    with Activity(stack) as activity:
        while not stop.wait(PAUSE):
            stack.check()
            for line in activity.news():
                print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
