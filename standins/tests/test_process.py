"""Children of the local stack: ready lines, clear failures, and no orphans whatever happens to the parent."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from standins.process import Service, ServiceFailed, stop_all, wait_for

CHILD = """
import sys
from standins.process import die_with_parent, wait_until_told_to_stop
die_with_parent()
print("starting", flush=True)
wait_until_told_to_stop({"port": 1234})
print("ended well", flush=True)
"""

PARENT = """
import json, sys
from pathlib import Path
from standins.foundation import Foundation
foundation = Foundation(Path(sys.argv[1])).ready()
print(json.dumps([service.pid for service in foundation.services]), flush=True)
sys.stdin.read()
"""


def child(code: str, folder: Path) -> Service:
    return Service("child", [sys.executable, "-c", code], folder / "child.log")


def running(pid: int) -> bool:
    """A process that ended and was not waited for by whoever adopted it does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children_of(pid: int) -> list[int]:
    return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_ready_line_is_told_from_other_output_and_all_of_it_is_logged(tmp_path: Path) -> None:
    service = child(CHILD, tmp_path)
    assert service.ready() == {"port": 1234}
    assert service.stop() == 0
    assert service.log.read_text().splitlines() == ["starting", '{"port": 1234}', "ended well"]


def test_a_child_that_dies_at_its_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    service = child("raise SystemExit('the port is taken')", tmp_path)
    with pytest.raises(ServiceFailed, match=r"(?s)child ended with code 1 before it was ready.*the port is taken"):
        service.ready()
    service.stop()


def test_a_child_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    service = child("import time; print('working', flush=True); time.sleep(60)", tmp_path)
    assert wait_for(lambda: "working" in service.tail(), 30)
    with pytest.raises(ServiceFailed, match=r"(?s)not ready after 0.1 s.*working"):
        service.ready(timeout=0.1)
    assert service.stop() == -signal.SIGTERM


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('{}', flush=True); time.sleep(60)"
    service = child(code, tmp_path)
    service.ready()
    assert service.stop(grace=0.2) == -signal.SIGKILL


def test_a_child_started_by_a_thread_outlives_that_thread_and_not_its_input(tmp_path: Path) -> None:
    started: list[Service] = []
    thread = threading.Thread(target=lambda: started.append(child(CHILD, tmp_path)))
    thread.start()
    thread.join()
    service = started[0]
    service.ready()
    assert service.returncode() is None
    stop_all(started)
    assert service.returncode() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_child_outlives_a_parent_that_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().strip("[]\n").split(",")]
        everyone = [*pids, *(grandchild for pid in pids for grandchild in children_of(pid))]
        assert len(everyone) >= 3
        assert all(running(pid) for pid in everyone)
        os.kill(parent.pid, number)
        parent.wait(10)
        assert wait_for(lambda: not any(running(pid) for pid in everyone), 30)
