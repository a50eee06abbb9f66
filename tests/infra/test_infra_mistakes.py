"""Mistakes seeded into what is deployed, one at a time: each has to be noticed by what is required of it."""

from devtools.deployment.scenarios import SCENARIOS
from tests.infra.mistakes import outcome


def test_every_seeded_mistake_is_noticed() -> None:
    known: set[str] = set()
    outcomes = [outcome(scenario, known) for scenario in SCENARIOS]
    assert [missed for _, missed in outcomes] == [[] for _ in SCENARIOS]
    assert sum(count for count, _ in outcomes) > 1500
