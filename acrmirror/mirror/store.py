"""The mirror's parts, composed over one container."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from acrmirror.mirror.blobs import Blobs
from acrmirror.mirror.history import History
from acrmirror.mirror.kept import KeptNames
from acrmirror.mirror.layout import Layout
from acrmirror.mirror.listing import Listing
from acrmirror.mirror.manifests import Manifests
from acrmirror.mirror.referrers import Referrers
from acrmirror.mirror.signed_urls import SignedUrls
from acrmirror.mirror.tags import Tags
from acrmirror.storage import Container, TokenCredential


@dataclass(frozen=True, slots=True)
class MirrorStore:
    """A mirror in one container of Blob Storage. All parts may be used from any thread, and raise Unavailable,
    Throttled or Denied where storage does. Close it when done."""

    container: Container
    blobs: Blobs
    manifests: Manifests
    tags: Tags
    history: History
    referrers: Referrers
    listing: Listing
    signed_urls: SignedUrls

    @classmethod
    def over(cls, container: Container, prefix: str = "") -> Self:
        """`prefix` is put before every repository's name, so that several registries can share one mirror."""
        layout, kept = Layout(prefix), KeptNames(container)
        blobs = Blobs(container, layout)
        manifests = Manifests(container, layout, blobs)
        tags = Tags(container, layout, kept)
        history = History(container, layout, kept)
        return cls(
            container,
            blobs,
            manifests,
            tags,
            history,
            Referrers(container, layout, manifests, tags),
            Listing(container, layout, history),
            SignedUrls(container, layout),
        )

    @classmethod
    def open(
        cls,
        endpoint: str,
        container: str,
        credential: TokenCredential,
        *,
        prefix: str = "",
        trust_bundle: Path | None = None,
        connections: int = 32,
    ) -> Self:
        """`endpoint` is the blob service's URL; `connections` how many are kept open for reuse."""
        opened = Container.open(endpoint, container, credential, trust_bundle=trust_bundle, connections=connections)
        return cls.over(opened, prefix)

    def close(self) -> None:
        self.container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
