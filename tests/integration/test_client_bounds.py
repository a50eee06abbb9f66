"""What a server that is no function app may answer the command line: read up to a bound, and told of by name."""

import json

import pytest

from standins.foundation import Foundation
from tests.integration.hostile import MIB, ROOM, Answer, Asked, Weighed, bomb, hostile, weigh

CALLS = ("show", "image", "content", "health", "repositories", "tags", "pulls", "cancel")


def ask(foundation: Foundation, answer: Answer, *do: str) -> tuple[dict[str, Weighed], int]:
    """What each came to, and how many requests that took."""
    with hostile(foundation.certificates.server, answer) as server:
        arguments = {"url": f"https://{server.host}", "ca": str(foundation.certificates.ca), "do": do}
        found = weigh("tests.integration.client_probe", arguments)
        assert server.server.sent < 40 * MIB * len(do)
        return found, len(server.server.asked)


def told(found: dict[str, Weighed], *words: str, code: str = "malformed") -> None:
    for do, one in found.items():
        assert one.code == code, (do, one)
        assert one.grew < ROOM, (do, one)
        for word in words:
            assert word in one.text, (do, one)


@pytest.mark.parametrize("manner", ["pour", "pour_chunks"])
def test_an_answer_of_700_mb_is_not_read(foundation: Foundation, manner: str) -> None:
    found, _ = ask(foundation, lambda asked: getattr(asked, manner)(b'{"x":"', b"x"), *CALLS)
    told(found, "16777216 bytes")


def test_gzip_that_nobody_asked_for_is_not_unpacked(foundation: Foundation) -> None:
    packed = bomb()
    found, _ = ask(foundation, lambda asked: asked.say(packed, Content_Encoding="gzip"), *CALLS)
    told(found, "no JSON object")


def test_of_an_error_the_status_is_enough(foundation: Foundation) -> None:
    found, _ = ask(foundation, lambda asked: asked.pour_chunks(b'{"x":"', b"x", status=500), *CALLS)
    told(found, "500", code="error")


def test_what_would_take_much_more_once_parsed_is_not_parsed(foundation: Foundation) -> None:
    found, _ = ask(foundation, lambda asked: asked.pour(b'{"x":[', b"[],", 15 * MIB), *CALLS)
    told(found, "200000 objects")


def test_a_chunk_that_never_begins(foundation: Foundation) -> None:
    def chunk(asked: Asked) -> None:
        asked.begin(Content_Type="application/json", Transfer_Encoding="chunked")
        asked.write(b"1;")
        for _ in range(700):
            asked.write(b"x" * MIB)

    found, _ = ask(foundation, chunk, "cancel")
    assert found["cancel"].code in ("malformed", "unavailable"), found
    assert found["cancel"].grew < ROOM, found


def test_pages_without_end(foundation: Foundation) -> None:
    def answer(asked: Asked) -> None:
        number = int(asked.path.rpartition("last=")[2]) if "last=" in asked.path else 0
        page = {"repositories": [], "tags": [], "pulls": [], "last": str(number % 3 + 1)}
        asked.say(json.dumps(page).encode())

    found, requests = ask(foundation, answer, "repositories", "tags", "pulls")
    told(found, "pages do not end")
    assert requests < 20
    found, _ = ask(foundation, lambda asked: asked.say(b'{"other":1}'), "repositories", "tags", "pulls")
    told(found, "no page of a listing")


def test_a_range_is_read_no_further_than_it_was_asked_for(foundation: Foundation) -> None:
    found, _ = ask(foundation, lambda asked: asked.pour(b"", b"x"), "range")
    assert found["range"].text == "4097"
    assert found["range"].grew < ROOM
