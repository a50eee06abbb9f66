"""Without any one of the roles that the deployment assigns, the health check names it, and so does what fails."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from acrmirror.app import App
from acrmirror.errors import Denied
from acrmirror.jobs.pulls import task_of
from acrmirror.moments import from_datetime
from acrmirror.reference import Reference
from acrmirror.settings import Settings
from acrmirror.work import DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE, Copy
from devtools.deployment.permissions import APP, PERMISSIONS, RUN, Assignment, granted, policy
from standins.foundation import Foundation
from standins.stack import Stack
from testkit.images import oci_image
from testkit.stack import ARCHIVES, mirror_stack
from tests.integration.mirroring import Mirroring, mirroring

ROLES = sorted(
    {granted(it)[0] for it in PERMISSIONS if (it.who, it.checked) == (APP, RUN)},
    key=lambda it: (it.scope, it.role),
)
IMAGE = Reference("roles/any", "latest")


@pytest.fixture(scope="module")
def guarded(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("guarded")
    with mirror_stack(foundation=foundation, folder=folder, functions=False, policy=policy()) as stack:
        yield stack


@pytest.fixture
def mirror(guarded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirroring]:
    """With one image that stands in the mirror."""
    for name, value in guarded.identity.environment().items():
        monkeypatch.setenv(name, value)
    with mirroring(guarded) as opened:
        if opened.tagged(IMAGE.repository, "latest") is None:
            opened.push(IMAGE.repository, oci_image("any"))
            with open_app(opened) as app:
                app.dispatch.run(job().to_json(), 1)
            assert opened.tagged(IMAGE.repository, "latest") is not None
        yield opened
    guarded.set_policy(policy())


def open_app(mirror: Mirroring) -> App:
    """New clients, without the tokens and keys of those before."""
    return App.open(Settings.from_environment(mirror.stack.app_environment()))


def job() -> Copy:
    now = datetime.now(UTC)
    return Copy.of_event(IMAGE, now.isoformat(), from_datetime(now))


def record_says(mirror: Mirroring, app: App) -> str:
    """Runs a job, and reads the remedy in its record."""
    asked = job()
    app.dispatch.run(asked.to_json(), 1)
    record = mirror.records.get(asked.id)
    assert record is not None
    assert (record.state, record.fields["error_code"]) == ("waiting", "denied")
    return record.fields["error_remedy"]


def error_says(attempt: Callable[[], object]) -> str:
    with pytest.raises(Denied) as caught:
        attempt()
    return caught.value.remedy


def asked_for_all(_: Mirroring, app: App) -> str:
    return error_says(lambda: app.sweeps.ask(["*"], dry_run=True))


def archive_says(mirror: Mirroring, app: App) -> str:
    """Puts an archive together, and reads the remedy in its record."""
    record = app.archives.request([str(IMAGE)], "oci")
    task = task_of(record)
    app.dispatch.run(task.to_json(), 1)
    found = mirror.records.get(record.id)
    assert found is not None
    assert (found.state, found.fields["error_code"]) == ("waiting", "denied")
    return found.fields["error_remedy"]


RUNS: dict[str, Callable[[Mirroring, App], str]] = {
    "AcrPull": record_says,
    "Container Registry Repository Reader": record_says,
    "Storage Blob Data Contributor": record_says,
    "Storage Blob Delegator": lambda _, app: error_says(lambda: app.images.content(IMAGE, None)),
    "Storage Queue Data Contributor": asked_for_all,
    "Storage Table Data Contributor": lambda _, app: error_says(
        lambda: app.pulls.page(1, state=None, repository=None, after=None)
    ),
}
"""What fails without the role. Health alone tells of two more: listing a registry is tried for a quarter of a minute,
and nothing of the app itself writes to the poison queues."""


@pytest.mark.parametrize("abac", [False, True], ids=["AcrPull", "ABAC"])
def test_with_all_of_them_the_app_is_healthy(mirror: Mirroring, abac: bool) -> None:
    mirror.stack.set_policy(policy(abac=abac))
    with open_app(mirror) as app:
        assert [str(it.error) for it in app.health.run().checks if it.error is not None] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: f"{role.role} at {role.scope.rpartition('/')[2]}")
def test_the_one_that_is_missing_is_named(mirror: Mirroring, role: Assignment) -> None:
    at = role.scope.rpartition("/")[2]
    mirror.stack.set_policy(policy(abac=role.role.startswith("Container Registry"), without=role))
    with open_app(mirror) as app:
        (failed,) = (it.error for it in app.health.run().checks if it.error is not None)
        assert role.role in failed.remedy
        assert "/queues/" not in role.scope or failed.asked.endswith(f" {at}")
        if at == JOB_QUEUE:
            assert role.role in error_says(lambda: app.pulls.ask(str(IMAGE)))
        elif at == ARCHIVES:
            assert role.role in archive_says(mirror, app)
        elif role.role in RUNS and at not in (DEAD_QUEUE, DEAD_BACKFILL_QUEUE):
            assert role.role in RUNS[role.role](mirror, app)
