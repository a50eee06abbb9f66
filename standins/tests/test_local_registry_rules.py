"""Which requests a rule of the local registry's faults is about, and what is no rule."""

import time
from typing import Any

import pytest

from standins.tests.registry_process import RegistryProcess

Rule = dict[str, Any]


def rule(do: Rule, **match: Any) -> Rule:
    return {"match": match, "do": do}


def statuses(registry: RegistryProcess, count: int, path: str = "/v2/") -> list[int]:
    return [registry.ask("GET", path).status for _ in range(count)]


def test_rules_choose_by_number(local_registry: RegistryProcess) -> None:
    control = local_registry.control
    control.set_faults([rule({"status": 500}, kind="base", nth=2)])
    assert statuses(local_registry, 4) == [200, 500, 200, 200]
    control.set_faults([rule({"status": 500}, kind="base", count=2)])
    assert statuses(local_registry, 4) == [500, 500, 200, 200]
    control.set_faults([rule({"status": 500}, kind="base", after=1, count=2)])
    assert statuses(local_registry, 4) == [200, 500, 500, 200]
    control.set_faults([rule({"status": 500}, kind="base", every=2)])
    assert statuses(local_registry, 4) == [200, 500, 200, 500]
    control.set_faults([rule({"status": 500}, kind="base", first_seconds=0.3)])
    assert statuses(local_registry, 1) == [500]
    time.sleep(0.4)
    assert statuses(local_registry, 1) == [200]


def test_rules_choose_by_what_is_asked(local_registry: RegistryProcess) -> None:
    local_registry.control.set_faults([rule({"status": 500}, path="^/v2/a/b/tags", method="GET")])
    assert statuses(local_registry, 1, "/v2/a%2Fb/tags/list") == [500]
    assert statuses(local_registry, 1, "/v2/a/c/tags/list") == [404]
    local_registry.control.set_faults([rule({"status": 500}, header="^user-agent: special")])
    assert local_registry.ask("GET", "/v2/", headers={"User-Agent": "special"}).status == 500
    assert local_registry.ask("GET", "/v2/", headers={"User-Agent": "other"}).status == 200


def test_rules_add_up(local_registry: RegistryProcess) -> None:
    local_registry.control.set_faults([rule({"latency_ms": 100}), rule({"status": 418}, kind="base", nth=2)])
    started = time.monotonic()
    assert statuses(local_registry, 2) == [200, 418]
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize(
    "wrong",
    [
        rule({"statuss": 500}),
        rule({"status": "500"}),
        rule({"status": True}),
        rule({"latency_ms": None}),
        rule({}, kindd="blob"),
        rule({}, path="("),
        {"do": {}, "matches": {}},
        "nonsense",
    ],
)
def test_a_rule_that_is_none_is_refused(local_registry: RegistryProcess, wrong: Any) -> None:
    with pytest.raises(RuntimeError, match="400"):
        local_registry.control.set_faults([wrong])


# Counting
