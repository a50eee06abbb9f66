"""The app in Azure Functions Core Tools, the platform's own host, where a user has it.

Takes what standins.functions takes as far as it has an equal (`--app`, `--port`, `--ca`), and the host's own storage;
it prints the same ready line. On a machine of one's own Core Tools ask for no keys. They run one worker and lease
messages for ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

from standins.process import announce, die_with_parent, set_death_signal, wait_for, wait_until_told_to_stop

START_SECONDS = 120  # the first start downloads the extension bundle


def environment(base: Mapping[str, str], storage: argparse.Namespace) -> dict[str, str]:
    """The app's settings, and what the host itself needs: its own storage by the same identity, and trust in the CA."""
    made = dict(base)
    made |= {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage__blobServiceUri": storage.blob,
        "AzureWebJobsStorage__queueServiceUri": storage.queue,
        "AzureWebJobsStorage__tableServiceUri": storage.table,
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": base["AZURE_CLIENT_ID"],
        # .NET on Linux and Go read it; Python's requests reads the other.
        "SSL_CERT_FILE": str(storage.ca),
        "REQUESTS_CA_BUNDLE": str(storage.ca),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), base.get("PATH", ""))),
        "VIRTUAL_ENV": sys.prefix,
    }
    return made


def free_port() -> int:
    """`func` takes no port 0. Between here and its start another process may take this one; then it says so."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def runs(port: int) -> bool:
    """Whether the host has loaded the app; its port listens some seconds sooner."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/admin/host/status", timeout=5) as response:
            return bool(json.load(response)["state"] == "Running")
    except (OSError, ValueError, KeyError):
        return False


def main() -> int:
    die_with_parent()
    parser = argparse.ArgumentParser(prog="python -m standins.coretools", description=__doc__.partition("\n")[0])
    parser.add_argument("--app", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ca", type=Path, required=True, help="a PEM file that app and host trust")
    for service in ("blob", "queue", "table"):
        parser.add_argument(f"--{service}", required=True, help=f"the {service} endpoint of the host's own storage")
    arguments = parser.parse_args()
    func = shutil.which("func")
    if func is None:
        print("There is no func on PATH: install Azure Functions Core Tools 4, or leave --func away.", file=sys.stderr)
        return 1
    port = arguments.port or free_port()
    with subprocess.Popen(
        [func, "start", "--port", str(port)],
        cwd=arguments.app,
        env=environment(os.environ, arguments),
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=set_death_signal if sys.platform == "linux" else None,
    ) as process:
        threading.Thread(target=_end_with, args=(process,)).start()
        if not wait_for(lambda: runs(port), START_SECONDS, every=0.2):  # where func ends, so does this process
            print(f"func did not run the app within {START_SECONDS} s.", file=sys.stderr)
            process.kill()
            return 1
        no_keys = {"key": "none", "function_key": "none", "system_key": ""}
        announce({"functions": f"http://127.0.0.1:{port}", **no_keys, "workers": []})
        wait_until_told_to_stop()
        process.terminate()
    return 0


def _end_with(process: subprocess.Popen[bytes]) -> None:
    """This process is func's keeper, and ends when it does."""
    process.wait()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
