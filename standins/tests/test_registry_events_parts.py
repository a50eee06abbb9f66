"""Parts of the local registry that need no process."""

import pytest

from standins.registry import delivery
from standins.registry.webhook import Event, Subscription


def test_a_registry_that_runs_for_days_forgets_the_oldest_events_that_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "KEPT", 100)
    courier = delivery.Courier()

    def send(count: int) -> None:
        for number in range(count):
            courier.send(Event(str(number), "/registry", "app", "ImagePushed", "2026-01-01T00:00:00Z", {}))

    courier.subscribe(Subscription("http://127.0.0.1:1/"))
    courier.set_manner(delivery.Manner(hold=True))
    send(10)
    courier.subscribe(None)
    send(1000)
    kept = courier.views()
    assert 100 <= len(kept) <= 110
    assert [one["id"] for one in kept if one["state"] == "held"] == [str(number) for number in range(10)]
    assert kept[-1]["id"] == "999"
    assert courier.views(since=kept[-2]["changed"]) == kept[-1:]
    assert courier.views(since=kept[-1]["changed"]) == []
