"""Asks what claims to be a function app for things: `python -m tests.integration.client_probe '{"url": …}'`."""

import json
import sys
from pathlib import Path

from acrmirror.client import Client
from tests.integration.hostile import report


def main(url: str, ca: str, do: list[str]) -> None:
    with Client(url, "key", ca=Path(ca)) as client:
        calls = {
            "show": lambda: client.show("x"),
            "image": lambda: client.image("team/app:1"),
            "content": lambda: client.content("team/app:1"),
            "health": client.health,
            "repositories": lambda: sum(1 for _ in client.repositories()),
            "tags": lambda: sum(1 for _ in client.tags("team/app")),
            "pulls": lambda: sum(1 for _ in client.pulls()),
            "cancel": lambda: client.cancel("x"),
            "range": lambda: len(client.read_range(f"{url}/blob", 100, 4096)[1]),
        }
        report(calls, do)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
