"""The distribution pull API at moments of the past."""

import json

import pytest

from acrmirror.history import Observation
from acrmirror.mirror import MirrorStore
from acrmirror.moments import Moment
from acrmirror.patterns import Patterns
from acrmirror.reference import Digest, Reference
from acrmirror.serve.access import Access
from testkit.images import Image, oci_image, signature
from tests.integration.filled_mirror import fill
from tests.integration.pull_client import REGISTRY, Client, following

ABSENT = Digest.of(b"nowhere")


def moment(day: int) -> Moment:
    """Noon of a day in April."""
    return Moment(f"2026-04-{day:02}T12:00:00.000000000Z")


@pytest.fixture
def ask(store: MirrorStore) -> Client:
    return Client(store)


@pytest.fixture
def image(store: MirrorStore) -> Image:
    return fill(store, "team/app", oci_image("served", tag="v1"))


def test_any_past_moment_is_pulled(store: MirrorStore, ask: Client) -> None:
    """A tag that moved five times, one that came late, a signature that came between."""
    images = [fill(store, "team/app", oci_image(f"day {day}", tag="v1"), at=moment(day)) for day in range(1, 6)]
    fill(store, "team/app", oci_image("late", tag="late"), at=moment(4))
    signed = fill(store, "team/app", signature("past", images[0].root), at=moment(3))
    for day, image in enumerate(images, 1):
        for at in (f"2026-04-0{day}", f"2026-04-0{day}t12.00.00z", f"2026-04-0{day}t20.00.00z"):
            got = ask(f"at/{at}/team/app/manifests/v1")
            assert (got.status, got.body) == (200, image.manifest(image.root.digest).raw)
            assert ask(f"at/{at}/team/app/manifests/v1", "HEAD").headers == got.headers
    noon = "at/2026-04-04t11.59.59z/team/app"
    assert ask.json(f"{noon}/tags/list")["tags"] == ["v1"]
    assert ask.code(f"{noon}/manifests/late") == (404, "MANIFEST_UNKNOWN")
    page = ask("at/2026-04-04/team/app/tags/list", n="1")
    assert json.loads(page.body)["tags"] == ["late"]
    assert following(page, "/v2/at/2026-04-04/team/app/tags/list") == {"n": "1", "last": "late"}
    assert ask.json("at/2026-04-04/team/app/tags/list", last="late")["tags"] == ["v1"]
    referrers = f"team/app/referrers/{images[0].root.digest}"
    assert json.loads(ask(f"at/2026-04-02/{referrers}").body)["manifests"] == []
    (listed,) = json.loads(ask(f"at/2026-04-03/{referrers}").body)["manifests"]
    assert listed["digest"] == str(signed.root.digest)


def test_before_its_first_push_there_was_nothing(store: MirrorStore, ask: Client, image: Image) -> None:
    before = "at/2026-03-31/team/app"
    assert ask.code(f"{before}/manifests/v1") == (404, "MANIFEST_UNKNOWN")
    assert ask.code(f"{before}/tags/list") == (404, "NAME_UNKNOWN")
    # Digests are as ever.
    assert ask(f"{before}/manifests/{image.root.digest}").status == 200
    assert ask(f"{before}/blobs/{image.blobs[0].descriptor.digest}").status == 307
    gone = Observation(moment(2), ABSENT, "push-gone", "event")
    store.history.observe(Reference("team/app", "v2"), gone)
    reply = ask("at/2026-04-02/team/app/manifests/v2")
    assert reply.status == 404
    assert str(ABSENT) in reply.body.decode(), "what the tag was at then is not in the mirror: none is served for it"


def test_the_past_is_kept_from_who_may_not_see_it(store: MirrorStore, image: Image) -> None:
    fill(store, "secret/app", image)
    ask = Client(store, Access(Patterns.parse(["team/*"], REGISTRY)))
    assert ask("at/2026-04-25/team/app/manifests/v1").status == 200
    for rest in ("manifests/v1", "tags/list", f"referrers/{image.root.digest}"):
        assert ask(f"at/2026-04-25/secret/app/{rest}").status == 404
    everything = Client(store)
    assert everything("at/2026-04-25/secret/app/manifests/v1").status == 200
