"""What the worker tells of the app's functions, as values: name, trigger, outputs.

Bindings are those of function.json, https://learn.microsoft.com/azure/azure-functions/functions-triggers-bindings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

HTTP, EVENT_GRID, QUEUE, TIMER = "httpTrigger", "eventGridTrigger", "queueTrigger", "timerTrigger"
TRIGGERS = (HTTP, EVENT_GRID, QUEUE, TIMER)
_PERCENT = re.compile(r"%([^%]+)%")


class NotEmulated(ValueError):
    """The app uses a trigger or binding that this host does not have."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function: its trigger's binding, and whether it returns an HTTP response."""

    name: str
    trigger: Mapping[str, Any]
    returns_http: bool

    @property
    def kind(self) -> str:
        return str(self.trigger["type"])

    @property
    def parameter(self) -> str:
        return str(self.trigger["name"])


def parse_functions(told: Iterable[Mapping[str, Any]]) -> list[Function]:
    """Raises `NotEmulated` by name for anything that would otherwise be silently left out."""
    functions = []
    for function in told:
        name = str(function["name"])
        triggers = [binding for binding in function["bindings"] if str(binding["type"]).endswith("Trigger")]
        others = [binding for binding in function["bindings"] if binding not in triggers]
        if len(triggers) != 1 or triggers[0]["type"] not in TRIGGERS:
            kinds = ", ".join(str(trigger["type"]) for trigger in triggers) or "none"
            raise NotEmulated(f"function {name}: trigger {kinds} is not emulated, only {', '.join(TRIGGERS)}")
        for binding in others:
            if binding["type"] != "http" or binding["name"] != "$return":
                raise NotEmulated(f"function {name}: binding {binding['type']} ({binding['name']}) is not emulated")
        functions.append(Function(name, triggers[0], bool(others)))
    return functions


def resolve(text: str, environment: Mapping[str, str]) -> str:
    """`%NAME%` is the app setting of that name; raises `NotEmulated` where there is none, as the host refuses it."""

    def setting(match: re.Match[str]) -> str:
        try:
            return environment[match[1]]
        except KeyError:
            raise NotEmulated(f"{text!r}: there is no app setting {match[1]}") from None

    return _PERCENT.sub(setting, text)
