"""What refers to a manifest, by the referrers API (distribution-spec "listing referrers")."""

from collections.abc import Callable, Iterator

from acrmirror.errors import Malformed, NotFound
from acrmirror.oci import MAX_MANIFESTS, OCI_INDEX, Descriptor, parse_referrers
from acrmirror.reference import Digest
from acrmirror.registry.pages import Pages, next_page
from acrmirror.registry.policy import OnRequest
from acrmirror.registry.session import Session


def list_referrers(
    session: Session, on_request: OnRequest | None, repository: str, digest: Digest, odd: Callable[[Malformed], None]
) -> Iterator[Descriptor]:
    """Page by page; none if the registry answers 404. `odd` is told of each entry that can not be read and that is left
    out. Raises TooLarge after `MAX_MANIFESTS` entries."""
    url = f"/v2/{repository}/referrers/{digest}"
    asked = f"GET {session.host}{url}"
    pages = Pages(asked, session.limits, MAX_MANIFESTS)
    while True:
        try:
            with pages.waiting():
                response = session.send("GET", url, OCI_INDEX, on_request)
        except NotFound:
            return
        told: list[Malformed] = []
        listed, entries = parse_referrers(response.read(), told.append)
        pages.count(entries)
        for error in told:
            odd(Malformed(asked, error.answered, "Delete that entry's manifest, or ask the registry's operator."))
        yield from listed
        following = next_page(response.headers.get("Link"), f"https://{session.host}", url, asked)
        if following is None:
            return
        pages.turn(following)
        url = following
