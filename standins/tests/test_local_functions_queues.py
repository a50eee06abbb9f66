"""The local Functions host's queue trigger: leases, redelivery, visibility, poison, concurrency."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from standins.foundation import Foundation
from standins.tests.sample_host import RUNTIMES, SampleHost, pause, sample_host, seconds_between


def running_on(host: SampleHost, message: str) -> int:
    """The instance whose worker runs that message now; waits until one does."""
    found: list[int] = []

    def look() -> bool:
        for worker in host.control.workers():
            found.extend(
                [worker["instance"]] if {"function": "run_order", "about": message} in worker["running"] else []
            )
        return bool(found)

    host.expect(look)
    return found[0]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_message_runs_once_and_is_deleted(foundation: Foundation, tmp_path: Path, runtime: str) -> None:
    with sample_host(foundation, tmp_path, "--runtime", runtime) as host:
        message = host.send(log="hello from the app")
        (begin,) = host.expect_records(1, "begin")
        assert begin["id"] == message
        assert begin["dequeue_count"] == 1
        assert begin["inserted"].endswith("+00:00")
        host.expect_empty(host.queue)
        assert len(host.records("end")) == 1
        assert "[worker 0] INFO sample: hello from the app" in host.log()
        assert "[worker 0] hello from the app" in host.log()


def test_properties_of_the_payload_hide_those_of_the_message(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path) as host:
        host.send(id="the job's own", DEQUEUECOUNT=7)
        (begin,) = host.expect_records(1, "begin")
        assert (begin["id"], begin["dequeue_count"]) == ("the job's own", 7)


def test_a_worker_stopped_past_the_lease_means_exactly_one_redelivery(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path, workers=2, lease=2) as host:
        first = host.send(sleep=5, name="first")
        stopped = running_on(host, first)
        host.expect_records(1, "begin")
        host.control.signal(stopped, "stop")
        second = host.send(sleep=0.1, name="second")
        # The other instance runs the second at once, and the first when its lease is over.
        host.expect_records(1, "end")
        host.expect_records(2, "end", timeout=15)
        begun = [entry for entry in host.records("begin") if entry["id"] == first]
        assert [entry["dequeue_count"] for entry in begun] == [1, 2]
        assert 1 < seconds_between(*begun) < 15
        # Thawed, the first worker ends its run as well, and may not delete what is not its own any more.
        host.control.signal(stopped, "continue")
        host.expect_records(3, "end")
        host.expect_empty(host.queue)
        pause(3)
        told = host.control.dispatches()["run_order"]
        assert {name: len(on) for name, on in told["of"].items()} == {first: 2, second: 1}
        assert told["begun"] == 3
        assert told["succeeded"] == 3


def test_the_lease_is_renewed_for_as_long_as_the_worker_lives(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path, workers=2, lease=2) as host:
        host.send(sleep=5)
        host.expect_records(1, "end")
        host.expect_empty(host.queue)
        assert len(host.records("begin")) == 1
        assert host.control.dispatches()["run_order"]["renewed"] >= 4


def test_a_killed_hosts_message_comes_back_when_its_lease_ends_and_not_before(
    foundation: Foundation, tmp_path: Path
) -> None:
    with sample_host(foundation, tmp_path, workers=2, lease=4) as host:
        message = host.send(sleep=2)
        instance = running_on(host, message)
        before = host.worker(instance)["pid"]
        (begin,) = host.expect_records(1, "begin")
        host.control.signal(instance, "kill")
        # Another one takes the instance's place, and has nothing to do with the old one's message.
        host.expect(lambda: host.worker(instance)["state"] == "up" and host.worker(instance)["pid"] != before)
        again = host.expect_records(2, "begin")[1]
        assert 3 < seconds_between(begin, again) < 20
        assert again["dequeue_count"] == 2
        host.expect_records(1, "end")
        host.expect_empty(host.queue)
        assert host.control.dispatches()["run_order"]["lost"] == 1


def test_after_a_failure_the_message_is_hidden_for_the_visibility_timeout(
    foundation: Foundation, tmp_path: Path
) -> None:
    with sample_host(foundation, tmp_path, queues_visibilityTimeout="00:00:02") as host:
        host.send(fail="as asked")
        first, second = host.expect_records(2, "begin")[:2]
        assert 1.8 < seconds_between(first, second) < 20
        assert "RuntimeError: as asked" in host.log()


def test_after_the_last_failure_the_message_is_moved_to_a_poison_queue_that_the_host_makes(
    foundation: Foundation, tmp_path: Path
) -> None:
    with sample_host(foundation, tmp_path, queues_visibilityTimeout="00:00:00") as host:
        assert [queue.name for queue in host.queues.list_queues()] == ["orders"]
        host.send(fail="always")
        (dead,) = host.expect_records(1, "dead")
        assert json.loads(dead["text"]) == {"fail": "always"}
        assert dead["dequeue_count"] == 1
        assert [entry["dequeue_count"] for entry in host.records("begin")] == [1, 2, 3]
        host.expect_empty(host.queue)
        host.expect_empty(host.poison)


def test_a_worker_that_dies_alone_fails_its_run_and_the_third_to_die_ends_the_host(
    foundation: Foundation, tmp_path: Path
) -> None:
    with sample_host(foundation, tmp_path, lease=600) as host:
        host.send(die=True)
        # Each time it is back after the visibility timeout, long before its lease is over.
        host.expect_records(1, "dead")
        assert [entry["dequeue_count"] for entry in host.records("begin")] == [1, 2, 3]
        host.expect(lambda: "Exceeded language worker restart retry count: Host is shutting down" in host.log())
        host.expect_empty(host.queue)
        told = host.control.dispatches()["run_order"]
        assert (told["failed"], told["lost"]) == (3, 0)
        # And another one takes its place.
        host.send()
        host.expect_records(1, "end")


def test_a_message_whose_host_was_killed_past_the_count_is_moved_without_running_once_more(
    foundation: Foundation, tmp_path: Path
) -> None:
    with sample_host(foundation, tmp_path, lease=2, queues_maxDequeueCount="1") as host:
        host.send(sleep=60)
        host.expect_records(1, "begin")
        host.control.signal(0, "kill")
        host.expect_records(1, "dead")
        assert len(host.records("begin")) == 1
        host.expect_empty(host.queue)


def test_a_message_that_is_not_base64_goes_to_the_poison_queue_as_it_is(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path, lease=1) as host:
        host.queue.send_message("{not base64}")
        host.expect(lambda: "moved to orders-poison" in host.log())
        host.expect_empty(host.queue)
        host.service.stop()
        # The function of the poison queue can't have it either.
        assert host.records("begin", "dead") == []
        host.expect(lambda: [message.content for message in host.poison.peek_messages()] == ["{not base64}"])


def test_a_message_that_is_not_utf8_reaches_no_function_that_wants_text(foundation: Foundation, tmp_path: Path) -> None:
    """It fails to bind, as often as a function may, and stays where the poison queue's function fails to bind, too."""
    with sample_host(foundation, tmp_path, queues_visibilityTimeout="00:00:00") as host:
        host.queue.send_message(base64.b64encode(b"\xff\xfe").decode())
        host.expect(lambda: "moved to orders-poison" in host.log())
        host.expect_empty(host.queue)
        host.expect(lambda: host.log().count("is not UTF-8") >= 4)
        assert host.records("begin", "dead") == []
        assert host.poison.get_queue_properties().approximate_message_count == 1


