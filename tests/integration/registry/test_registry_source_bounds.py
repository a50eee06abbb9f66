"""What a registry answers is read up to a bound, in bytes, pages and time: each case in a process that is weighed."""

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from standins.foundation import Foundation
from tests.integration.hostile import MIB, ROOM, WHOLE, Answer, Asked, Hostile, Weighed, bomb, hostile, weigh

DIGEST = "sha256:" + "ab" * 32
LISTINGS = ("repositories", "tags", "manifests", "count", "referrers")
CHALLENGE = 'Bearer realm="https://{host}/oauth2/token",service="{host}",scope="repository:team/app:pull"'

Ask = Callable[..., dict[str, Weighed]]


@pytest.fixture
def serve(foundation: Foundation) -> Iterator[Callable[[Answer], tuple[Hostile, Ask]]]:
    """Starts a registry that answers so; gives it, and what asks it."""
    open_ones = []

    def begin(answer: Answer) -> tuple[Hostile, Ask]:
        running = hostile(foundation.certificates.server, answer)
        open_ones.append(running)
        server = running.__enter__()

        def ask(*do: str, **more: Any) -> dict[str, Weighed]:
            arguments = {"host": server.host, "ca": str(foundation.certificates.ca), "do": do, "digest": DIGEST, **more}
            return weigh("tests.integration.registry.probe", arguments)

        return server, ask

    yield begin
    for running in open_ones:
        running.__exit__(None, None, None)


def refused(weighed: dict[str, Weighed], *words: str, codes: tuple[str, ...] = ("too-large",)) -> None:
    """Each was an error that names the bound, and cost little."""
    for do, found in weighed.items():
        assert found.code in codes, (do, found)
        for word in words:
            assert word in found.text, (do, found)
        assert found.grew < ROOM, (do, found)
        assert found.seconds < 30, (do, found)


@pytest.mark.parametrize("manner", ["pour", "pour_chunks"])
def test_a_body_of_700_mb_is_not_read(serve: Any, manner: str) -> None:
    server, ask = serve(lambda asked: getattr(asked, manner)(b'{"tags":[', b'{"name":"v1"},'))
    found = ask("manifest", *LISTINGS)
    if manner == "pour_chunks":
        # The SDK wants a manifest's length; without one nothing of it is read.
        refused({"manifest": found.pop("manifest")}, "did not say how many bytes", codes=("malformed",))
    refused(found, "4194304 bytes", f"GET {server.host}")
    assert server.server.sent < 32 * MIB * len(LISTINGS)


@pytest.mark.parametrize("manner", ["pour", "pour_chunks"])
def test_a_token_of_700_mb_is_not_read(serve: Any, manner: str) -> None:
    def answer(asked: Asked) -> None:
        if asked.path.startswith("/oauth2/"):
            getattr(asked, manner)(b'{"access_token":"', b"x")
        else:
            asked.say(b"", 401, WWW_Authenticate=CHALLENGE.format(host=asked.headers["Host"]))

    server, ask = serve(answer)
    refused(ask("tags"), "bytes", f"POST {server.host}/oauth2/token")
    assert server.server.sent < 32 * MIB


def test_a_token_is_short(serve: Any) -> None:
    def answer(asked: Asked) -> None:
        if asked.path.startswith("/oauth2/"):
            return asked.pour(b'{"access_token":"', b"x", 100_000)
        return asked.say(b"", 401, WWW_Authenticate=CHALLENGE.format(host=asked.headers["Host"]))

    _, ask = serve(answer)
    refused(ask("tags"), "65536 bytes", "/oauth2/token")


def test_gzip_that_nobody_asked_for_is_not_unpacked(serve: Any) -> None:
    packed, encodings = bomb(), set()

    def answer(asked: Asked) -> None:
        encodings.add(asked.headers["Accept-Encoding"])
        asked.say(packed, Content_Encoding="gzip")

    _, ask = serve(answer)
    refused(ask("manifest", *LISTINGS), "gzip", codes=("malformed",))
    assert encodings == {"identity"}


def test_a_token_in_gzip_is_not_unpacked(serve: Any) -> None:
    packed = bomb()

    def answer(asked: Asked) -> None:
        if asked.path.startswith("/oauth2/"):
            return asked.say(packed, Content_Encoding="gzip")
        return asked.say(b"", 401, WWW_Authenticate=CHALLENGE.format(host=asked.headers["Host"]))

    _, ask = serve(answer)
    refused(ask("tags"), "gzip", "/oauth2/token", codes=("malformed",))


