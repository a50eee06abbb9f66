"""What must hold of a deployment, whatever the template looks like that makes it. Each line says why."""

from collections.abc import Callable

from devtools.bicep.settled import Whole, at
from devtools.deployment import ACCOUNT, CONTAINER, ROLE, SITE
from devtools.deployment.scenarios import Scenario
from tests.infra.requirements import (
    access,
    app,
    events,
    everywhere,
    network,
    serve,
    settings,
    storage,
    telemetry,
)  # fmt: skip
from tests.infra.requirements.view import Missing, View

__all__ = ["ACCOUNT", "CONTAINER", "ROLE", "SITE", "View", "at", "check"]

REQUIREMENTS: tuple[Callable[[View], None], ...] = (
    everywhere.everywhere,
    storage.storage,
    storage.mirror,
    access.roles,
    settings.settings,
    app.app,
    events.events,
    network.network,
    telemetry.telemetry,
    serve.serve,
)


def check(scenario: Scenario, deployment: Whole, events_of_it: Whole) -> list[str]:
    """What is wrong, each with the scenario and the reason. `events_of_it` is what the hook deploys afterwards."""
    view = View(scenario, deployment, events_of_it, [])
    for requirement in REQUIREMENTS:
        try:
            requirement(view)
        except Missing as error:
            view.problems.append(f"{scenario.name}: {requirement.__name__}: {error}")
    return view.problems
