"""What is deployed before what. A snapshot does not say; the evaluator knows."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devtools.bicep.deployment import Resource
from devtools.bicep.reading import Declaration, Template
from devtools.bicep.syntax import Node
from devtools.deployment import ACCOUNT, ROLE, SITE, templates
from devtools.deployment.scenarios import SCENARIOS, Scenario, load, predicted


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
    group = item.key.partition("/providers/")[0]
    extended = item.key.rpartition("/providers/")[0]
    found = {*texts(item.form())}
    # An assignment names a role by its subscription, wherever it was defined.
    defined = {key for key in made if "/roleDefinitions/" in key and key.rpartition("/")[2] in " ".join(found)}
    return (({*found, parent, group, extended} & made) | defined) - {item.key}


def too_early(resources: list[Resource]) -> list[str]:
    """What is deployed before something that it needs."""
    made = {item.key for item in resources}
    wanted = {item.key: named(item, made) for item in resources}
    # The app starts when it may do all that it has to, and reaches it.
    later = ("dead-letters", "id-serve")
    rights = {item.key for item in resources if item.type == ROLE and not any(name in item.key for name in later)}
    endpoints = {item.key for item in resources if item.type == "Microsoft.Network/privateEndpoints"}
    for item in resources:
        if item.type == SITE:
            wanted[item.key] |= rights | endpoints
        # Refused while the blob service is still being set.
        elif item.type == f"{ACCOUNT}/managementPolicies":
            wanted[item.key].add(item.key.replace("managementPolicies", "blobServices"))
    earlier = before({item.key: item.needs for item in resources})
    return [f"{item.symbol} before {need}" for item in resources for need in wanted[item.key] - earlier[item.key]]


def before(needs: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """All that is deployed before each, not only what it waits for itself."""
    found = {key: set(direct) for key, direct in needs.items()}
    changed = True
    while changed:
        changed = False
        for known in found.values():
            more = set().union(*(found.get(key, set()) for key in known)) - known
            known |= more
            changed = changed or bool(more)
    return found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_nothing_is_deployed_before_what_it_needs(scenario: Scenario) -> None:
    assert too_early(predicted(scenario).resources) == []


def dependent(file: Template) -> list[Declaration]:
    declared = [*file.of("resource"), *file.of("module")]
    return [item for item in declared if "dependsOn" in {key.parts[0] for key, _ in pairs(item)}]


def pairs(item: Declaration) -> tuple[tuple[Node, Node], ...]:
    assert item.value is not None
    inner = item.value if item.value.what == "object" else item.value.parts[-1]
    found: tuple[tuple[Node, Node], ...] = inner.parts
    return found


def without(item: Declaration) -> Declaration:
    """The declaration without its dependsOn."""
    assert item.value is not None
    kept = Node("object", tuple(pair for pair in pairs(item) if pair[0].parts[0] != "dependsOn"), item.line)
    if item.value.what == "object":
        return replace(item, value=kept)
    return replace(item, value=replace(item.value, parts=(*item.value.parts[:-1], kept)))


@pytest.mark.parametrize(
    ("path", "name"),
    [(path, item.name) for path in templates() for item in dependent(load(path))],
    ids=lambda value: value if isinstance(value, str) else value.stem,
)
def test_a_dependency_that_is_left_out_is_noticed(path: Path, name: str) -> None:
    changed = replace(load(path), declarations=dict(load(path).declarations))
    changed.declarations[name] = without(changed.declarations[name])

    def read(other: Path) -> Template:
        return changed if other == path else load(other)

    assert any(too_early(predicted(scenario, read).resources) for scenario in SCENARIOS)
