"""One container of Blob Storage."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self, cast

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, BlobPrefix, BlobServiceClient, ContentSettings, ExponentialRetry

from acrmirror.cancel import pause
from acrmirror.errors import Conflict
from acrmirror.storage.failures import Place, copy_refused, error_code, explained, is_absent, is_lost
from acrmirror.storage.outcome import Lost, Outcome, Written
from acrmirror.storage.signing import SignedUrl, Signer
from acrmirror.transport import make_transport

MIB = 1024 * 1024
PUT_LIMIT = 8 * MIB
"""Bytes that one `put` or `swap` may have, so that it is one request."""
PIECE = 4 * MIB
"""Bytes of a blob that one request reads at most."""


@dataclass(frozen=True, slots=True)
class Head:
    """What storage knows of a blob besides its bytes; `size` in bytes."""

    size: int
    etag: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Content:
    """A blob as it was read; `body` is None if it has more bytes than were to be read."""

    head: Head
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Stream:
    """A blob's bytes in pieces, all of the version that `head` has."""

    head: Head
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Item:
    """A blob in a listing; `size` in bytes. `metadata` is empty unless it was requested."""

    name: str
    modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    size: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """What one request listed; `marker` asks for what is behind it, None if that is nothing."""

    items: tuple[Item, ...]
    marker: str | None


