"""Whether a deployment is what it has to be."""

from collections.abc import Callable

from infra.checks.evaluate import Deployment
from infra.checks.requirements import Missing, View, everywhere, mirror, order, roles, settings, storage
from infra.checks.requirements_app import app, events, network, serve, telemetry
from infra.checks.scenarios import Scenario

REQUIREMENTS: tuple[Callable[[View], None], ...] = (
    everywhere,
    order,
    storage,
    mirror,
    roles,
    settings,
    app,
    events,
    network,
    telemetry,
    serve,
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
