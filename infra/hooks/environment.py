"""Variables: what is set, and what a hook keeps for the deployment."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.hooks.commands import Azd, Console
from infra.hooks.problems import Problem


class Environment:
    """Names are the same in any case: Resource Manager hands outputs back as `azurE_RESOURCE_GROUP`. Set to nothing
    counts as not set."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._exact = dict(values)
        self._folded = {name.upper(): value for name, value in values.items()}

    def get(self, name: str) -> str:
        return (self._exact.get(name) or self._folded.get(name, "")).strip()

    def need(self, *names: str) -> None:
        """Raises Problem that lists all that are not set."""
        missing = [name for name in names if not self.get(name)]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            raise Problem(
                f"{', '.join(missing)} {verb} not set. They are outputs of infra/main.bicep: azd sets them; without "
                "azd, give them with --outputs FILE (docs/deploy.md)."
            )

    def set(self, name: str, value: str) -> None:
        self._exact[name] = value

    def keep(self, values: Mapping[str, str], azd: Azd, console: Console) -> None:
        """Sets what is not so yet: here, and in azd's environment; without one it says what to set."""
        changed = {name: value for name, value in values.items() if self.get(name) != value}
        self._exact |= values
        if azd.is_there:
            if changed:
                azd.set(changed)
            for name, value in changed.items():
                console.say(f"Kept {name}={value}")
        else:
            console.say("Set these before the deployment:")
            for name, value in values.items():
                console.say(assignment(name, value, os.name))


def assignment(name: str, value: str, system: str) -> str:
    """As a person types it: in PowerShell on Windows, elsewhere in sh."""
    if system == "nt":
        quoted = value.replace("'", "''")
        return f"$env:{name} = '{quoted}'"
    return f"export {name}={shlex.quote(value)}"


def outputs(path: Path) -> dict[str, str]:
    """What a deployment put out, as the Azure CLI prints it. Raises Problem."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
        return {name: _text(item["value"]) for name, item in found.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Problem(f"{path} does not hold the outputs of a deployment: {error}") from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