@pytest.mark.parametrize("kind", ["large", "endless", "gzip"])
def test_of_an_error_the_status_is_enough(serve: Any, kind: str) -> None:
    packed = bomb()

    def answer(asked: Asked) -> None:
        if asked.command == "HEAD":
            asked.say(b"", 403)
        elif kind == "large":
            asked.pour(b'{"errors":[', b"{},", status=403)
        elif kind == "endless":
            asked.pour_chunks(b'{"errors":[', b"{},", status=403)
        else:
            asked.say(packed, 403, Content_Encoding="gzip")

    server, ask = serve(answer)
    refused(ask("resolve", "manifest", "tags", "count", "referrers", "blob", size=100), "403", codes=("denied",))
    assert server.server.sent < 6 * 16 * MIB


def test_the_body_of_a_redirect_and_of_a_challenge_are_not_read_for_ever(serve: Any) -> None:
    def answer(asked: Asked) -> None:
        if "Authorization" not in asked.headers and asked.path.startswith("/v2/"):
            host = asked.headers["Host"]
            return asked.pour(b"", b"x", status=401, WWW_Authenticate=CHALLENGE.format(host=host))
        if asked.path.startswith("/oauth2/"):
            return asked.say(b'{"access_token":"token"}')
        return asked.pour(b"", b"x", status=307, Location="http://elsewhere/")

    server, ask = serve(answer)
    refused(ask("blob", size=100), "redirected", codes=("refused",))
    assert server.server.sent < 64 * MIB


def test_a_head_without_end_and_answers_that_only_announce_one(serve: Any) -> None:
    def headers(asked: Asked) -> None:
        asked.wfile.write(b"HTTP/1.1 200 OK\r\nX-Pad: ")
        for _ in range(WHOLE // MIB):
            asked.write(b"x" * MIB)

    def chunk(asked: Asked) -> None:
        asked.begin(Content_Type="application/json", Transfer_Encoding="chunked")
        asked.write(b"1;")
        for _ in range(WHOLE // MIB):
            asked.write(b"x" * MIB)

    def continues(asked: Asked) -> None:
        for _ in range(WHOLE // MIB):
            asked.write(b"HTTP/1.1 100 Continue\r\n\r\n" * (MIB // 25))

    for answer in (headers, chunk, continues):
        server, ask = serve(answer)
        found = ask("tags")
        refused(found, codes=("too-large", "unavailable"))
        assert server.server.sent < 64 * MIB


def test_a_body_within_the_bound_that_would_take_much_more_once_parsed_is_not_parsed(serve: Any) -> None:
    server, ask = serve(lambda asked: asked.pour(b'{"tags":[', b"{},", 4 * MIB, Docker_Content_Digest=DIGEST))
    refused(ask("manifest", *LISTINGS), "200000 objects", f"GET {server.host}")


# --- pages


def page(asked: Asked, entries: str, link: str) -> None:
    asked.say(entries.encode(), Link=f'<{link}>; rel="next"')


def numbered(asked: Asked) -> int:
    return int(asked.path.rpartition("last=")[2] or 0) if "last=" in asked.path else 0


def entry(do: str, number: int) -> str:
    digest = f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}"
    return {
        "repositories": f'{{"repositories":["a/{number}"]}}',
        "tags": f'{{"tags":[{{"name":"v{number}","digest":"{digest}","changeableAttributes":{{}}}}]}}',
        "manifests": f'{{"manifests":[{{"digest":"{digest}","tags":["v{number}"]}}]}}',
        "referrers": '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
    }[do]


PAGED = ("repositories", "tags", "manifests", "referrers")


def kind(asked: Asked) -> str:
    path = asked.path.partition("?")[0]
    return next(it for it in PAGED if path.endswith({"repositories": "_catalog"}.get(it, it)) or f"/{it}/" in path)


def test_pages_that_lead_back_to_an_earlier_one_end(serve: Any) -> None:
    """Not to the same one: to the one before it."""

    def answer(asked: Asked) -> None:
        number = numbered(asked)
        page(asked, entry(kind(asked), number), f"{asked.path.partition('?')[0]}?last={number % 3 + 1}")

    server, ask = serve(answer)
    refused(ask(*PAGED), "page", codes=("malformed",))
    assert len(server.server.asked) < 40


def test_pages_without_anything_on_them_end(serve: Any) -> None:
    def answer(asked: Asked) -> None:
        name = kind(asked)
        empty = entry(name, 0) if name == "referrers" else f'{{"{name}":[]}}'
        page(asked, empty, f"{asked.path.partition('?')[0]}?last={numbered(asked) + 1}")

    server, ask = serve(answer)
    refused(ask(*PAGED), "100 pages", codes=("too-large",))
    assert len(server.server.asked) < 110 * len(PAGED)


def test_an_answer_that_comes_at_a_snails_pace_ends(serve: Any) -> None:
    """Fast enough to be no drip."""

    def answer(asked: Asked) -> None:
        asked.begin(Content_Type="application/json", Content_Length=4 * MIB)
        for _ in range(10_000):
            asked.write(b" " * 8192)
            time.sleep(0.05)

    _, ask = serve(answer)
    refused(ask("tags", longest=2), "within 2 s", codes=("unavailable",))
