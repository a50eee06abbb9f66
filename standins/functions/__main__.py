"""`python -m standins.functions --app DIR [--port 0] [--workers N] [--lease SECONDS] [--ca FILE]`

The app's settings are this process's environment. Ready line: {"functions": "http://127.0.0.1:PORT", "key": the
master key, which opens everything, "function_key", "system_key" (the Event Grid webhook's), "workers": [pids]}; with
"failed", why the app could not be imported.
Ends on SIGTERM or when its standard input closes, and its workers with it.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from standins import guard
from standins.functions.cron import InvalidSchedule
from standins.functions.host import Host
from standins.functions.hostjson import InvalidHostJson, read
from standins.functions.instance import GRACE, RESTART_DELAY
from standins.functions.metadata import NotEmulated
from standins.functions.queues import LEASE
from standins.functions.routes import InvalidRoute
from standins.functions.runtime import CHOICES, AppFailed
from standins.functions.storage import DELAY
from standins.process import die_with_parent, wait_until_told_to_stop


def main() -> int:
    die_with_parent()
    arguments = _arguments()
    environment = dict(os.environ)
    try:
        options = read(arguments.app, environment)
        host = Host(
            arguments.app,
            options,
            environment,
            workers=arguments.workers,
            lease=arguments.lease,
            scale_groups=arguments.scale_groups,
            port=arguments.port,
            runtime=arguments.runtime,
            token=environment.get(guard.VARIABLE) or None,
            ca=arguments.ca,
            grace=arguments.grace,
            storage_delay=arguments.storage_delay,
            restart_delay=arguments.restart_delay,
            log=_logger(arguments.log),
        )
    except (InvalidHostJson, OSError) as error:
        print(f"The Functions host can't start: {error}", file=sys.stderr)
        return 1
    try:
        host.start()
        wait_until_told_to_stop(
            {
                "functions": host.url,
                "key": host.keys.master,
                "function_key": host.keys.function,
                "system_key": host.keys.system,
                "workers": [instance.pid for instance in host.pool.instances],
                **({"failed": host.failed} if host.failed else {}),
            }
        )
    except (AppFailed, NotEmulated, InvalidRoute, InvalidSchedule) as error:
        print(f"The Functions host can't run {arguments.app}: {error}", file=sys.stderr)
        return 1
    finally:
        host.stop()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m standins.functions", description="The local Functions host.")
    parser.add_argument("--app", type=_folder, required=True, help="folder of function_app.py and host.json")
    parser.add_argument("--port", type=int, default=0, help="a free one if not given")
    parser.add_argument("--workers", type=_positive, default=1, help="instances, each with a worker process")
    parser.add_argument("--lease", type=_seconds, default=LEASE, help=f"seconds a message is leased for ({LEASE})")
    parser.add_argument("--scale-groups", action="store_true", help="workers of their own for each triggered function")
    parser.add_argument("--runtime", choices=CHOICES, default="auto", help="what loads and runs the app")
    parser.add_argument("--ca", type=Path, help="a PEM file to trust where queues are polled")
    parser.add_argument("--grace", type=float, default=GRACE, help=f"seconds that runs get at its end ({GRACE:g})")
    parser.add_argument("--storage-delay", type=float, default=DELAY, help=f"seconds before a second try ({DELAY:g})")
    parser.add_argument("--restart-delay", type=float, default=RESTART_DELAY, help="seconds before another host starts")
    parser.add_argument("--log", type=Path, help="a file that gets the log too")
    return parser.parse_args()


def _logger(path: Path | None) -> Callable[[str], None]:
    lock = threading.Lock()
    # Open for as long as the process lives.
    file = path.open("a", encoding="utf-8", buffering=1) if path is not None else None

    def log(line: str) -> None:
        with lock:
            print(line, file=sys.stderr, flush=True)
            if file is not None:
                print(line, file=file)

    return log


def _folder(text: str) -> Path:
    path = Path(text).resolve()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return path


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _seconds(text: str) -> int:
    """Storage leases for whole seconds."""
    return _positive(str(math.ceil(float(text))))


if __name__ == "__main__":
    sys.exit(main())
