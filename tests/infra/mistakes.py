"""Seeded mistakes: every property, value, role, setting and resource of a deployment, changed or left out once.

Left alone are the words of what people read; that there are any is held all the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from devtools.bicep.settled import Settled, Whole
from devtools.deployment.roles import ROLES
from devtools.deployment.scenarios import Scenario, run, subscribe
from tests.infra.requirements import check

PROSE = ("description", "displayName", "serializedData", "notes")
_LATER = (KeyError, TypeError, IndexError, AttributeError, StopIteration, ValueError)


@dataclass(frozen=True, slots=True)
class Mistake:
    """`make` changes the deployment in place and gives what takes the change back."""

    what: str
    make: Callable[[], Callable[[], None]]


def mistakes(deployment: Whole, events: Whole) -> Iterator[Mistake]:
    for whole in (deployment, events):
        for item in list(whole.resources):
            kind = f"{item.type.rpartition('/')[2]} {item.name}"
            yield Mistake(f"{kind} left out", _without(whole.resources, item))
            for attribute in ("name", "on") if item.on else ("name",):
                yield Mistake(f"{kind}: {attribute} changed", _moved(item, attribute))
            yield from _within(item.body, kind)
    yield from _within(deployment.outputs, "outputs")


def _within(container: Any, path: str) -> Iterator[Mistake]:
    for key in list(container) if isinstance(container, dict) else range(len(container)):
        value, where = container[key], f"{path}/{key}"
        if key in PROSE:
            continue
        if value is not None:
            yield Mistake(f"{where} left out", _left_out(container, key))
        if isinstance(value, dict | list) and value:
            yield from _within(value, where)
        else:
            for changed in _changed(value):
                yield Mistake(f"{where}: {value!r} became {changed!r}", _put(container, key, changed))


def _changed(value: Any) -> Iterator[Any]:
    match value:
        case bool():
            yield not value
        case int() | float():
            yield value + 1
        case str():
            yield f"{value}x"
            for role in ROLES.values():
                if value.endswith(role.id):
                    other = next(item for item in ROLES.values() if item is not role)
                    yield value.replace(role.id, other.id)
        case dict():
            yield {"x": "x"}
        case list():
            yield ["x"]
        case None:
            yield "x"


def _without(items: list[Settled], item: Settled) -> Callable[[], Callable[[], None]]:
    def make() -> Callable[[], None]:
        at = items.index(item)
        del items[at]
        return lambda: items.insert(at, item)

    return make


def _moved(item: Settled, attribute: str) -> Callable[[], Callable[[], None]]:
    def make() -> Callable[[], None]:
        before = replace(item)
        setattr(item, attribute, f"{getattr(item, attribute)}x")
        item.id = f"{item.on}/{item.type}/{item.name}" if item.on else f"{item.id}x"

        def undo() -> None:
            item.id, item.name, item.on = before.id, before.name, before.on

        return undo

    return make


def _left_out(container: Any, key: Any) -> Callable[[], Callable[[], None]]:
    def make() -> Callable[[], None]:
        before = container.copy()
        del container[key]
        return lambda: _restore(container, before)

    return make


def _put(container: Any, key: Any, value: Any) -> Callable[[], Callable[[], None]]:
    def make() -> Callable[[], None]:
        before = container.copy()
        container[key] = value
        return lambda: _restore(container, before)

    return make


def _restore(container: Any, before: Any) -> None:
    container.clear()
    container.update(before) if isinstance(container, dict) else container.extend(before)


def outcome(scenario: Scenario, known: set[str]) -> tuple[int, list[str]]:
    """How many mistakes were seeded that are not known from another scenario, and those that nothing noticed."""
    deployment = run(scenario)
    events = subscribe(deployment)
    missed, count = [], 0
    for mistake in mistakes(deployment, events):
        if mistake.what in known:
            continue
        known.add(mistake.what)
        count += 1
        undo = mistake.make()
        try:
            noticed = bool(check(scenario, deployment, events))
        except _LATER:
            # A requirement that looks for something in what is no longer there.
            noticed = True
        undo()
        if not noticed:
            missed.append(mistake.what)
    assert check(scenario, deployment, events) == []
    return count, missed
