"""Each kind of failure has its own window and its own count, also while others come in between (rule L9)."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from acrmirror.work import Record
from standins.stack import Stack
from testkit.images import oci_image
from testkit.reader import verify_repository
from testkit.stack import mirror_stack
from tests.integration.mirroring import Mirroring, mirroring

NOT_FOUND_SECONDS = 4
AWAY: dict[str, Any] = {"match": {"kind": "manifest"}, "do": {"status": 503}}
MISSING: dict[str, Any] = {"match": {"kind": "manifest"}, "do": {"status": 404}}
WRONG: dict[str, Any] = {"match": {"kind": "manifest", "method": "GET"}, "do": {"corrupt": True}}


@pytest.fixture(scope="module")
def hasty(foundation: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose app waits seconds for a 404, where it would wait minutes, and much longer for an outage."""
    settings = {"MIRROR_NOT_FOUND_SECONDS": str(NOT_FOUND_SECONDS), "MIRROR_RETRY_SECONDS": "120"}
    with mirror_stack(foundation=foundation, folder=tmp_path_factory.mktemp("windows"), settings=settings) as stack:
        yield stack


@pytest.fixture
def mirror(hasty: Stack) -> Iterator[Mirroring]:
    with mirroring(hasty) as opened:
        hasty.registry.set_event_manner(hold=True)
        yield opened
    hasty.registry.clear_faults()
    hasty.registry.set_event_manner()


def state_of(mirror: Mirroring, repository: str) -> Record | None:
    jobs = mirror.jobs(repository)
    return jobs[0] if jobs else None


def wait_until_it_waits(mirror: Mirroring, repository: str, code: str, attempt: int = 0) -> None:
    """Until the job waits because of `code`, after `attempt` attempts that had failed before."""

    def waits() -> bool:
        job = state_of(mirror, repository)
        assert job is None or job.state not in ("gone", "failed"), mirror.tell()
        return (
            job is not None
            and (job.state, job.fields["error_code"]) == ("waiting", code)
            and job.fields["attempt"] >= attempt
        )

    mirror.wait(waits, 40, f"a wait for {code}")


def test_a_404_after_an_outage_that_was_longer_than_its_window_is_waited_out(mirror: Mirroring) -> None:
    image = mirror.push("window/missing", oci_image("window missing"))
    mirror.stack.registry.set_faults([AWAY])
    begun = time.monotonic()
    mirror.stack.registry.release_events()
    wait_until_it_waits(mirror, "window/missing", "unavailable")
    time.sleep(max(0.0, NOT_FOUND_SECONDS + 0.5 - (time.monotonic() - begun)))
    mirror.stack.registry.set_faults([MISSING])
    wait_until_it_waits(mirror, "window/missing", "not-found")
    mirror.stack.registry.clear_faults()
    (job,) = mirror.wait_for(1, "window/missing")
    assert job.state == "done", mirror.tell()
    assert mirror.tagged("window/missing", "latest") == image.root.digest
    assert verify_repository(mirror.reader, "window/missing").is_whole


def test_wrong_bytes_after_two_failures_of_another_kind_are_fetched_anew_twice(mirror: Mirroring) -> None:
    mirror.push("window/wrong", oci_image("window wrong"))
    mirror.stack.registry.set_faults([AWAY])
    mirror.stack.registry.release_events()
    wait_until_it_waits(mirror, "window/wrong", "unavailable", attempt=1)
    mirror.stack.registry.set_faults([WRONG])
    (job,) = mirror.wait_for(1, "window/wrong", seconds=60)
    assert (job.state, job.fields["error_code"]) == ("failed", "digest-mismatch"), mirror.tell()
    assert job.fields["attempt"] == 4


def test_a_404_that_stays_after_an_outage_is_gone_once_its_own_window_is_over(mirror: Mirroring) -> None:
    mirror.push("window/gone", oci_image("window gone"))
    mirror.stack.registry.set_faults([AWAY])
    mirror.stack.registry.release_events()
    wait_until_it_waits(mirror, "window/gone", "unavailable", attempt=1)
    mirror.stack.registry.set_faults([MISSING])
    wait_until_it_waits(mirror, "window/gone", "not-found")
    begun = time.monotonic()
    (job,) = mirror.wait_for(1, "window/gone")
    assert (job.state, job.fields["missing"]) == ("gone", True)
    assert NOT_FOUND_SECONDS - 1 < time.monotonic() - begun < 3 * NOT_FOUND_SECONDS
