"""The source: an Azure Container Registry, over its SDK."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, cast
from urllib.parse import urljoin, urlsplit

from azure.containerregistry import ContainerRegistryClient
from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.core.paging import ItemPaged, PageIterator
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import (
    ContentDecodePolicy,
    CustomHookPolicy,
    RedirectPolicy,
    RetryPolicy,
    UserAgentPolicy,
)
from azure.core.rest import HttpRequest, HttpResponse

from acrmirror.bounds import check_json
from acrmirror.errors import DigestMismatch, InvalidReference, Malformed, NotFound, TooLarge, Unavailable
from acrmirror.moments import from_datetime
from acrmirror.oci import MANIFEST_TYPES, MAX_MANIFEST_SIZE, MAX_MANIFESTS, OCI_INDEX, Descriptor, parse_referrers
from acrmirror.paced import READ_TIMEOUT
from acrmirror.reference import Digest, Reference, check_repository, check_tag, shown
from acrmirror.registry.answers import network_failure
from acrmirror.registry.clock import answered_at
from acrmirror.registry.connections import Connections
from acrmirror.registry.pages import Limits, Pages, next_page
from acrmirror.registry.policy import OnRequest, RegistryPolicy
from acrmirror.registry.reader import BlobReader, Origin
from acrmirror.registry.redirects import check_redirect
from acrmirror.registry.tokens import Tokens
from acrmirror.registry.values import ListedManifest, ListedTag, ManifestBytes, Resolved
from acrmirror.settings import Settings
from acrmirror.transport import make_transport, trust

PATIENCE = 30.0
_T = TypeVar("_T")
Refused = Callable[[InvalidReference], None]
ACCEPT = ", ".join([*MANIFEST_TYPES, "*/*;q=0.5"])

# The SDK's own retries are for connections that had been closed meanwhile. What a registry answers is waited out by
# those who know how long that may take.
_RETRIES: dict[str, Any] = {"retry_total": 1, "retry_connect": 1, "retry_read": 1, "retry_status": 0}


def raised(error: Malformed) -> None:
    """For whoever takes no listing with an entry that can not be read."""
    raise error


class Registry:
    """A registry that content is read from. Thread-safe; close it, or use it as a context.

    `credential` is None for a registry that anyone may pull from. `patience` is for how many seconds a range of a blob
    is retried without progress. Every method raises the errors of `acrmirror.errors` and no others.
    """

    def __init__(
        self,
        settings: Settings,
        credential: TokenCredential | None = None,
        patience: float = PATIENCE,
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        self.host = settings.registry
        self._settings = settings
        self._patience = patience
        self._limits = limits
        self._on_request: OnRequest | None = None
        within = min(READ_TIMEOUT, patience)
        self._connections = Connections(trust(settings.trust_bundle, within))
        self._transport = make_transport(
            settings.trust_bundle, limit=MAX_MANIFEST_SIZE, within=within, longest=limits.answer_seconds
        )
        agent = UserAgentPolicy(base_user_agent="acrmirror")
        tokens = Tokens(
            self.host,
            credential,
            settings.registry_audience,
            PipelineClient(
                f"https://{self.host}", policies=[agent, RetryPolicy(**_RETRIES)], transport=self._transport
            ),
        )
        self._tokens = tokens
        self._pipeline: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
            f"https://{self.host}",
            policies=[agent, RetryPolicy(**_RETRIES), RegistryPolicy(self.host, tokens)],
            transport=self._transport,
        )
        # All policies by name, in their order, since releases of the SDK put others' in different places. None of them
        # logs what passes: headers and redirects carry credentials. Ours logs in: the SDK's own way exchanges the
        # credential for every request, and has no part in this.
        self._client = ContainerRegistryClient(
            f"https://{self.host}",
            None,
            audience=settings.registry_audience,
            transport=self._transport,
            # A policy belongs to one pipeline: each has its own.
            policies=[
                UserAgentPolicy(base_user_agent="acrmirror"),
                ContentDecodePolicy(),
                RedirectPolicy(permit_redirects=False),
                RetryPolicy(**_RETRIES),
                CustomHookPolicy(),
                RegistryPolicy(self.host, tokens),
            ],
        )

    def counted(self, on_request: OnRequest) -> "Registry":
        """The same registry, sharing all it has, that tells `on_request` of every answer but 401."""
        view = object.__new__(Registry)
        view.__dict__.update(self.__dict__)
        view._on_request = on_request
        return view

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connections.close()
        self._client.close()
        self._transport.close()

    # --- manifests

    def resolve(self, reference: Reference) -> Resolved:
        """Where the registry has the reference's tag, or its digest if it has no tag: one HEAD."""
        wanted = reference.tag or str(reference.digest)
        response = self._send("HEAD", f"/v2/{reference.repository}/manifests/{wanted}", ACCEPT)
        asked = f"resolve {self.host}/{reference.repository}:{wanted}"
        headers = response.headers
        digest = _header_digest(headers.get("Docker-Content-Digest"), asked)
        if reference.tag is None and digest != reference.digest:
            raise DigestMismatch(asked, f"it answered with {digest}", "If it lasts, ask the registry's operator.")
        length, media_type = headers.get("Content-Length") or "", headers.get("Content-Type") or ""
        if not re.fullmatch(r"[0-9]{1,18}", length, re.ASCII) or not media_type:
            raise Malformed(asked, "it answered without a length or a type", "Check what answers as this registry.")
        return Resolved(Descriptor(media_type, digest, int(length)), *answered_at(headers.get("Date")))

    def manifest(self, repository: str, wanted: Descriptor | Digest) -> ManifestBytes:
        """The very bytes of a manifest, at most 4 MiB, that hash to the digest asked for."""
        digest = wanted if isinstance(wanted, Digest) else wanted.digest
        asked = f"GET {self.host}/v2/{repository}/manifests/{digest}"
        answers: list[ManifestBytes] = []

        def keep(response: PipelineResponse[HttpRequest, HttpResponse]) -> None:
            answers.append(_manifest_bytes(response.http_response, asked))

        try:
            self._client.get_manifest(
                repository,
                str(digest),
                raw_response_hook=keep,
                **self._counting(),
            )
        except AzureError as error:
            raise network_failure(asked, error) from error
        except (ValueError, KeyError, RecursionError):
            # The SDK parses the bytes, knows sha256 only, and needs headers that are not needed: it is the bytes here
            # that are judged.
            if not answers:
                raise Malformed(asked, "its answer can not be read", "Check what answers as this registry.") from None
        answer = answers[-1]
        if not digest.matches(answer.raw):
            raise DigestMismatch(
                asked,
                f"its bytes have the digest {Digest.of(answer.raw, digest.algorithm)}",
                "If it lasts, the registry's copy is damaged: push the image again.",
            )
        return answer

    def referrers(
        self, repository: str, digest: Digest, odd: Callable[[Malformed], None] = raised
    ) -> Iterator[Descriptor]:
        """What refers to the digest, page by page (distribution-spec "listing referrers"). None if it answers 404;
        TooLarge after `MAX_MANIFESTS` of them. `odd` is told of each entry that can not be read and that is left out;
        it raises Malformed unless it is given."""
        url = f"/v2/{repository}/referrers/{digest}"
        asked = f"GET {self.host}{url}"
        pages = Pages(asked, self._limits, MAX_MANIFESTS)
        while True:
            try:
                with pages.waiting():
                    response = self._send("GET", url, OCI_INDEX)
            except NotFound:
                return
            told: list[Malformed] = []
            listed, entries = parse_referrers(response.read(), told.append)
            pages.count(entries)
            for error in told:
                odd(Malformed(asked, error.answered, "Delete that entry's manifest, or ask the registry's operator."))
            yield from listed
            following = next_page(response.headers.get("Link"), f"https://{self.host}", url, asked)
            if following is None:
                return
            pages.turn(following)
            url = following

    # --- blobs

    def blob(self, repository: str, descriptor: Descriptor) -> BlobReader:
        """Opens a blob with one request to the registry; its bytes come from where that redirects to.

        An empty blob needs no request.
        """
        asked = f"GET {self.host}/v2/{repository}/blobs/{descriptor.digest}"
        return BlobReader(
            asked,
            descriptor,
            lambda: self._open_blob(repository, descriptor, asked),
            self._connections,
            self._patience,
        )

    def check_blob(self, repository: str, descriptor: Descriptor) -> None:
        """Makes sure that this repository has the blob: one HEAD. Raises NotFound."""
        self._send("HEAD", f"/v2/{repository}/blobs/{descriptor.digest}", "*/*")

    def _open_blob(self, repository: str, descriptor: Descriptor, asked: str) -> Origin:
        answers: list[HttpResponse] = []

        def keep(response: PipelineResponse[HttpRequest, HttpResponse]) -> None:
            answers.append(response.http_response)

        try:
            with self._client.download_blob(
                repository, str(descriptor.digest), raw_response_hook=keep, permit_redirects=False, **self._counting()
            ):
                pass
        except AzureError as error:
            # The SDK takes a redirect for an error; its message has the signed URL, so it is never chained.
            if not answers:
                raise network_failure(asked, error) from error
        except (ValueError, KeyError):
            if not answers:
                raise Malformed(asked, "its answer can not be read", "Check what answers as this registry.") from None
        answer = answers[-1]
        if answer.status_code in (200, 206):
            answer.close()
            return self._registry_itself(repository, descriptor)
        location = answer.headers.get("Location") or ""
        host, port, target = check_redirect(
            location, asked, self._settings.redirect_hosts, self._settings.redirect_local
        )
        return Origin(host, port, target)

    def _registry_itself(self, repository: str, descriptor: Descriptor) -> Origin:
        """For registries that keep their blobs themselves: the same ranges, with the repository's token."""
        token = self._tokens.remembered(f"pull {repository}")
        host, _, port = self.host.partition(":")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return Origin(host, int(port or 443), f"/v2/{repository}/blobs/{descriptor.digest}", headers)

    # --- listings: what is missing from one has not been deleted

    def list_repositories(self, refused: Refused = raised) -> Iterator[str]:
        """Every repository that the registry lists. `refused` is told of each name that is none, and that is left out
        (rule W8); it raises InvalidReference unless it is given."""
        for name in self._pages(self._client.list_repository_names(**self._counting()), "_catalog"):
            try:
                repository = check_repository(_as_text(name))
            except InvalidReference as error:
                refused(error)
            else:
                yield repository

    def count_manifests(self, repository: str) -> int:
        """How many the registry says that a repository has: what a listing that stops short is held against."""
        asked = f"GET {self.host}/acr/v1/{repository}"
        try:
            return int(self._client.get_repository_properties(repository, **self._counting()).manifest_count or 0)
        except AzureError as error:
            raise network_failure(asked, error) from error
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Malformed(asked, "its answer can not be read", "Check what answers as this registry.") from None

    def list_manifests(self, repository: str, refused: Refused = raised) -> Iterator[ListedManifest]:
        """Every manifest that a repository lists, tagged or not. `refused` is told of each digest and tag that is none,
        and that is left out."""
        listing = self._client.list_manifest_properties(repository, **self._counting())
        for line in self._pages(listing, f"{repository}/_manifests"):
            try:
                digest = Digest.parse(_as_text(line.digest))
            except InvalidReference as error:
                refused(error)
                continue
            tags = []
            for tag in line.tags or ():
                try:
                    tags.append(check_tag(_as_text(tag)))
                except InvalidReference as error:
                    refused(error)
            yield ListedManifest(digest, tuple(tags), _moment(line.last_updated_on))

    def list_tags(self, repository: str) -> Iterator[ListedTag]:
        """Every tag that a repository lists."""
        listing = self._client.list_tag_properties(repository, **self._counting())
        for line in self._pages(listing, f"{repository}/_tags"):
            yield ListedTag(check_tag(line.name), Digest.parse(line.digest), _moment(line.last_updated_on))

    def _pages(self, listing: ItemPaged[_T], name: str) -> Iterator[_T]:
        asked = f"GET {self.host}/acr/v1/{name}"
        pages = Pages(asked, self._limits)
        following = cast(PageIterator[_T], listing.by_page())
        while True:
            try:
                with pages.waiting():
                    entries = list(next(following))
            except StopIteration:
                return
            except AzureError as error:
                raise network_failure(asked, error) from error
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise Malformed(asked, "its listing can not be read", "Check what answers as this registry.") from None
            pages.count(len(entries))
            yield from entries
            if following.continuation_token is not None:
                pages.turn(str(following.continuation_token))

    # --- requests that the SDK has no method for

    def _send(self, method: str, path: str, accept: str) -> HttpResponse:
        """Through a pipeline with the same tokens, connections and errors as the SDK's."""
        request = HttpRequest(method, urljoin(f"https://{self.host}", path), headers={"Accept": accept})
        try:
            return self._pipeline.send_request(request, **self._counting())
        except AzureError as error:
            raise network_failure(f"{method} {self.host}{urlsplit(path).path}", error) from error

    def _counting(self) -> dict[str, Any]:
        return {} if self._on_request is None else {"on_request": self._on_request}


