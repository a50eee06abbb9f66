"""How a stack is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from standins.policy import Policy

LEASE_SECONDS = 600  # as on the platform


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen of a stack.

    `lease` is how long a queue message of a killed worker stays invisible, in seconds. `settings` are app settings
    that replace those of the profile. `app` is a folder to run in place of the profile's. A port of 0 is any free one.
    With `func` the host is Azure's Core Tools; without `functions` there is none, and events are dropped. With a
    `policy`, storage and registry refuse the app what its roles don't grant. With `target` there is a second registry,
    for what the app pushes; its events go nowhere.
    """

    workers: int = 1
    lease: int = LEASE_SECONDS
    anonymous: bool = False
    event_schema: str = "eventgrid"
    settings: Mapping[str, str] = field(default_factory=dict)
    app: Path | None = None
    registry_port: int = 0
    data_port: int = 0
    functions_port: int = 0
    functions: bool = True
    func: bool = False
    policy: Policy | None = None
    target: bool = False