class Container:
    """Blobs by name. Thread-safe; close it when done.

    In every method `asked` is what an error says was asked. All raise Denied, Throttled and Unavailable; where the
    container itself is missing, StorageMissing. A blob that is missing is a value.
    """

    def __init__(self, service: BlobServiceClient, name: str) -> None:
        self._service = service
        self._client = service.get_container_client(name)
        self._signer = Signer(service, name)
        absent = frozenset({"ContainerNotFound", "ContainerBeingDeleted", "ResourceNotFound"})
        self._place = Place("container", name, "Storage Blob Data Contributor", absent, throttles=True)

    @classmethod
    def open(
        cls,
        endpoint: str,
        name: str,
        credential: TokenCredential,
        *,
        trust_bundle: Path | None = None,
        connections: int = 32,
    ) -> Self:
        """`endpoint` is the blob service's URL; `connections` how many are kept open for reuse."""
        service = BlobServiceClient(
            endpoint,
            credential=credential,
            transport=make_transport(trust_bundle, connections),
            retry_policy=_Retries(initial_backoff=1, increment_base=2, retry_total=4, random_jitter_range=1),
            max_single_put_size=PUT_LIMIT,
            max_single_get_size=PIECE,
            max_chunk_get_size=PIECE,
        )
        return cls(service, name)

    def close(self) -> None:
        self._service.close()

    # reading

    def head(self, name: str, asked: str) -> Head | None:
        """What is known of a blob, or None if it is missing."""
        with self._explained(asked):
            try:
                return _head(self._blob(name).get_blob_properties())
            except ResourceNotFoundError as error:
                if self._is_gone(error):
                    raise
                return None

    def get(self, name: str, limit: int, asked: str) -> Content | None:
        """A blob and its head, or None if it is missing. Of one that has more than `limit` bytes no more than a piece
        is read."""
        with self._explained(asked):
            try:
                stream = self._blob(name).download_blob()
                body = bytes(stream.readall()) if stream.size <= limit else None
            except ResourceNotFoundError as error:
                if self._is_gone(error):
                    raise
                return None
            return Content(_head(stream.properties), body)

    def stream(
        self, name: str, asked: str, *, offset: int = 0, length: int | None = None, etag: str | None = None
    ) -> Stream:
        """A blob, or `length` bytes of it from `offset`, of the version `etag` if that is given. Raises Conflict where
        it is another version, or becomes one while it is read."""
        version: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        with self._explained(asked):
            with self._one_version(asked, gone=etag is not None):
                opened = self._blob(name).download_blob(offset, length, max_concurrency=1, **version)
            return Stream(_head(opened.properties), self._pieces(opened, asked))

    def _pieces(self, opened: Any, asked: str) -> Iterator[bytes]:
        with self._explained(asked), self._one_version(asked, gone=True):
            yield from opened.chunks()

    # writing

    def put(self, name: str, body: bytes, asked: str, metadata: Mapping[str, str] | None = None) -> Written:
        """Writes a blob of at most `PUT_LIMIT` bytes, whatever is there."""
        with self._explained(asked):
            return _written(self._blob(name).upload_blob(body, overwrite=True, metadata=_copied(metadata)))

    def swap(
        self, name: str, body: bytes, expected: str | None, asked: str, metadata: Mapping[str, str] | None = None
    ) -> Outcome:
        """As `put`, but only in place of the version `expected`, an ETag; with None, only if the blob is missing."""
        condition = {"overwrite": expected is not None, **(_if(expected) if expected is not None else {})}
        with self._explained(asked):
            try:
                return _written(self._blob(name).upload_blob(body, metadata=_copied(metadata), **condition))
            except HttpResponseError as error:
                return self._lost(error)

    def stage(self, name: str, block: str, data: memoryview, asked: str) -> None:
        """Stages one block of a blob. It is no part of the blob before a `commit` that lists it."""
        with self._explained(asked):
            # A memoryview goes through the SDK untouched and out in one TLS write, without a copy; anything with a
            # `read` goes out in small pieces at twice the CPU. The annotation does not know it, hence the cast.
            self._blob(name).stage_block(block, cast(bytes, data), length=len(data))

    def stage_from(self, name: str, block: str, source: SignedUrl, offset: int, length: int, asked: str) -> None:
        """As `stage`, of `length` bytes from `offset` of the blob behind a signed URL, which storage copies itself.
        Raises Damaged where that is missing."""
        with self._explained(asked):
            try:
                self._blob(name).stage_block_from_url(block, source.url, offset, length)
            except HttpResponseError as error:
                if error_code(error) != "CannotVerifyCopySource":
                    raise
                raise copy_refused(asked, error) from None

    def staged(self, name: str, asked: str) -> dict[str, int]:
        """The blocks that are staged and not committed: their lengths in bytes by their ids."""
        with self._explained(asked):
            try:
                _, uncommitted = self._blob(name).get_block_list("uncommitted")
            except ResourceNotFoundError as error:
                if self._is_gone(error):
                    raise
                return {}
            return {str(block.id): int(block.size) for block in uncommitted}

    def commit(
        self, name: str, blocks: Sequence[str], expected: str | None, asked: str, media_type: str | None = None
    ) -> Outcome:
        """Makes a blob out of staged blocks, under the same condition as `swap`. It is also lost where another commit
        has dropped a block. `media_type` is what it is served as."""
        served: dict[str, Any] = {"content_settings": ContentSettings(content_type=media_type)} if media_type else {}
        with self._explained(asked):
            try:
                listed = [BlobBlock(block_id=it) for it in blocks]
                return _written(self._blob(name).commit_block_list(listed, **_if(expected), **served))
            except HttpResponseError as error:
                return self._lost(error)

    # listing

    def list(self, prefix: str, asked: str, *, metadata: bool = False) -> Iterator[Item]:
        """Blobs whose names begin so, in the order of their names; one request for 5,000 of them."""
        include = ["metadata"] if metadata else None
        with self._explained(asked):
            for item in self._client.list_blobs(name_starts_with=prefix, include=include):
                yield _item(item)

    def page(self, prefix: str, size: int, marker: str | None, asked: str) -> Page:
        """One request of a listing with metadata: up to `size` blobs from `marker` on."""
        with self._explained(asked):
            listed = self._client.list_blobs(name_starts_with=prefix, include=["metadata"], results_per_page=size)
            pages = listed.by_page(marker)
            items = tuple(_item(it) for it in next(pages, ()))
            return Page(items, str(getattr(pages, "continuation_token", None) or "") or None)

    def folders(self, folder: str, asked: str) -> Iterator[str]:
        """The names of the folders in `folder`, which ends in a slash, in the order of storage."""
        with self._explained(asked):
            for item in self._client.walk_blobs(name_starts_with=folder, delimiter="/"):
                if isinstance(item, BlobPrefix):
                    yield str(item.name).removeprefix(folder).rstrip("/")

    def holds(self, prefix: str, asked: str) -> bool:
        """Whether any blob's name begins so."""
        with self._explained(asked):
            page = next(self._client.list_blobs(name_starts_with=prefix, results_per_page=1).by_page(), iter(()))
            return next(iter(page), None) is not None

    # signing

    def sign(self, name: str, lifetime: timedelta) -> SignedUrl:
        """A URL to read one blob. Raises Denied without Storage Blob Delegator."""
        return self._signer.url(name, lifetime)

    def _blob(self, name: str) -> BlobClient:
        return self._client.get_blob_client(name)

    def _is_gone(self, error: ResourceNotFoundError) -> bool:
        """Whether a read says that the container is missing. `ResourceNotFound`, which storage documents for either, is
        taken for the blob: a write says it of the container in any case."""
        return is_absent(error, self._place) and error_code(error) != "ResourceNotFound"

    def _explained(self, asked: str) -> AbstractContextManager[None]:
        return explained(asked, self._place)

    @contextmanager
    def _one_version(self, asked: str, *, gone: bool) -> Iterator[None]:
        """`gone`: a blob that is missing by now was replaced, too."""
        try:
            yield
        except HttpResponseError as error:
            if is_absent(error, self._place) or error.status_code not in (412, *((404,) if gone else ())):
                raise
            raise Conflict(asked, "it was replaced meanwhile", "It will be tried again.") from error

    def _lost(self, error: HttpResponseError) -> Lost:
        if not is_lost(error, self._place):
            raise error
        return Lost()


class _Retries(ExponentialRetry):
    """Pauses that end with the job: the SDK's clients for single blobs would sleep through it."""

    def sleep(self, settings: Any, transport: Any) -> None:  # noqa: ARG002
        pause(max(0.0, float(self.get_backoff_time(settings))))


def _if(expected: str | None) -> dict[str, Any]:
    if expected is None:
        return {"match_condition": MatchConditions.IfMissing}
    return {"etag": expected, "match_condition": MatchConditions.IfNotModified}


def _head(properties: Any) -> Head:
    return Head(int(properties.size), str(properties.etag), properties.metadata or {})


def _item(item: Any) -> Item:
    return Item(str(item.name), item.last_modified, item.metadata or {}, int(item.size or 0))


def _written(answer: Any) -> Written:
    return Written(str(answer["etag"]))


def _copied(metadata: Mapping[str, str] | None) -> dict[str, str] | None:
    return dict(metadata) if metadata else None
