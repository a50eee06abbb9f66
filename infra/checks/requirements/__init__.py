"""What must hold of a deployment, whatever the template looks like that makes it. Each line says why."""

from collections.abc import Callable

from infra.checks.deployment import Deployment
from infra.checks.requirements import (
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
from infra.checks.requirements.view import ACCOUNT, CONTAINER, ROLE, SITE, Missing, View, at
from infra.checks.scenarios import Scenario

__all__ = ["ACCOUNT", "CONTAINER", "ROLE", "SITE", "View", "at", "check"]

REQUIREMENTS: tuple[Callable[[View], None], ...] = (
    everywhere.everywhere,
    everywhere.order,
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


def check(scenario: Scenario, deployment: Deployment, events_of_it: Deployment) -> list[str]:
    """What is wrong, each with the scenario and the reason. `events_of_it` is what the hook deploys afterwards."""
    view = View(scenario, deployment, events_of_it, [])
    for requirement in REQUIREMENTS:
        try:
            requirement(view)
        except Missing as error:
            view.problems.append(f"{scenario.name}: {requirement.__name__}: {error}")
    return view.problems
