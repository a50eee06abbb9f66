"""`host.json`, as far as this host heeds it, with the platform's defaults.

References, under https://learn.microsoft.com/azure/azure-functions/: functions-host-json, and for `extensions.queues`
functions-bindings-storage-queue. As on the platform, an environment variable such as
`AzureFunctionsJobHost__extensions__queues__batchSize` overrides what the file says.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OVERRIDE = "AzureFunctionsJobHost__"

# QueuesOptions.cs: defaults, and the most messages that storage hands out at once.
DEFAULT_BATCH_SIZE = 16
MAX_BATCH_SIZE = 32
DEFAULT_MAX_DEQUEUE_COUNT = 5
# QueuePollingIntervals.cs
MINIMUM_POLLING_INTERVAL = 0.1
DEFAULT_MAX_POLLING_INTERVAL = 60.0
# ScriptJobHostOptionsSetup.cs, for plans other than Consumption
DEFAULT_FUNCTION_TIMEOUT = 30 * 60.0
MIN_FUNCTION_TIMEOUT = 1.0
# ScriptJobHostOptionsSetup.cs: -1, which .NET reads as a day below zero, is "no limit"
UNBOUNDED = -24 * 3600.0
# host.json reference: extensions.http.routePrefix
DEFAULT_ROUTE_PREFIX = "api"

_TIME_SPAN = re.compile(
    r"(?P<sign>-)?(?:(?P<days>\d+)\.)?(?P<h>\d{1,2}):(?P<m>\d{1,2})(?::(?P<s>\d{1,2}(?:\.\d{1,7})?))?"
)


class InvalidHostJson(ValueError):
    """A value that the platform's host would refuse to start with, too."""


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """`extensions.queues`; times in seconds."""

    batch_size: int = DEFAULT_BATCH_SIZE
    new_batch_threshold: int = DEFAULT_BATCH_SIZE // 2
    max_polling_interval: float = DEFAULT_MAX_POLLING_INTERVAL
    max_dequeue_count: int = DEFAULT_MAX_DEQUEUE_COUNT
    visibility_timeout: float = 0.0
    base64: bool = True

    @property
    def concurrency(self) -> int:
        """The most messages that one instance runs at once."""
        return self.batch_size + self.new_batch_threshold


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Times in seconds; a function timeout of None is unbounded. `headers` go on every answer, the host's own too."""

    queues: QueueOptions
    route_prefix: str = DEFAULT_ROUTE_PREFIX
    function_timeout: float | None = DEFAULT_FUNCTION_TIMEOUT
    headers: tuple[tuple[str, str], ...] = ()


def read(app: Path, environment: Mapping[str, str], cores: int | None = None) -> HostOptions:
    """Raises `InvalidHostJson`, also where there is no such file: the platform does not start without it."""
    try:
        document = json.loads((app / "host.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidHostJson(f"{app / 'host.json'}: {error}") from error
    if not isinstance(document, dict):
        raise InvalidHostJson(f"{app / 'host.json'}: not an object")
    for name, value in environment.items():
        if name.startswith(OVERRIDE):
            _set(document, name.removeprefix(OVERRIDE).split("__"), value)
    queues = _get(document, "extensions", "queues") or {}
    prefix = _get(document, "extensions", "http", "routePrefix")
    return HostOptions(
        _queues(queues, cores or os.cpu_count() or 1),
        DEFAULT_ROUTE_PREFIX if prefix is None else str(prefix).strip("/"),
        _function_timeout(_get(document, "functionTimeout")),
        tuple(
            (str(name), str(value))
            for name, value in (_get(document, "extensions", "http", "customHeaders") or {}).items()
        ),
    )


def _queues(document: Mapping[str, Any], cores: int) -> QueueOptions:
    batch = int(_get(document, "batchSize") or DEFAULT_BATCH_SIZE)
    threshold = _get(document, "newBatchThreshold")
    interval = _get(document, "maxPollingInterval")
    visibility = _get(document, "visibilityTimeout")
    encoding = str(_get(document, "messageEncoding") or "base64").lower()
    options = QueueOptions(
        batch,
        # QueuesOptions.cs: (batchSize / 2) × processors
        (batch // 2) * cores if threshold is None else int(threshold),
        DEFAULT_MAX_POLLING_INTERVAL if interval is None else time_span(interval),
        int(_get(document, "maxDequeueCount") or DEFAULT_MAX_DEQUEUE_COUNT),
        0.0 if visibility is None else time_span(visibility),
        encoding == "base64",
    )
    if not 1 <= options.batch_size <= MAX_BATCH_SIZE:
        raise InvalidHostJson(f"extensions.queues.batchSize: {batch} is not from 1 to {MAX_BATCH_SIZE}")
    if options.new_batch_threshold < 0:
        raise InvalidHostJson("extensions.queues.newBatchThreshold: below zero")
    if options.max_polling_interval < MINIMUM_POLLING_INTERVAL:
        raise InvalidHostJson(f"extensions.queues.maxPollingInterval: less than {MINIMUM_POLLING_INTERVAL} s")
    if options.max_dequeue_count < 1:
        raise InvalidHostJson("extensions.queues.maxDequeueCount: less than 1")
    if encoding not in ("base64", "none"):
        raise InvalidHostJson(f"extensions.queues.messageEncoding: {encoding!r} is neither base64 nor none")
    return options


def _function_timeout(value: object) -> float | None:
    if value is None:
        return DEFAULT_FUNCTION_TIMEOUT
    seconds = time_span(value)
    if seconds == UNBOUNDED:
        return None
    if seconds < MIN_FUNCTION_TIMEOUT:
        raise InvalidHostJson(f"functionTimeout: {value!r} is less than {MIN_FUNCTION_TIMEOUT} s")
    return seconds


def time_span(value: object) -> float:
    """Seconds of what .NET's TimeSpan.Parse reads: `[d.]hh:mm[:ss[.fffffff]]`, or a lone number, which is *days*."""
    text = str(value).strip()
    if re.fullmatch(r"-?\d+", text):
        return int(text) * 24 * 3600.0
    match = _TIME_SPAN.fullmatch(text)
    if match is None:
        raise InvalidHostJson(f"{value!r} is not a time span such as 00:00:02")
    seconds = int(match["days"] or 0) * 86400 + int(match["h"]) * 3600 + int(match["m"]) * 60 + float(match["s"] or 0)
    return -seconds if match["sign"] else seconds


def _get(document: Mapping[str, Any], *path: str) -> Any:
    """.NET's configuration ignores the case of names."""
    value: Any = document
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = next((found for key, found in value.items() if key.lower() == name.lower()), None)
    return value


def _set(document: dict[str, Any], path: list[str], value: str) -> None:
    *parents, last = path
    for name in parents:
        key = next((key for key in document if key.lower() == name.lower()), name)
        child = document.setdefault(key, {})
        if not isinstance(child, dict):
            raise InvalidHostJson(f"{OVERRIDE}{'__'.join(path)}: {name} is not an object in host.json")
        document = child
    document[next((key for key in document if key.lower() == last.lower()), last)] = value
