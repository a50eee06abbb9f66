"""An image on its way out of the mirror: manifests that are checked, and blobs that are read from where links point."""

import base64
import binascii
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from acrmirror.archive import LOADED_CONFIG_LIMIT, Exported, exported
from acrmirror.errors import Denied, Malformed, Unavailable
from acrmirror.oci import Descriptor, Manifest, Platform, parse_manifest
from acrmirror.reference import Digest

ATTEMPTS = 6

ReadRange = Callable[[str, int, int], tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class ImageContent:
    """What the API gives of an image; every manifest's bytes were checked against its digest."""

    registry: str
    repository: str
    tag: str | None
    manifests: tuple[Manifest, ...]
    urls: Mapping[Digest, str] = field(repr=False)
    absent: frozenset[Digest]

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Raises Malformed (TooLarge, InvalidReference among it), DigestMismatch."""
        try:
            manifests = tuple(
                parse_manifest(base64.b64decode(it["raw"], validate=True), it["media_type"], Digest.parse(it["digest"]))
                for it in document["manifests"]
            )
            content = cls(
                document["registry"],
                document["repository"],
                document["tag"],
                manifests,
                {Digest.parse(it["digest"]): it["url"] for it in document["blobs"]},
                frozenset(Digest.parse(it["digest"]) for it in document["absent"]),
            )
        except (KeyError, TypeError, binascii.Error) as error:
            raise _malformed(f"it lacks something ({error})") from error
        if not manifests:
            raise _malformed("it has no manifest")
        for manifest in manifests:
            for blob in manifest.blobs:
                if blob.digest not in content.urls and blob.digest not in content.absent:
                    raise _malformed(f"it has no link to {blob.digest}")
        return content

    def exported(self, read_blob: Callable[[Descriptor], bytes], docker: Platform) -> Exported:
        """What goes into an archive; of several images docker loads the one for the platform `docker`."""
        name = f"{self.registry}/{self.repository}:{self.tag}" if self.tag else f"{self.registry}/{self.repository}"
        return exported(self.manifests, name, self.tag, self.absent, read_blob, docker, LOADED_CONFIG_LIMIT)


class LinkedBlobs:
    """Reads ranges of an image's blobs. Links that ended are requested anew; what fails in between is tried again."""

    def __init__(self, content: ImageContent, again: Callable[[], ImageContent], read_range: ReadRange) -> None:
        self._urls = dict(content.urls)
        self._again = again
        self._read_range = read_range
        self._lock = threading.Lock()

    def fetch(self, blob: Descriptor, offset: int, length: int) -> bytes:
        """Exactly these bytes. Raises Unavailable after about half a minute, Denied for links that never work."""
        asked = f"read blob {blob.digest} from byte {offset}"
        told = "nothing"
        refused = 0
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(min(8.0, 0.5 * 2**attempt) * random.uniform(0.5, 1.0))  # noqa: S311
            url = self._urls[blob.digest]
            try:
                status, data = self._read_range(url, offset, length)
            except Unavailable as error:
                told = error.answered
                continue
            if (status == 206 or (status == 200 and offset == 0)) and len(data) == length:
                return data
            told = f"storage answered {status} with {len(data)} of {length} bytes"
            if status in (401, 403):
                refused += 1
                if refused > 2:
                    raise Denied(asked, told, "Check that this machine may reach the storage account.")
                self._renew(blob.digest, url)
        raise Unavailable(asked, told, "Run it again: it goes on where it stopped.")

    def _renew(self, digest: Digest, ended: str) -> None:
        """One thread asks; the others find the new links."""
        with self._lock:
            if self._urls[digest] == ended:
                self._urls.update(self._again().urls)


def _malformed(answered: str) -> Malformed:
    return Malformed("read an image's content", answered, "Update acrmirror here or in the function app.")
