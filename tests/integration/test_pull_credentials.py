"""Pull credentials in the table of records, and who signs in with them."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from acrmirror.errors import Malformed, MirrorError, NotHere, WrongState
from acrmirror.jobs import JobRecords
from acrmirror.serve.access import Access
from acrmirror.serve.pull_credentials import PullCredential, PullCredentials, hashed
from acrmirror.serve.sign_in import SignIn
from acrmirror.serve.wire import SpecError

REGISTRY = "demo.azurecr.io"


class Clock:
    """Both of the clocks that are read, moved by hand."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def now(self) -> datetime:
        return datetime(2026, 4, 25, 12, tzinfo=UTC) + timedelta(seconds=self.passed)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def credentials(records: JobRecords, clock: Clock) -> PullCredentials:
    return PullCredentials(records.table, REGISTRY, clock.now)


@pytest.fixture
def guard(credentials: PullCredentials, clock: Clock) -> SignIn:
    return SignIn(credentials, clock.monotonic, clock.now)


def basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def refused(guard: SignIn, authorization: str | None) -> str:
    with pytest.raises(SpecError) as raised:
        guard.admit(authorization)
    reply = raised.value.reply
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Basic realm="mirror"')
    assert b'"UNAUTHORIZED"' in reply.body
    return reply.body.decode()


def test_a_password_is_shown_once_and_only_its_hash_is_kept(credentials: PullCredentials, records: JobRecords) -> None:
    made, password = credentials.create("cluster", repositories=["team/*", "demo.azurecr.io/base/os"])
    assert len(base64.urlsafe_b64decode(f"{password}=")) == 32
    assert made.secret == hashed(password)
    assert password not in repr(made)
    assert credentials.all() == [made]
    stored = [str(it) for it in records.table.query("PartitionKey gt ''", {}, "look at all")]
    assert len(stored) == 1
    assert made.secret in stored[0]
    assert password not in stored[0]
    assert made.repositories.texts == ("team/*", "base/os")


def test_who_signs_in_sees_what_it_is_for(credentials: PullCredentials, guard: SignIn) -> None:
    made, password = credentials.create("cluster", repositories=["team/*", "!team/secret*"])
    access = guard.admit(basic("cluster", password))
    assert access == Access(made.repositories)
    assert [access.sees(it) for it in ("team/app", "team/secret/app", "base/os")] == [True, False, False]
    assert guard.admit(basic("cluster", password).replace("Basic", "bASIC")) == access


@pytest.mark.parametrize(
    "made",
    [
        lambda _: None,
        lambda password: basic("cluster", f"{password}x"),
        lambda password: basic("cluster", ""),
        lambda password: basic("other", password),
        lambda password: basic("Cluster", password),
        lambda password: basic("", password),
        lambda password: basic("cluster' or '1' eq '1", password),
        lambda _: basic("other", ""),
        lambda password: f"Bearer {password}",
        lambda _: "Basic",
        lambda _: "Basic %%%",
        lambda _: "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        lambda _: "Basic " + base64.b64encode(b"cluster").decode(),
    ],
)
def test_nobody_else_is_let_in(credentials: PullCredentials, guard: SignIn, made: Callable[[str], str | None]) -> None:
    _, password = credentials.create("cluster")
    authorization = made(password)
    told = refused(guard, authorization)
    assert password not in told


def test_a_revoked_one_fails_within_a_minute(credentials: PullCredentials, guard: SignIn, clock: Clock) -> None:
    _, password = credentials.create("cluster")
    guard.admit(basic("cluster", password))
    clock.passed = 30
    guard.admit(basic("cluster", password))
    credentials.revoke("cluster")
    clock.passed = 60
    refused(guard, basic("cluster", password))
    _, another = credentials.create("cluster")
    refused(guard, basic("cluster", password))
    guard.admit(basic("cluster", another))


def test_what_was_revoked_is_known_with_when(credentials: PullCredentials, clock: Clock) -> None:
    for name in ("cluster", "runner", "cluster"):
        credentials.create(name)
        clock.passed += 60
        credentials.revoke(name)
    found = [(it.name, it.revoked[11:19]) for it in credentials.revoked(20)]
    assert found == [("cluster", "12:03:00"), ("runner", "12:02:00")]
    assert credentials.revoked(1) == credentials.revoked(20)[:1]


def test_one_that_was_made_anew_is_taken_at_once(credentials: PullCredentials, guard: SignIn) -> None:
    """Also by a worker that remembers the one before."""
    _, password = credentials.create("cluster")
    guard.admit(basic("cluster", password))
    credentials.revoke("cluster")
    _, another = credentials.create("cluster")
    guard.admit(basic("cluster", another))
    refused(guard, basic("cluster", password))


def test_a_wrong_password_costs_the_same_whether_or_not_there_is_such_a_name(
    credentials: PullCredentials, guard: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, password = credentials.create("cluster")
    guard.admit(basic("cluster", password))
    asked: list[str] = []
    find = PullCredentials.find

    def counted(self: PullCredentials, name: str) -> PullCredential | None:
        asked.append(name)
        return find(self, name)

    monkeypatch.setattr(PullCredentials, "find", counted)
    for _ in range(2):
        for name in ("cluster", "nobody"):
            refused(guard, basic(name, "wrong"))
    assert asked == ["cluster", "nobody"] * 2
    guard.admit(basic("cluster", password))
    assert len(asked) == 4


def test_an_expired_one_fails_at_once_and_is_still_listed(
    credentials: PullCredentials, guard: SignIn, clock: Clock
) -> None:
    made, password = credentials.create("cluster", clock.now() + timedelta(seconds=5))
    clock.passed = 4.9
    guard.admit(basic("cluster", password))
    clock.passed = 5
    refused(guard, basic("cluster", password))
    assert credentials.all() == [made]
    assert not made.is_good(clock.now())


def test_it_is_good_for_90_days_unless_said_otherwise(credentials: PullCredentials) -> None:
    assert credentials.create("cluster")[0].expires == "2026-07-24T12:00:00.000000000Z"


def test_names_are_given_once(credentials: PullCredentials) -> None:
    made, _ = credentials.create("cluster")
    with pytest.raises(WrongState, match="one of that name"):
        credentials.create("cluster")
    assert credentials.all() == [made]
    assert credentials.revoke("cluster") == made
    with pytest.raises(NotHere, match="none of that name"):
        credentials.revoke("cluster")
    assert credentials.all() == []


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"name": ""}, Malformed, "no name"),
        ({"name": "a:b"}, Malformed, "no name"),
        ({"name": "Ab"}, Malformed, "no name"),
        ({"name": "-a"}, Malformed, "no name"),
        ({"name": "a/b"}, Malformed, "no name"),
        ({"name": "a" * 64}, Malformed, "no name"),
        ({"expires": datetime(2026, 4, 25, 12, tzinfo=UTC)}, Malformed, "would have expired"),
        ({"repositories": []}, Malformed, "none of them chooses"),
        ({"repositories": ["!team/*"]}, Malformed, "none of them chooses"),
        ({"repositories": ["team/app:v1"]}, Malformed, "names a tag"),
        ({"repositories": ["Team"]}, Malformed, "read the pattern"),
        ({"repositories": ["a"] * 51}, Malformed, "51 patterns"),
    ],
)
def test_what_can_not_be_made_is_said(
    credentials: PullCredentials, arguments: dict[str, Any], error: type[MirrorError], told: str
) -> None:
    with pytest.raises(error, match=told):
        credentials.create(**({"name": "cluster"} | arguments))
    assert credentials.all() == []
