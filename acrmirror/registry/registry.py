"""What a registry gives to whoever copies from it or compares with it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineResponse
from azure.core.rest import HttpRequest, HttpResponse

from acrmirror.errors import InvalidReference, Malformed
from acrmirror.oci import MANIFEST_TYPES, Descriptor
from acrmirror.reference import Digest, Reference
from acrmirror.registry import listings, manifests
from acrmirror.registry.blob_reader import BlobReader
from acrmirror.registry.failures import network_failure, unreadable
from acrmirror.registry.pages import raised
from acrmirror.registry.policy import OnRequest, counting
from acrmirror.registry.referrers import list_referrers
from acrmirror.registry.session import Session
from acrmirror.registry.values import ListedManifest, ListedTag, ManifestBytes, Resolved

ACCEPT = ", ".join([*MANIFEST_TYPES, "*/*;q=0.5"])


@dataclass(frozen=True, slots=True)
class Registry:
    """The content of one registry, read over its session, which whoever opened it closes. Thread-safe.

    `on_request` is what differs from run to run: it is told of every answer but 401. Every method raises the errors of
    `acrmirror.errors` and no others.
    """

    session: Session
    on_request: OnRequest | None = None

    @property
    def host(self) -> str:
        return self.session.host

    def counted(self, on_request: OnRequest) -> "Registry":
        """The same registry over the same session, for one run."""
        return replace(self, on_request=on_request)

    # --- manifests

    def resolve(self, reference: Reference) -> Resolved:
        """Where the registry has the reference's tag, or its digest if it has no tag: one HEAD."""
        wanted = reference.tag or str(reference.digest)
        path = f"/v2/{reference.repository}/manifests/{wanted}"
        response = self.session.send("HEAD", path, ACCEPT, self.on_request)
        asked = f"resolve {self.host}/{reference.repository}:{wanted}"
        return manifests.resolved(response.headers, None if reference.tag else reference.digest, asked)

    def manifest(self, repository: str, wanted: Descriptor | Digest) -> ManifestBytes:
        """The very bytes of a manifest, at most 4 MiB, that hash to the digest requested."""
        digest = wanted if isinstance(wanted, Digest) else wanted.digest
        asked = f"GET {self.host}/v2/{repository}/manifests/{digest}"
        answers: list[ManifestBytes] = []

        def keep(response: PipelineResponse[HttpRequest, HttpResponse]) -> None:
            answers.append(manifests.read(response.http_response, asked))

        try:
            self.session.sdk.get_manifest(repository, str(digest), raw_response_hook=keep, **counting(self.on_request))
        except AzureError as error:
            raise network_failure(asked, error) from error
        except (ValueError, KeyError, RecursionError):
            # The SDK parses the bytes, knows sha256 only, and needs headers that are not needed: it is the bytes here
            # that are judged.
            if not answers:
                raise unreadable(asked) from None
        manifests.check_digest(answers[-1], digest, asked)
        return answers[-1]

    def referrers(
        self, repository: str, digest: Digest, odd: Callable[[Malformed], None] = raised
    ) -> Iterator[Descriptor]:
        """What refers to the digest, page by page (distribution-spec "listing referrers"). None if it answers 404;
        TooLarge after `MAX_MANIFESTS` of them. `odd` is told of each entry that can not be read and that is left out;
        it raises Malformed unless it is given."""
        return list_referrers(self.session, self.on_request, repository, digest, odd)

    # --- blobs

    def blob(self, repository: str, descriptor: Descriptor) -> BlobReader:
        """Opens a blob with one request to the registry; its bytes come from where that redirects to.

        An empty blob needs no request.
        """
        return BlobReader(
            f"GET {self.host}/v2/{repository}/blobs/{descriptor.digest}",
            descriptor,
            lambda: self.session.locate_blob(repository, descriptor.digest, self.on_request),
            self.session.connections,
            self.session.limits.patience,
        )

    def check_blob(self, repository: str, descriptor: Descriptor) -> None:
        """Makes sure that this repository has the blob: one HEAD. Raises NotFound."""
        self.session.send("HEAD", f"/v2/{repository}/blobs/{descriptor.digest}", "*/*", self.on_request)

    # --- listings: what is missing from one has not been deleted

    def list_repositories(self, refused: Callable[[InvalidReference], None] = raised) -> Iterator[str]:
        """Every repository that the registry lists. `refused` is told of each name that is none, and that is left out
        (rule W8); it raises InvalidReference unless it is given."""
        return listings.repositories(self.session, self.on_request, refused)

    def count_manifests(self, repository: str) -> int:
        """How many the registry says that a repository has: what a listing that stops short is held against."""
        return listings.manifest_count(self.session, self.on_request, repository)

    def list_manifests(
        self, repository: str, refused: Callable[[InvalidReference], None] = raised
    ) -> Iterator[ListedManifest]:
        """Every manifest that a repository lists, tagged or not. `refused` is told of each digest and tag that is none,
        and that is left out."""
        return listings.manifests(self.session, self.on_request, repository, refused)

    def list_tags(self, repository: str) -> Iterator[ListedTag]:
        """Every tag that a repository lists."""
        return listings.tags(self.session, self.on_request, repository)
