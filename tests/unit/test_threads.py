"""Threads of the app work, and log, for the call that made them."""

import re
from contextvars import ContextVar
from pathlib import Path

from acrmirror.threads import Threads, thread

CALL: ContextVar[str] = ContextVar("call", default="none")
APP = Path(__file__).parents[2] / "acrmirror"


def test_what_is_submitted_runs_in_the_context_of_who_submits_it() -> None:
    with Threads(2) as pool:
        before = pool.submit(CALL.get)
        token = CALL.set("first")
        assert list(pool.map(lambda _: CALL.get(), range(4))) == ["first"] * 4
        CALL.reset(token)
        assert (before.result(), pool.submit(CALL.get).result()) == ("none", "none")


def test_what_a_task_sets_is_its_own() -> None:
    with Threads(1) as pool:
        pool.submit(CALL.set, "its own").result()
        assert pool.submit(CALL.get).result() == "none"


def test_a_thread_works_in_the_context_of_who_made_it() -> None:
    seen: list[str] = []
    token = CALL.set("maker")
    made = thread(lambda: seen.append(CALL.get()), "made")
    CALL.reset(token)
    made.start()
    made.join()
    assert seen == ["maker"]


def test_the_app_makes_no_threads_of_another_kind() -> None:
    """But for a timer that sets an event, and the command line, which runs in no function."""
    plain = re.compile(r"\b(ThreadPoolExecutor|Thread)\(")
    found = {
        str(file.relative_to(APP))
        for file in APP.rglob("*.py")
        if plain.search(file.read_text(encoding="utf-8")) and file.name != "threads.py"
    }
    assert found == {"archive/fetching.py"}
