"""Work that is bound to a time ends in time, whatever it waits for."""

import socket
import threading
import time

import pytest

from acrmirror.cancel import bound_cancel, within
from acrmirror.errors import Cancelled
from acrmirror.health import tried
from acrmirror.sockets import connect


def test_a_name_that_is_not_looked_up_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def look_up(*_: object, **__: object) -> list[object]:
        over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    begun = time.monotonic()
    with pytest.raises(Cancelled, match="no answer within 0 s"), within(0.2, "ask somebody"):
        connect("nowhere.invalid", 443, 30.0)
    assert time.monotonic() - begun < 20
    over.set()


def test_what_is_over_in_time_is_bound_no_more() -> None:
    with within(60, "ask somebody"):
        assert bound_cancel() is not None
    assert bound_cancel() is None


def test_a_check_that_nobody_expected_to_fail_so_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ZeroDivisionError("nobody expected it")

    odd, good = tried({"queue": fail, "records": lambda: None})
    assert odd.error is not None
    assert "ZeroDivisionError" in odd.error.answered
    assert good.error is None
    assert "nobody expected it" in caplog.text


def test_connections_that_a_good_check_has_kept_are_not_cut() -> None:
    cancels = []
    tried({"queue": lambda: cancels.append(bound_cancel()), "records": lambda: None})
    (cancel,) = cancels
    assert cancel is not None
    assert not cancel.is_set()
