"""One page of a listing asks storage for a bounded number of things, whatever there is that its client may not see."""

import json
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import pytest

from acrmirror.history import Observation
from acrmirror.mirror import MirrorStore
from acrmirror.moments import Moment
from acrmirror.patterns import Patterns
from acrmirror.reference import Digest, Reference
from acrmirror.serve import distribution, past_tags
from acrmirror.serve.access import Access
from standins.foundation import Account, Foundation
from testkit.images import oci_image
from testkit.stack import CONTAINER
from tests.integration.filled_mirror import fill
from tests.integration.pull_client import REGISTRY, Client, following
from tests.integration.storage_proxy import StorageProxy

NAMES = ["a", "hidden/one", "hidden/one-public", "hidden/two", *(f"secret-{it}" for it in range(9)), "z-public"]
DIGEST = Digest.of(b"pushed")


@pytest.fixture
def proxied(account: Account, foundation: Foundation, store: MirrorStore) -> Iterator[tuple[MirrorStore, StorageProxy]]:
    """The mirror through a proxy that counts."""
    del store
    with StorageProxy(account.ca, foundation.certificates.server) as proxy:
        proxy.upstream = account.blob_endpoint
        credential = account.identity.credential()
        with MirrorStore.open(proxy.endpoint, CONTAINER, credential, trust_bundle=account.ca) as opened:
            yield opened, proxy


def pages(ask: Client, path: str, key: str, proxy: StorageProxy, most: int, **query: str) -> list[list[str]]:
    """Every page of a listing, each of at most `most` calls to storage."""
    found: list[list[str]] = []
    while True:
        before = len(proxy.asked)
        reply = ask(path, **query)
        assert reply.status == 200
        assert len(proxy.asked) - before <= most
        found.append(json.loads(reply.body)[key])
        query = {name: unquote(value) for name, value in following(reply, f"/v2/{path}").items()}
        if not query:
            return found


def test_a_catalogue_of_what_few_may_see_ends_and_goes_on(
    proxied: tuple[MirrorStore, StorageProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, proxy = proxied
    for name in NAMES:
        fill(store, name, oci_image("same", tag="v1"))
    monkeypatch.setattr(distribution, "LOOKED_AT", 2)
    ask = Client(store, Access(Patterns.parse(["*-public"], REGISTRY)))
    shown = pages(ask, "_catalog", "repositories", proxy, 8)
    assert [name for page in shown for name in page] == ["hidden/one-public", "z-public"]
    assert len(shown) > 3
    everything = pages(Client(store), "_catalog", "repositories", proxy, 8, n="3")
    assert [name for page in everything for name in page] == NAMES


def test_where_a_catalogue_ended_tells_nothing_of_what_is_hidden(
    store: MirrorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("hidden/one", "much/longer/and/hidden/too", "z-public"):
        fill(store, name, oci_image("same", tag="v1"))
    monkeypatch.setattr(distribution, "LOOKED_AT", 1)
    ask = Client(store, Access(Patterns.parse(["*-public"], REGISTRY)))
    lasts: list[str] = []
    query: dict[str, str] = {"n": "7"}
    while query:
        reply = ask("_catalog", **query)
        query = {name: unquote(value) for name, value in following(reply, "/v2/_catalog").items()}
        lasts += [query["last"]] if query else []
    assert len({len(it) for it in lasts}) == 1, "not even how long a name is"
    assert all(it.startswith("~") for it in lasts)
    again = [unquote(following(ask("_catalog"), "/v2/_catalog")["last"]) for _ in range(2)]
    assert again[0] != again[1], "nor whether two are of one name"
    changed = lasts[0][:-2] + ("AA" if lasts[0][-2:] != "AA" else "BB")
    for wrong in (changed, "~", "~é", "~AAAA", lasts[0] + "A"):
        assert ask.code("_catalog", last=wrong) == (400, "PAGINATION_NUMBER_INVALID")


@pytest.fixture
def observed(store: MirrorStore) -> Callable[[str, int, int], None]:
    def observe(tag: str, day: int, number: int = 0) -> None:
        at = Moment(f"2026-04-{day:02}T12:00:{number:02}.000000000Z")
        store.history.observe(Reference("team/app", tag), Observation(at, DIGEST, f"push-{tag}-{number}", "event"))

    return observe


def test_tags_of_a_moment_come_without_all_of_history(
    proxied: tuple[MirrorStore, StorageProxy],
    observed: Callable[[str, int, int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, proxy = proxied
    tags = ["1", "V1", "late-1", "late-2", "late-3", "v1", "v1-x", "v1.0", "v10"]
    for tag in tags:
        for number in range(3):
            observed(tag, 9 if tag.startswith("late") else 2, number)
    path = "at/2026-04-05/team/app/tags/list"
    there = [it for it in tags if not it.startswith("late")]
    whole = pages(Client(store), path, "tags", proxy, 1, n="4")
    assert [tag for page in whole for tag in page] == there
    monkeypatch.setattr(past_tags, "WHOLE", 5)
    monkeypatch.setattr(past_tags, "LOOKED_AT", 2)
    monkeypatch.setattr(past_tags, "TOGETHER", 2)
    # One that finds too much to read, one for the names, and one each tag.
    for count in ("1", "2", "4"):
        shown = pages(Client(store), path, "tags", proxy, 4, n=count)
        assert [tag for page in shown for tag in page] == there
    assert [] in pages(Client(store), path, "tags", proxy, 4), "a page may have none, and lead on"
    ask = Client(store)
    assert ask.code("at/2026-04-01/team/none/tags/list") == (404, "NAME_UNKNOWN")
    assert ask.json(path, n="0")["tags"] == []
    past = past_tags.PastTags(store)
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = past.page("team/app", Moment("2026-04-05T00:00:00.000000000Z"), 3, after)
        found += [tag for tag, _ in page.tags]
        after = page.last
    assert found == there


def test_a_moment_has_no_catalogue_and_says_where_one_is(store: MirrorStore) -> None:
    fill(store, "at/home", oci_image("same", tag="v1"))
    ask = Client(store)
    for path in ("at/2026-04-05/_catalog", f"{REGISTRY}/at/2026-04-05/_catalog", "at/2026-04-05t10.00.00z/_catalog/"):
        reply = ask(path)
        assert ask.code(path) == (404, "UNSUPPORTED")
        assert b"/v2/_catalog" in reply.body
    assert b"/v2/_catalog" not in ask("at/home/_catalog").body
