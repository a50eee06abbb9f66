"""Blocks of layers have to fit into what the app may take, and host.json's jobs into its threads and memory."""

import json
from pathlib import Path

import pytest

from acrmirror.copying.budget import UNIT
from acrmirror.errors import Misconfigured
from acrmirror.memory import BESIDES, MIB, check_blocks, give_back_what_is_freed, memory_of_this_machine
from acrmirror.mirror.blocks import BLOCK_SIZE
from bench.courses import BESIDE

ROOT = Path(__file__).parents[2]


def test_a_unit_of_the_budget_is_a_block() -> None:
    assert UNIT == BLOCK_SIZE


def test_what_the_deployment_sets_fits_into_its_smallest_instance() -> None:
    check_blocks(11, UNIT, 512 * 10**6)


def test_more_threads_than_fit_are_refused_with_how_many_would() -> None:
    with pytest.raises(Misconfigured) as raised:
        check_blocks(64, UNIT, 512 * MIB)
    assert "768 MiB, and there are 512 MiB" in raised.value.answered
    assert raised.value.remedy.startswith("Set MIRROR_THREADS to 32 or fewer")
    check_blocks(32, UNIT, 512 * MIB)
    with pytest.raises(Misconfigured, match="Take larger instances"):
        check_blocks(1, UNIT, BESIDES)


def test_the_machines_memory_is_known_and_what_is_freed_can_be_given_back() -> None:
    assert 64 * MIB < memory_of_this_machine() < 1 << 50
    give_back_what_is_freed()


def test_jobs_of_both_queues_leave_threads_for_requests() -> None:
    """Where one process runs all functions, two queues have that many jobs each; the deployment gives functions 32."""
    queues = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["extensions"]["queues"]
    at_once = queues["batchSize"] + queues["newBatchThreshold"]
    assert queues["newBatchThreshold"] > 0, "one large job would keep the next batch of small ones waiting"
    assert at_once == BESIDE
    assert 2 * at_once < 32
