"""What whoever has not signed in is told where the mirror can not answer."""

import json
from contextlib import closing

import pytest

from acrmirror.app import App
from acrmirror.jobs import JobRecords
from acrmirror.mirror import MirrorStore
from acrmirror.serve.front import Front
from acrmirror.serve.pull_credentials import PullCredentials
from acrmirror.serve.sign_in import SignIn
from acrmirror.serve.wire import Asked, Reply
from acrmirror.settings import Settings
from standins.foundation import Account
from tests.integration.pull_client import REGISTRY, Client

SENDER = "Basic c29tZWJvZHk6cGFzc3dvcmQ="


def plain(reply: Reply, *hidden: str) -> None:
    """That it says when to ask again, and nothing else."""
    assert reply.status == 503
    assert int(reply.headers["Retry-After"]) > 0
    (error,) = json.loads(reply.body)["errors"]
    assert error == {"code": "UNAVAILABLE", "message": "the mirror can not answer now, and its log says why"}
    assert not any(it in reply.body.decode() for it in hidden)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_what_is_wrong_with_settings_is_for_the_log(method: str, caplog: pytest.LogCaptureFixture) -> None:
    wrong = {"MIRROR_REGISTRY": "not a host", "MIRROR_BLOB_ENDPOINT": "http://mistyped.example"}
    reply = Front(lambda: App.open(Settings.from_environment(wrong))).answer(Asked(method, "team/app/manifests/v1"))
    assert "mistyped" in caplog.text
    if method == "HEAD":
        assert (reply.status, reply.body) == (503, b"")
    else:
        plain(reply, "mistyped", "MIRROR_", "not a host")


def test_records_that_can_not_be_read_are_for_the_log(
    account: Account, store: MirrorStore, caplog: pytest.LogCaptureFixture
) -> None:
    credential = account.identity.credential()
    with closing(JobRecords.open(account.table_endpoint, "nothing", credential, account.ca)) as elsewhere:
        client = Client(store, guard=SignIn(PullCredentials(elsewhere.table, REGISTRY)))
        for path in ("", "team/app/manifests/v1", "_catalog"):
            plain(client.front.answer(Asked("GET", path, authorization=SENDER)), "nothing", "table")
        assert client("").status == 401, "who sends no credential is asked for one"
    assert "nothing" in caplog.text
