"""How many calls to storage a push costs, and how many of them come one after another."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from bench.calls import Pushing, counting, told
from bench.levels import QUIET, Call, Levels
from standins.foundation import Foundation
from standins.stack import Stack
from testkit.images import oci_image

MOST, DEEPEST = 16, 10
TRIES = 3


@pytest.fixture(scope="module")
def counted(shared_bare_stack: Stack, foundation: Foundation) -> Iterator[tuple[Pushing, Levels]]:
    with counting(shared_bare_stack, foundation.certificates.server, quiet=0) as opened:
        opened[0].mirror_anew("calls/warm", oci_image("calls warm"))
        yield opened


def level_of(calls: list[Call], *words: str) -> set[int]:
    """The levels of the calls that are told so."""
    found = {it.level for it in calls if told(it) in words}
    assert found, [told(it) for it in calls]
    return found


def test_a_small_push_is_sixteen_calls_ten_deep(counted: tuple[Pushing, Levels]) -> None:
    """A call that comes late, on a busy machine, makes a level of its own: the least depth of a few pushes counts."""
    pushed, levels = counted
    levels.quiet = QUIET
    depths: list[int] = []
    while not depths or (min(depths) > DEEPEST and len(depths) < TRIES):
        name = f"calls/small-{len(depths)}"
        image = oci_image(name, layers=[20_000])
        pushed.push(name, image)
        levels.reset()
        pushed.mirror(name, image)
        calls = list(levels.calls)
        assert len(calls) <= MOST, [told(it) for it in calls]
        depths.append(levels.depth)
        content = level_of(calls, "write content")
        links = level_of(calls, "write link of a config or layer")
        revision = level_of(calls, "write link of the manifest")
        tag = level_of(calls, "write link of the tag")
        history = level_of(calls, "write history")
        message, record = level_of(calls, "write message"), level_of(calls, "write record")
        end = level_of(calls, "change record")
        assert max(content) < max(links) < min(revision) < min(tag) < min(end)
        assert min(content) < min(links)
        assert max(history) < min(tag)
        assert max(message) < min(record)
    assert min(depths) <= DEEPEST


def test_what_this_worker_linked_a_moment_ago_is_not_asked_about_again(counted: tuple[Pushing, Levels]) -> None:
    """Also a layer that is larger than what is put without asking."""
    pushed, levels = counted
    levels.quiet = 0
    name, sizes = "calls/known", [20_000, 300_000]
    pushed.mirror_anew(name, oci_image(name, layers=sizes))
    later = oci_image(name, layers=[*sizes, 4096])
    pushed.push(name, later)
    levels.reset()
    pushed.mirror(name, later)
    assert len(levels.calls) <= MOST, [told(it) for it in levels.calls]
    known = {blob.descriptor.digest.encoded for blob in later.blobs[:-1] if blob.descriptor.size in sizes}
    assert len(known) == len(sizes)
    named = set(re.findall(r"[0-9a-f]{64}", " ".join(unquote(it.target) for it in levels.calls)))
    assert not known & named
