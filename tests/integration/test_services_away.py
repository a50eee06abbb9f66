"""What the health check and events do while a service does not answer: they end in time, and name what to look at."""

import threading
import time
from collections.abc import Iterator

import pytest

from acrmirror import health
from acrmirror.errors import Unavailable
from acrmirror.jobs import intake
from standins.foundation import Foundation
from testkit.images import oci_image
from tests.integration.hostile import hostile
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, sent

SETTINGS = {
    "MIRROR_BLOB_ENDPOINT": {"mirror", "archives", "links"},
    "MIRROR_QUEUE__queueServiceUri": {"queue", "dead-jobs", "backfill-queue", "dead-backfill-jobs"},
    "MIRROR_TABLE_ENDPOINT": {"records"},
}


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fourth of what they are: nobody has to wait for the whole of them here."""
    assert (health.WITHIN, intake.QUEUE_SECONDS + intake.TABLE_SECONDS) == (10.0, 19.0)
    monkeypatch.setattr(health, "WITHIN", 2.5)
    monkeypatch.setattr(intake, "QUEUE_SECONDS", 3.5)
    monkeypatch.setattr(intake, "TABLE_SECONDS", 1.25)


@pytest.fixture
def silent(foundation: Foundation) -> Iterator[str]:
    """An endpoint of storage that takes every request, and answers none."""
    over = threading.Event()
    with hostile(foundation.certificates.server, lambda asked: wait(over)) as server:
        yield f"https://{server.host}/devstoreaccount1"
        over.set()


def wait(over: threading.Event) -> None:
    over.wait(60)


def push_event(mirror: Mirroring, repository: str) -> dict[str, object]:
    """The event of a push that the app is told of by the test alone."""
    mirror.push(repository, oci_image(repository))
    return next(
        dict(it["event"])
        for it in mirror.stack.registry.events()
        if it["event"]["data"]["target"]["repository"] == repository
    )


def test_health_ends_in_time_whatever_does_not_answer(bare_mirror: Mirroring, silent: str) -> None:
    with app_of(bare_mirror, **dict.fromkeys(SETTINGS, silent)) as app:
        begun = time.monotonic()
        found = app.health.run()
        took = time.monotonic() - begun
    print(f"{took:.1f} s")
    assert took < 9
    failed = {it.name: it.error for it in found.checks if it.error is not None}
    assert "registry" not in failed
    for setting, names in SETTINGS.items():
        for name in names:
            error = failed[name]
            assert isinstance(error, Unavailable)
            assert setting in error.remedy


@pytest.mark.parametrize("setting", SETTINGS)
def test_an_endpoint_that_nobody_serves_is_named_by_its_setting(bare_mirror: Mirroring, setting: str) -> None:
    with app_of(bare_mirror, **{setting: "https://127.0.0.1:9/devstoreaccount1"}) as app:
        failed = {it.name: it.error for it in app.health.run().checks if it.error is not None}
    assert SETTINGS[setting] <= set(failed)
    assert all(setting in error.remedy for error in failed.values())


def test_an_event_that_no_queue_takes_is_answered_before_event_grid_gives_up(
    bare_mirror: Mirroring, silent: str
) -> None:
    event = push_event(bare_mirror, "silent/queue")
    with app_of(bare_mirror, MIRROR_QUEUE__queueServiceUri=silent) as app:
        begun = time.monotonic()
        with pytest.raises(Unavailable) as raised:
            app.intake.receive(event)
        took = time.monotonic() - begun
    print(f"{took:.1f} s")
    assert took < 12
    assert "Event Grid delivers the event again" in raised.value.remedy
    assert sent(bare_mirror) == []


def test_an_event_is_taken_in_time_though_the_table_does_not_answer(bare_mirror: Mirroring, silent: str) -> None:
    event = push_event(bare_mirror, "silent/table")
    with app_of(bare_mirror, MIRROR_TABLE_ENDPOINT=silent) as app:
        begun = time.monotonic()
        app.intake.receive(event)
        took = time.monotonic() - begun
    print(f"{took:.1f} s")
    assert took < 12
    assert [it["repository"] for it in sent(bare_mirror)] == ["silent/table"]
