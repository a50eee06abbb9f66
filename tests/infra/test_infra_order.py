"""What is deployed before what. A snapshot does not say; the evaluator knows."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from devtools.bicep.deployment import Resource
from devtools.deployment import ACCOUNT, ROLE, SITE
from devtools.deployment.scenarios import SCENARIOS, Scenario, predicted

each = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


def texts(value: Any) -> Iterator[str]:
    match value:
        case Mapping():
            for name, item in value.items():
                yield name
                yield from texts(item)
        case list():
            for item in value:
                yield from texts(item)
        case str():
            yield value
            yield from re.findall(r"'(/subscriptions/[^']+)'", value)


def named(item: Resource, made: set[str]) -> set[str]:
    """The ids of what is made here that a resource names, or is a part of."""
    parent = item.key.rpartition("/")[0].rpartition("/")[0]
    return ({*texts(item.form()), parent} & made) - {item.key}


@each
def test_a_resource_waits_for_what_it_names(scenario: Scenario) -> None:
    resources = predicted(scenario).resources
    made = {item.key for item in resources}
    assert {item.key: missing for item in resources if (missing := named(item, made) - item.needs)} == {}


@each
def test_the_app_starts_when_it_may_do_all_that_it_has_to(scenario: Scenario) -> None:
    resources = predicted(scenario).resources
    site = next(item for item in resources if item.type == SITE)
    later = ("dead-letters", "id-serve")
    wanted = {item.key for item in resources if item.type == ROLE and not any(name in item.key for name in later)}
    wanted |= {item.key for item in resources if item.type == "Microsoft.Network/privateEndpoints"}
    assert wanted - site.needs == set()


def test_tiers_wait_for_the_blob_service_which_refuses_them_while_it_is_being_set() -> None:
    policies = [
        item
        for scenario in SCENARIOS
        for item in predicted(scenario).resources
        if item.type == f"{ACCOUNT}/managementPolicies"
    ]
    assert policies
    for policy in policies:
        assert policy.key.replace("managementPolicies", "blobServices") in policy.needs
