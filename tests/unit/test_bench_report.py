"""Figures of a benchmark: spread over rounds, and ratios taken round by round."""

import subprocess
import sys
from pathlib import Path

from bench.measure import Taken
from bench.report import Comparison, Run, spread, table
from bench.services import cpu_of_tree
from bench.trials import Trial, Trials


def run(contender: str, number: int, seconds: float, cpu: float = 1.0, idle: int | None = None) -> Run:
    taken = Taken(seconds, cpu, 200_000_000, idle)
    return Run(contender, number, 1_000_000_000, taken, 3, {"source": {"GET blobs": 3}}, {"source": 0.5})


def test_rates_are_decimal_megabytes_and_cpu_is_by_decimal_gigabyte() -> None:
    one = run("ours", 0, 2.0, cpu=3.0)
    assert (one.rate, one.cpu_per_gb) == (500.0, 3.0)


def test_ratios_pair_the_runs_of_one_round() -> None:
    # In the second round the whole machine was half as fast: the ratio is the same, and means of rates would not be.
    runs = [run("ours", 0, 1.0), run("peer", 0, 4.0), run("peer", 1, 8.0), run("ours", 1, 2.0)]
    comparison = Comparison("", 1_000_000_000, [], runs)
    assert comparison.ratios("ours", "peer") == [4.0, 4.0]


def test_a_round_that_a_peer_missed_has_no_ratio() -> None:
    comparison = Comparison("", 1_000_000_000, [], [run("ours", 0, 1.0), run("ours", 1, 1.0), run("peer", 1, 3.0)])
    assert comparison.ratios("ours", "peer") == [3.0]


def test_memory_grows_over_what_was_there_before_the_copy() -> None:
    assert run("ours", 0, 1.0, idle=120_000_000).growth == 80_000_000
    assert run("crane", 0, 1.0).growth is None


def test_spread_shows_least_median_and_most_or_one_figure() -> None:
    assert spread([3, 1, 2], 0) == "1 / 2 / 3"
    assert spread([2.04, 2.02], 1) == "2.0"
    assert spread([], 1) == ""


def test_the_table_puts_ours_first_and_names_both_ends() -> None:
    runs = [run("peer", 0, 4.0), run("ours", 0, 1.0, idle=100_000_000)]
    lines = table(Comparison("a course", 1_000_000_000, ["source: pid 1"], runs), "ours").splitlines()
    assert lines[0] == "a course"
    assert "source: pid 1" in lines[1]
    assert "source 0.50" in lines[2]
    assert lines[4].split()[:3] == ["ours", "1000", "1.00"]
    assert lines[5].endswith("4.0 ×")


def trials() -> Trials:
    storage = {"blob": 30, "table": 20, "queue": 10}
    return Trials(
        "a course",
        ["source: pid 1"],
        [
            Trial("ours", 0, 2.0, 1.5, {"Azurite": 4.0}, storage, 7),
            Trial("peer", 0, 4.0, 0.5, {"Azurite": 9.0}, storage | {"blob": 90}, 5),
            Trial("ours", 1, 4.0, 1.5, {"Azurite": 4.0}, storage, 7),
            Trial("peer", 1, 12.0, 0.5, {"Azurite": 9.0}, storage, 5),
        ],
    )


def test_jobs_are_compared_round_by_round_with_all_that_they_asked() -> None:
    assert trials().ratios("ours", "peer") == [2.0, 3.0]
    head, places, columns, ours, peer = trials().told("peer").splitlines()
    assert (head, places.strip()) == ("a course", "source: pid 1")
    assert columns.endswith("faster than peer by")
    assert ours.split("  ")[0] == "ours"
    assert "2.0 / 3.0 / 4.0" in ours
    assert ours.endswith("2.00 / 2.50 / 3.00 ×")
    assert "30 / 60 / 90" in peer
    assert not peer.endswith("×")


def test_a_job_without_a_peer_is_told_alone() -> None:
    assert "faster" not in trials().told()


def test_what_a_process_started_counts_with_it() -> None:
    busy = "import time\nwhile time.process_time() < 0.4: pass\nprint(flush=True)\ninput()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        # It is told by /proc, and nothing where there is none.
        assert cpu_of_tree(process.pid) >= 0.3 or not Path("/proc/self").exists()
        assert process.stdin is not None
        process.stdin.close()
