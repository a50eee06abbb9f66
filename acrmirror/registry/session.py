"""The one way to a registry, and to the storage that it redirects to."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self, cast
from urllib.parse import urljoin, urlsplit

from azure.containerregistry import ContainerRegistryClient
from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline import Pipeline, PipelineResponse
from azure.core.pipeline.policies import (
    ContentDecodePolicy,
    CustomHookPolicy,
    RedirectPolicy,
    RetryPolicy,
    UserAgentPolicy,
)
from azure.core.rest import HttpRequest, HttpResponse

from acrmirror.connections import Connections
from acrmirror.deadlines import READ_TIMEOUT
from acrmirror.oci import MAX_MANIFEST_SIZE
from acrmirror.reference import Digest
from acrmirror.registry.failures import network_failure, unreadable
from acrmirror.registry.limits import Limits
from acrmirror.registry.origins import Origin
from acrmirror.registry.policy import OnRequest, RegistryPolicy, counting
from acrmirror.registry.redirects import Redirects
from acrmirror.registry.tokens import Tokens
from acrmirror.transport import make_transport
from acrmirror.transport import trust as tls_context

_AGENT = "acrmirror"

# The SDK's own retries are for connections that the registry closed meanwhile. Who asks the registry knows how long its
# answer may be waited for, and retries that.
_RETRIES: dict[str, Any] = {"retry_total": 1, "retry_connect": 1, "retry_read": 1, "retry_status": 0}


class Session:
    """All that is sent on behalf of one registry. Thread-safe; close it, or use it as a context.

    The SDK's calls (`sdk`), requests that it has no method for (`send`) and tokens share one transport; the first two
    share one pipeline as well. Ranges of blobs have `connections` of their own, which read into the caller's memory
    (see that module). All of them trust the system's authorities and those of `trust`, use no proxy, and bound what
    they read by `limits` (rule S5).

    `credential` gets the tokens, for `audience`; it is None for a registry that anyone may pull from. No redirect is
    followed but a blob's, to a host that `redirects` allow, and no token goes there (rule S1). With `pushes` the tokens
    are for pushing, too.
    """

    def __init__(
        self,
        host: str,
        credential: TokenCredential | None,
        audience: str,
        redirects: Redirects,
        trust: Path | None = None,
        limits: Limits | None = None,
        *,
        pushes: bool = False,
    ) -> None:
        self.host = host
        self.limits = limits or Limits()
        self._pushes = pushes
        within = min(READ_TIMEOUT, self.limits.patience)
        self.connections = Connections(tls_context(trust, within))
        self._redirects = redirects
        self._transport = make_transport(
            trust, limit=MAX_MANIFEST_SIZE, within=within, longest=self.limits.answer_seconds
        )
        # Tokens are requested without a token. A policy belongs to one pipeline: each has its own.
        tokenless = [UserAgentPolicy(base_user_agent=_AGENT), RetryPolicy(**_RETRIES)]
        self._tokens = Tokens(
            host,
            credential,
            audience,
            PipelineClient(self._base, policies=tokenless, transport=self._transport),
            "MIRROR_RESTORE_TARGETS" if pushes else "MIRROR_REGISTRY",
        )
        self._pipeline: Pipeline[HttpRequest, HttpResponse] = Pipeline(
            self._transport, _policies(host, self._tokens, pushes)
        )
        self.sdk = ContainerRegistryClient(self._base, None, audience=audience, pipeline=self._pipeline)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.connections.close()
        self.sdk.close()
        self._transport.close()

    @property
    def _base(self) -> str:
        return f"https://{self.host}"

    def send(
        self,
        method: str,
        path: str,
        accept: str,
        on_request: OnRequest | None,
        body: bytes | memoryview | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> HttpResponse:
        """A request that the SDK has no method for; its answer is read whole. `path` may have a query. A body goes out
        with its Content-Length, and a memoryview without a copy."""
        # The SDK would send an empty view in chunks. The annotation does not know views, hence the cast.
        content = None if body is None or not len(body) else cast(bytes, body)
        sent = {"Accept": accept, **headers}
        request = HttpRequest(method, urljoin(self._base, path), headers=sent, content=content)
        try:
            # Whether it is streamed is left unsaid, so that the SDK's policy does not parse what the caller will.
            return self._pipeline.run(request, **counting(on_request)).http_response
        except AzureError as error:
            raise network_failure(f"{method} {self.host}{urlsplit(path).path}", error) from error

    def locate_blob(self, repository: str, digest: Digest, on_request: OnRequest | None) -> Origin:
        """Where a blob's bytes are: one request to the registry. Raises Refused for a redirect that is not allowed."""
        asked = f"GET {self.host}/v2/{repository}/blobs/{digest}"
        answers: list[HttpResponse] = []

        def keep(response: PipelineResponse[HttpRequest, HttpResponse]) -> None:
            answers.append(response.http_response)

        try:
            with self.sdk.download_blob(
                repository, str(digest), raw_response_hook=keep, permit_redirects=False, **counting(on_request)
            ):
                pass
        except AzureError as error:
            # The SDK takes a redirect for an error; its message has the signed URL, so it is never chained.
            if not answers:
                raise network_failure(asked, error) from error
        except (ValueError, KeyError):
            if not answers:
                raise unreadable(asked) from None
        answer = answers[-1]
        if answer.status_code in (200, 206):
            answer.close()
            return self._registry_itself(repository, digest)
        return Origin(*self._redirects.check(answer.headers.get("Location") or "", asked))

    def _registry_itself(self, repository: str, digest: Digest) -> Origin:
        """For registries that keep their blobs themselves: the same ranges, with the repository's token."""
        token = self._tokens.remembered(f"{'push' if self._pushes else 'pull'} {repository}")
        host, _, port = self.host.partition(":")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return Origin(host, int(port or 443), f"/v2/{repository}/blobs/{digest}", headers)


def _policies(host: str, tokens: Tokens, pushes: bool) -> list[Any]:
    # All by name, in their order, since releases of the SDK order theirs differently. None of them logs: headers and
    # redirects carry credentials. Ours logs in: the SDK's own would exchange the credential for every request.
    return [
        UserAgentPolicy(base_user_agent=_AGENT),
        ContentDecodePolicy(),
        RedirectPolicy(permit_redirects=False),
        RetryPolicy(**_RETRIES),
        CustomHookPolicy(),
        RegistryPolicy(host, tokens, pushes),
    ]
