"""Without any one of the roles that the deployment assigns, an error, a record or the health check names it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from acrmirror.application import Mirror
from acrmirror.errors import Denied
from acrmirror.jobs import Job
from acrmirror.moments import from_datetime
from acrmirror.reference import Reference
from acrmirror.settings import Settings
from infra.checks.permissions import APP, PERMISSIONS, RUN, Assignment, granted, policy
from local.foundation import Foundation
from local.images import oci_image
from local.stack import Stack
from tests.integration.mirroring import Mirroring, mirroring

ROLES = sorted(
    {granted(it)[0] for it in PERMISSIONS if (it.who, it.checked) == (APP, RUN)},
    key=lambda it: (it.scope, it.role),
)
ANY = "roles/any"


@pytest.fixture(scope="module")
def guarded(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("guarded")
    with Stack(foundation=foundation, folder=folder, functions=False, policy=policy()) as stack:
        yield stack


@pytest.fixture
def mirror(guarded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirroring]:
    for name, value in guarded.identity.environment().items():
        monkeypatch.setenv(name, value)
    with mirroring(guarded) as opened:
        yield opened


def is_abac(role: Assignment) -> bool:
    return role.role.startswith("Container Registry")


def open_app(mirror: Mirroring) -> Mirror:
    """New clients, without the tokens and keys of those before."""
    return Mirror.open(Settings.from_environment(mirror.stack.app_environment()))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: f"{role.role} at {role.scope.rpartition('/')[2][:12]}")
def test_health_names_the_role_that_is_missing_and_that_alone(mirror: Mirroring, role: Assignment) -> None:
    mirror.stack.set_policy(policy(abac=is_abac(role)))
    mirror.push(ANY, oci_image("any"))
    with open_app(mirror) as app:
        health = app.health.run()
        assert health.ok, [str(it.error) for it in health.checks if it.error]
    mirror.stack.set_policy(policy(abac=is_abac(role), without=role))
    with open_app(mirror) as app:
        failed = [it.error for it in app.health.run().checks if it.error is not None]
    assert len(failed) == 1, failed
    assert role.role in failed[0].remedy
    if "mirror-jobs" in role.scope:
        assert failed[0].asked.endswith(role.scope.rpartition("/")[2])


def job_for(repository: str) -> Job:
    return Job.of_event(Reference(repository, "latest"), f"of {repository}", from_datetime(datetime.now(UTC)))


def record_says(mirror: Mirroring, app: Mirror, job: Job) -> str:
    """Runs a job, and reads the remedy in its record."""
    app.run_job(job.to_json(), 1)
    record = mirror.records.get(job.id)
    assert record is not None
    assert (record.state, record.fields["error_code"]) == ("waiting", "denied")
    return str(record.fields["error_remedy"])


def error_says(attempt: Callable[[], object]) -> str:
    with pytest.raises(Denied) as caught:
        attempt()
    return caught.value.remedy


# The health check alone tells of the other two: one sweep of the registry would wait for the role, and nothing of the
# app itself writes to the poison queue.
RUNS: dict[str, Callable[[Mirroring, Mirror], str]] = {
    "AcrPull": lambda mirror, app: record_says(mirror, app, job_for(ANY)),
    "Container Registry Repository Reader": lambda mirror, app: record_says(mirror, app, job_for(ANY)),
    "Storage Blob Data Contributor": lambda mirror, app: record_says(mirror, app, job_for(ANY)),
    "Storage Queue Data Contributor": lambda _, app: error_says(lambda: app.sweeps.ask(["*"], dry_run=True)),
    "Storage Table Data Contributor": lambda _, app: error_says(lambda: app.sweeps.ask(["*"], dry_run=True)),
    "Storage Blob Delegator": lambda _, app: error_says(lambda: app.images.content(Reference(ANY, "latest"), None)),
}


@pytest.mark.parametrize("name", RUNS)
def test_what_fails_without_a_role_names_it(mirror: Mirroring, name: str) -> None:
    role = next(it for it in ROLES if it.role == name and not it.scope.endswith("-poison"))
    mirror.stack.set_policy(policy(abac=is_abac(role)))
    mirror.push(ANY, oci_image("any"))
    with open_app(mirror) as app:
        app.run_job(job_for(ANY).to_json(), 1)
    mirror.stack.set_policy(policy(abac=is_abac(role), without=role))
    with open_app(mirror) as app:
        assert name in RUNS[name](mirror, app)
