"""Jobs requested of a running app by its HTTP API, and followed to the end of the last of them."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.request import Request, urlopen

from standins.stack import Stack

ENDED = {"done", "incomplete", "failed", "gone", "cancelled"}
PATIENCE = 600.0
_LOOK = 0.05
_QUIET = 0.4


class JobsFailed(RuntimeError):
    """What was requested did not end well, or not in time."""


class Following:
    """The app of one stack, with one function host."""

    def __init__(self, stack: Stack) -> None:
        self._functions = stack.functions

    def workers(self) -> dict[str, int]:
        """The process id of each worker."""
        return {f"worker {it['instance']}": int(it["pid"]) for it in self._functions.workers()}

    def wake(self) -> None:
        """A worker makes its clients at the first request."""
        self.ask("GET", "v1/images?n=1")

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """An answer of the API, below `/api/`. Raises HTTPError."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"x-functions-key": self._functions.function_key}
        with urlopen(Request(f"{self._functions.url}/api/{path}", data, headers, method=method), timeout=90) as answer:
            return json.load(answer)

    def through(self, path: str, body: object) -> tuple[float, dict[str, Any]]:
        """Requests something and waits until it and each job that it requests is done; seconds, and what is told then.

        Whether workers still run anything is asked of the host, which costs the app nothing; only when they do not, of
        the app. Raises JobsFailed.
        """
        begun = time.perf_counter()
        identity = self.ask("POST", f"v1/{path}", body)["id"]
        while time.perf_counter() - begun < PATIENCE:
            at = self._rest()
            told: dict[str, Any] = self.ask("GET", f"v1/{path}/{identity}")
            jobs: dict[str, int] = told.get("jobs") or (told.get("match") or {}).get("jobs") or {}
            if told["state"] in ENDED and set(jobs) <= ENDED:
                if told["state"] != "done" or set(jobs) - {"done"}:
                    raise JobsFailed(f"{path} came to {told['state']}, its jobs to {jobs}: {told.get('notes')}")
                return at - begun, told
        raise JobsFailed(f"{path} did not end within {PATIENCE:.0f} s")

    def _rest(self) -> float:
        """The time since when workers have run nothing of a queue for a moment."""
        since, before = time.perf_counter(), -1
        while True:
            entries = [it for it in self._functions.dispatches().values() if it["of"]]
            now, count = time.perf_counter(), sum(it["begun"] for it in entries)
            if count != before or any(it["running"] for it in entries):
                since, before = now, count
            elif now - since > _QUIET:
                return since
            time.sleep(_LOOK)
