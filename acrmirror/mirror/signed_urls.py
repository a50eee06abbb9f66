"""Signed URLs of blobs in the mirror."""

from datetime import timedelta

from acrmirror.mirror.layout import Layout
from acrmirror.reference import Digest
from acrmirror.storage import Container, SignedUrl

LIFETIME = timedelta(minutes=20)
"""As long as the registry's own URLs live."""


class SignedUrls:
    """Makes short-lived URLs of single blobs. Thread-safe."""

    def __init__(self, container: Container, layout: Layout) -> None:
        self._container = container
        self._layout = layout

    def blob(self, digest: Digest) -> SignedUrl:
        """To read one blob, over HTTPS. Raises Denied without Storage Blob Delegator."""
        return self._container.sign(self._layout.blob_data(digest), LIFETIME)
