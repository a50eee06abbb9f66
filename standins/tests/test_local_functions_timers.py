"""The local Functions host's timers, on time and by hand."""

from pathlib import Path

from standins.foundation import Foundation
from standins.tests.sample_host import RUNTIMES, sample_host


def test_a_timer_runs_on_time_on_one_instance_and_others_by_hand(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path, "--runtime", RUNTIMES[-1], workers=2) as host:
        host.expect(lambda: len(host.records("tick")) >= 3)
        ticks = host.records("tick")
        # Every other second, and once each, however many instances there are.
        assert len({entry["at"] // 2 for entry in ticks}) == len(ticks)
        assert not any(entry["past_due"] for entry in ticks)

        assert host.records("yearly") == []
        path = "/admin/functions/yearly"
        key = {"x_functions_key": host.ready["key"], "content_type": "application/json"}
        assert host.ask("POST", path, "{}", x_functions_key=host.ready["function_key"]).status == 403
        assert host.ask("POST", path, "not json", **key).status == 400
        assert host.ask("POST", path, "{}", **key).status == 202
        host.expect_records(1, "yearly")


def test_a_queue_function_and_an_event_function_run_by_hand_as_well(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path) as host:
        key = {"x_functions_key": host.ready["key"], "content_type": "application/json"}
        assert host.ask("POST", "/admin/functions/run_order", '{"input": "by hand"}', **key).status == 202
        host.expect_records(1, "end")
        assert host.ask("POST", "/admin/functions/on_event", '{"input": "{\\"id\\": \\"hand\\"}"}', **key).status == 202
        host.expect_records(1, "event")
        assert host.ask("POST", "/admin/functions/echo", '{"input": ""}', **key).status == 400
        assert host.ask("POST", "/admin/functions/nobody", '{"input": ""}', **key).status == 404
        assert host.records("event")[0]["id"] == "hand"
