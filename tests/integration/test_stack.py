"""The local stack as a whole: it starts, wires and stops all, and says what went wrong when it can't."""

import os
import time
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from standins.foundation import Foundation
from standins.plugin import StackMaker
from standins.process import ServiceFailed, wait_for
from standins.stack import RESOURCE_ID, Stack
from testkit.images import oci_image
from testkit.push import Pusher
from testkit.reader import MirrorReader, NotServed, verify_tag
from testkit.stack import mirror_stack

READY = {
    "registry",
    "username",
    "password",
    "functions",
    "functions_key",
    "blob",
    "queue",
    "table",
    "mirror_container",
    "records_table",
    "ca",
    "identity_endpoint",
    "identity_header",
    "client_id",
}


def push(stack: Stack, repository: str, seed: str, tag: str = "latest") -> None:
    registry = stack.registry
    with Pusher(registry.host, registry.username, registry.password, registry.ca) as pusher:
        pusher.image(repository, oci_image(seed, tag=tag))


def arrives(stack: Stack, repository: str, tag: str = "latest", seconds: float = 30) -> bool:
    """Whether the tag stands in the mirror, whole, within that time."""
    options = stack.account.client_options
    with ContainerClient(stack.blob_endpoint, stack.ready()["mirror_container"], **options) as container:
        reader = MirrorReader(container)

        def is_mirrored() -> bool:
            try:
                reader.resolve(repository, tag)
            except NotServed:
                return False
            return True

        return wait_for(is_mirrored, seconds) and verify_tag(reader, repository, tag).is_whole


def test_a_push_stands_in_the_mirror_seconds_later(stack: Stack) -> None:
    push(stack, "stack/pushed", "pushed")
    assert arrives(stack, "stack/pushed")


def test_the_ready_line_has_what_an_outside_client_needs(stack: Stack) -> None:
    ready = stack.ready()
    assert set(ready) == READY
    assert all(ready.values())
    assert Path(ready["ca"]).read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_the_app_is_told_no_key_and_no_connection_string(stack: Stack) -> None:
    for name, value in stack.app_environment().items():
        assert "AccountKey" not in value, name
        assert "SharedAccess" not in value, name
        assert stack.registry.password not in value, name


def test_events_come_in_either_schema(make_stack: StackMaker) -> None:
    stack = make_stack(event_schema="cloudevents")
    push(stack, "stack/cloud", "cloud")
    assert arrives(stack, "stack/cloud")
    (event,) = stack.registry.events(settle=10)
    assert event["state"] == "delivered"


def test_an_anonymous_stack_runs_the_app_without_a_registry_credential(make_stack: StackMaker) -> None:
    stack = make_stack(anonymous=True)
    push(stack, "stack/anonymous", "anonymous")
    assert arrives(stack, "stack/anonymous")
    assert stack.app_environment()["MIRROR_REGISTRY_AUTH"] == "anonymous"
    assert stack.registry.requests(kind="exchange") == []


def test_settings_reach_the_app_and_those_of_an_outer_stack_do_not(
    make_stack: StackMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIRROR_PREFIX", "outer")
    stack = make_stack(settings={"MIRROR_PREFIX": "own"})
    push(stack, "stack/prefixed", "prefixed")
    assert arrives(stack, "own/stack/prefixed")


def test_two_stacks_beside_each_other_do_not_meet(stack: Stack, make_stack: StackMaker) -> None:
    other = make_stack()
    push(other, "stack/apart", "apart")
    assert arrives(other, "stack/apart")
    assert not arrives(stack, "stack/apart", seconds=0.5)


def test_a_killed_worker_comes_back(make_stack: StackMaker) -> None:
    stack = make_stack(workers=2)
    before = [worker["pid"] for worker in stack.functions.workers()]
    stack.functions.signal(0, "kill")
    assert wait_for(lambda: stack.functions.workers()[0]["starts"] == 2, 60)
    after = [worker["pid"] for worker in stack.functions.workers()]
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_an_app_that_can_not_be_loaded_is_told_with_its_own_words(foundation: Foundation, tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "host.json").write_text('{"version": "2.0"}')
    (app / "function_app.py").write_text("raise RuntimeError('nothing works')")
    folder = tmp_path / "stack"
    with pytest.raises(ServiceFailed, match=r"(?s)could not be imported.*nothing works"):
        with mirror_stack(foundation=foundation, folder=folder, app=app):
            pass


def test_what_was_started_before_a_failure_is_stopped(
    foundation: Foundation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = mirror_stack(foundation=foundation, folder=tmp_path, app=tmp_path)
    with pytest.raises(ServiceFailed), stack:
        pass
    assert set(stack.logs) == {"registry", "functions"}
    assert all(code is not None for code in stack.returncodes().values())


def test_it_starts_within_ten_seconds_of_cpu_for_two(tmp_path: Path) -> None:
    """Wall time is what a user sees, and what others on this machine spend: CPU is what can be held to."""
    before = os.times()
    begun = time.monotonic()
    with mirror_stack(folder=tmp_path / "stack") as stack:
        seconds = time.monotonic() - begun
        assert stack.ready()["functions"]
    after = os.times()
    cpu = (after.user + after.system + after.children_user + after.children_system) - (
        before.user + before.system + before.children_user + before.children_system
    )
    assert min(seconds, cpu / 2) < 10


def test_a_temporary_folder_goes_with_its_stack() -> None:
    with mirror_stack() as stack:
        folder = stack.folder
        assert (folder / "registry.log").exists()
        assert RESOURCE_ID in stack.app_environment().values()
    assert not folder.exists()