def test_white_space_in_a_message_is_no_harm(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path) as host:
        host.queue.send_message(f"\n{base64.b64encode(b'plain text').decode()}\r\n ")
        (seen,) = host.expect_records(1, "end")
        assert seen["text"] == "plain text"
        host.queue.send_message("  \n")
        assert host.expect_records(2, "end")[1]["text"] == ""


def test_a_failure_over_a_poison_queue_leaves_the_message_until_its_lease_ends(
    foundation: Foundation, tmp_path: Path
) -> None:
    with sample_host(foundation, tmp_path, lease=3, queues_visibilityTimeout="00:00:00") as host:
        host.queues.create_queue("orders-poison")
        host.poison.send_message(base64.b64encode(b"not even dead").decode())
        first, second = host.expect_records(2, "dead")
        assert 2 < seconds_between(first, second) < 20
        # No queue beyond it: past the count it just stays, and never runs again.
        host.expect_records(3, "dead")
        pause(4)
        assert len(host.records("dead")) == 3
        assert host.poison.get_queue_properties().approximate_message_count == 1
        assert len(list(host.queues.list_queues())) == 2


def test_one_instance_runs_batch_size_and_new_batch_threshold_at_once_and_no_more(
    foundation: Foundation, tmp_path: Path
) -> None:
    with sample_host(foundation, tmp_path, queues_batchSize="2", queues_newBatchThreshold="1") as host:
        for number in range(8):
            host.send(sleep=0.4 + number % 3 * 0.4)
        host.expect_records(8, "end")
        running = most = 0
        for entry in sorted(host.records("begin", "end"), key=lambda entry: entry["at"]):
            running += 1 if entry["did"] == "begin" else -1
            most = max(most, running)
        assert most == 3


def test_messages_go_to_whichever_instance_polls(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path, workers=3) as host:
        for _ in range(9):
            host.send(sleep=0.5)
        host.expect_records(9, "end")
        assert len({entry["pid"] for entry in host.records("end")}) == 3
        host.expect_empty(host.queue)


def test_with_scale_groups_each_function_has_instances_of_its_own(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path, "--scale-groups", workers=2) as host:
        for number in range(6):
            host.send(sleep=0.5)
            assert host.notify([{"id": str(number), "eventTime": "2026-04-25T21:39:47Z", "data": {}}]).status == 202
        host.expect_records(6, "end")
        orders = {entry["pid"] for entry in host.records("end")}
        events = {entry["pid"] for entry in host.records("event")}
        assert (len(orders), len(events), len(orders | events)) == (2, 1, 3)
        assert len(host.ready["workers"]) == 6


def test_past_the_function_timeout_the_worker_is_killed_and_the_message_released(
    foundation: Foundation, tmp_path: Path
) -> None:
    timeout: dict[str, Any] = {"AzureFunctionsJobHost__functionTimeout": "00:00:02"}
    with sample_host(foundation, tmp_path, **timeout) as host:
        before = host.worker()["pid"]
        host.send(sleep=60)
        # The host is still there, so the message comes back after its visibility timeout, not after its lease of 600 s.
        first, second = host.expect_records(2, "begin", timeout=30)
        assert 2.5 < seconds_between(first, second) < 30
        assert second["pid"] != before
        assert "ran past functionTimeout" in host.log()


def test_a_queue_that_does_not_exist_yet_is_waited_for_and_never_made(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path, make_queue=False) as host:
        pause(1)
        assert list(host.queues.list_queues()) == []
        host.queues.create_queue("orders")
        host.send()
        host.expect_records(1, "end")
