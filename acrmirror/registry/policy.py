"""What holds for every attempt to ask a registry: where it goes, its token, who is told of its answer, and refusals."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import HTTPPolicy
from azure.core.pipeline.transport import HttpResponse as LegacyResponse
from azure.core.rest import HttpRequest, HttpResponse

from acrmirror.bounds import check_json
from acrmirror.errors import Refused
from acrmirror.reference import shown
from acrmirror.registry.failures import refusal
from acrmirror.registry.tokens import Tokens

OnRequest = Callable[[str, int], None]
"""Told of every answer but 401, by kind (manifest, blob, upload, referrers, tags, catalog, metadata or other) and
status."""


def counting(on_request: OnRequest | None) -> dict[str, Any]:
    """What a call of the SDK, or of a pipeline, passes on so that `on_request` is told of its answers."""
    return {} if on_request is None else {"on_request": on_request}


_CONTENT = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|referrers|tags)/[^/]+")
_UPLOAD = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/[^/]*")
_PULL_SCOPE = re.compile(r'scope="repository:([^":]+):pull"')
_METADATA = re.compile(r"/acr/v1/(?P<name>.+?)(?:/_(?:manifests|tags)(?:/.*)?)?")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request's path asks for: its kind, and the key under which its token is kept."""

    kind: str
    key: str

    @classmethod
    def of(cls, path: str, query: str = "", *, pushes: bool = False) -> "Asked":
        """With `pushes` content is requested with a token that pushes, too; to mount a blob takes one for both
        repositories."""
        plain = unquote(path)
        token = "push" if pushes else "pull"
        if upload := _UPLOAD.fullmatch(plain):
            mounted = parse_qs(query).get("from")
            return cls("upload", f"push {upload['name']}" + (f" from {mounted[0]}" if mounted else ""))
        if plain in ("/acr/v1/_catalog", "/v2/_catalog"):
            return cls("catalog", "catalog")
        if content := _CONTENT.fullmatch(plain):
            return cls(
                content["kind"].removesuffix("s") if content["kind"] in ("manifests", "blobs") else content["kind"],
                f"{token} {content['name']}",
            )
        if metadata := _METADATA.fullmatch(plain):
            return cls("metadata", f"metadata {metadata['name']}")
        return cls("other", "")


class RegistryPolicy(HTTPPolicy[HttpRequest, HttpResponse]):
    """One attempt. It belongs behind the SDK's retries, so that every attempt has a token that lasts.

    Requests go to the registry over https and nowhere else, whatever a `Link` or a redirect says. A 401 is answered
    with a new token once. Answers of 400 and above are raised as errors of this project. A call may pass
    what `counting` gives.
    """

    def __init__(self, registry: str, tokens: Tokens, pushes: bool = False) -> None:
        super().__init__()
        self._registry = registry
        self._tokens = tokens
        self._pushes = pushes

    def send(self, request: PipelineRequest[HttpRequest]) -> PipelineResponse[HttpRequest, HttpResponse]:
        # Options are for one attempt, the context is kept for the next ones.
        options, context = request.context.options, request.context
        if "on_request" in options:
            context["on_request"] = options.pop("on_request")
        url = urlsplit(request.http_request.url)
        path = url.path.replace("%2F", "/").replace("%3A", ":")
        name = f"{request.http_request.method} {url.netloc}{path}"
        reads = request.http_request.method in ("GET", "HEAD")
        if url.scheme != "https" or url.netloc.lower() != self._registry:
            raise Refused(
                f"follow {self._registry} to {'its next page' if reads else 'where an upload goes on'}",
                f"it points to {shown(f'{url.scheme}://{url.netloc}')}",
                "Nothing was sent there. Check what answers as this registry.",
            )
        asked = Asked.of(url.path, url.query, pushes=self._pushes)
        response = self._authenticated(request, asked)
        answer = response.http_response
        on_request: OnRequest | None = context.get("on_request")
        if answer.status_code != 401 and on_request is not None:
            on_request(asked.kind, answer.status_code)
        if answer.status_code >= 400 or (answer.status_code >= 300 and asked.kind != "blob"):
            role = "Catalog Lister" if asked.kind == "catalog" else "Writer" if self._pushes else "Reader"
            raise refusal(name, answer.status_code, answer.headers, _body(answer), role)
        if not context.options.get("stream"):
            # The SDK's own policies parse it next.
            check_json(_body(answer), name)
        return response

    def _authenticated(
        self, request: PipelineRequest[HttpRequest], asked: Asked
    ) -> PipelineResponse[HttpRequest, HttpResponse]:
        token = self._tokens.remembered(asked.key)
        if token is not None:
            request.http_request.headers["Authorization"] = f"Bearer {token}"
        else:
            request.http_request.headers.pop("Authorization", None)
        response = self.next.send(request)
        if response.http_response.status_code != 401:
            return response
        challenge = response.http_response.headers.get("WWW-Authenticate")
        if self._pushes and challenge is not None:
            # One token for a repository, whatever of it was requested first.
            challenge = _PULL_SCOPE.sub(r'scope="repository:\1:pull,push"', challenge)
        token = self._tokens.renew(asked.key, challenge, token)
        request.http_request.headers["Authorization"] = f"Bearer {token}"
        return self.next.send(request)


def _body(response: HttpResponse | LegacyResponse) -> bytes:
    """What the transport has read already, up to its bounds."""
    # The SDK's listings of 1.2.0 ask in the older form.
    return response.body() if isinstance(response, LegacyResponse) else response.read()