def _manifest_bytes(response: HttpResponse, asked: str) -> ManifestBytes:
    """Reads a manifest's body, once its length is known to be within limits."""
    length = response.headers.get("Content-Length") or ""
    if not re.fullmatch(r"[0-9]{1,18}", length, re.ASCII):
        response.close()
        raise Malformed(asked, "it did not say how many bytes there are", "Check what answers as this registry.")
    if int(length) > MAX_MANIFEST_SIZE:
        response.close()
        raise TooLarge(
            asked,
            f"it has {length} bytes",
            f"Registries take manifests of at most {MAX_MANIFEST_SIZE} bytes: check what answers as this registry.",
        )
    raw = response.read()
    if len(raw) != int(length):
        raise Unavailable(asked, f"{len(raw)} of {length} bytes arrived", "It is tried again later.")
    check_json(raw, asked)
    return ManifestBytes(raw, response.headers.get("Content-Type") or "")


def _header_digest(text: str | None, asked: str) -> Digest:
    try:
        return Digest.parse(text or "")
    except InvalidReference as error:
        raise Malformed(
            asked, f"it answered with the digest {shown(text)}", "Check what answers as this registry."
        ) from error


def _as_text(value: object) -> str:
    """Names are texts; what is none makes no name."""
    return value if isinstance(value, str) else ""


def _moment(value: datetime | None) -> str | None:
    return from_datetime(value) if value is not None and value.tzinfo is not None else None
