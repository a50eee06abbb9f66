"""What is pushed into a registry beside its blobs: manifests, tags, and lists of referrers where it keeps none."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from azure.core.rest import HttpResponse

from acrmirror.cancel import pause
from acrmirror.errors import Denied, Malformed, MirrorError, NotFound, Permanent, Throttled, Unavailable
from acrmirror.moments import Moment
from acrmirror.oci import (
    INDEX_TYPES,
    OCI_INDEX,
    Descriptor,
    Manifest,
    is_referrers_index,
    merge_referrers,
    parse_manifest,
    plain_type,
    referrers_index,
)
from acrmirror.reference import Digest, Reference
from acrmirror.registry.patience import Patience
from acrmirror.registry.policy import OnRequest
from acrmirror.registry.registry import Registry
from acrmirror.registry.session import Session

_SOFT_DELETED = re.compile(r"soft[ -]?delet", re.IGNORECASE)


class SoftDeleted(Permanent):
    """The registry holds a deleted manifest of that digest back, and takes none in its place (rule T3)."""

    code = "soft-deleted"


@dataclass(frozen=True, slots=True)
class PushedRevision:
    """A manifest that the registry has, with all children of an index. It checked the blobs when it took the manifest,
    and makes the list of what refers to it."""

    descriptor: Descriptor
    whole: bool = True
    refers: bool = False


@dataclass(frozen=True, slots=True)
class Wire:
    """Requests whose refusals for haste are waited out for a while. Repositories are behind `prefix` there."""

    session: Session
    on_request: OnRequest | None
    prefix: str = ""

    @property
    def host(self) -> str:
        return self.session.host

    def named(self, repository: str) -> str:
        """What the repository is called at the registry."""
        return f"{self.prefix}/{repository}" if self.prefix else repository

    def send(
        self, method: str, path: str, accept: str = "*/*", body: bytes | None = None, media_type: str = ""
    ) -> HttpResponse:
        patience = Patience(self.session.limits.patience)
        headers = {"Content-Type": media_type} if media_type else {}
        while True:
            try:
                return self.session.send(method, path, accept, self.on_request, body, headers)
            except (Throttled, Unavailable) as error:
                pause(patience.after(error, 0))


class PushedManifests:
    """Manifests by repository and digest."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._registry = Registry(wire.session, wire.on_request)
        self.unlisted: set[Digest] = set()
        """What refers to something, and was pushed to a registry that lists no referrers by itself."""

    def revision(self, repository: str, digest: Digest) -> PushedRevision | None:
        """One HEAD; of an index, its bytes and a HEAD for each child: a registry lets children be removed."""
        descriptor = self.find(repository, digest)
        if descriptor is None:
            return None
        return PushedRevision(descriptor) if self._has_children(repository, descriptor, {digest}) else None

    def find(self, repository: str, wanted: str | Digest) -> Descriptor | None:
        """What a tag or a digest names, or None: one HEAD."""
        name = self._wire.named(repository)
        asked = Reference(name, None, wanted) if isinstance(wanted, Digest) else Reference(name, wanted)
        patience = Patience(self._wire.session.limits.patience)
        while True:
            try:
                return self._registry.resolve(asked).descriptor
            except NotFound:
                return None
            except (Throttled, Unavailable) as error:
                pause(patience.after(error, 0))

    def _has_children(self, repository: str, descriptor: Descriptor, seen: set[Digest]) -> bool:
        if plain_type(descriptor.media_type) not in INDEX_TYPES:
            return True
        for child in self.read(repository, descriptor).manifests:
            if child.digest in seen:
                continue
            seen.add(child.digest)
            found = self.find(repository, child.digest)
            if found is None or not self._has_children(repository, found, seen):
                return False
        return True

    def write(self, repository: str, manifest: Manifest, *, anew: bool = False, whole: bool = True) -> None:  # noqa: ARG002
        """Pushes a manifest by its digest. All that it points at is there before, foreign layers aside."""
        self.push(repository, str(manifest.digest), manifest)

    def put(self, manifest: Manifest, *, anew: bool = False) -> None:
        """Nothing: a registry takes a manifest once all that it points at is there."""

    def link(self, repository: str, manifest: Manifest, *, whole: bool = True) -> None:  # noqa: ARG002
        """As `write`."""
        self.write(repository, manifest)

    def push(self, repository: str, name: str, manifest: Manifest) -> None:
        """Pushes a manifest under a tag or its digest. Raises SoftDeleted."""
        repository = self._wire.named(repository)
        asked = f"push {self._wire.host}/{repository}{'@' if ':' in name else ':'}{name}"
        try:
            answer = self._wire.send(
                "PUT", f"/v2/{repository}/manifests/{name}", body=manifest.raw, media_type=manifest.media_type
            )
        except NotFound as error:
            # What it points at was there just now: a registry's replicas lag.
            raise Unavailable(asked, error.answered, "It is tried again later.") from error
        except (Denied, Permanent) as error:
            raise self._refused(repository, manifest, asked, error) from error
        found = answer.headers.get("Docker-Content-Digest")
        if found is not None and found != str(manifest.digest):
            raise Malformed(
                asked,
                f"the registry calls it {found[:140]!r}",
                "Registries name what is pushed under a tag by its sha256: restore this one by its digest.",
            )
        if manifest.subject is not None and not answer.headers.get("OCI-Subject"):
            self.unlisted.add(manifest.digest)

    def read(self, repository: str, descriptor: Descriptor) -> Manifest:
        served = self._registry.manifest(self._wire.named(repository), descriptor.digest)
        return parse_manifest(served.raw, served.media_type, descriptor.digest)

    def _refused(self, repository: str, manifest: Manifest, asked: str, error: MirrorError) -> MirrorError:
        if not _SOFT_DELETED.search(error.answered):
            return error
        name = self._wire.host.partition(".")[0]
        return SoftDeleted(
            asked,
            error.answered,
            "It was deleted there, and is kept for a while. Recover it with `az acr manifest restore --registry "
            f"{name} --name {repository}@{manifest.digest}`, then restore again.",
        )


class PushedTags:
    """Tags by repository and name. A registry has no compare-and-swap: who pushes last wins."""

    def __init__(self, manifests: PushedManifests) -> None:
        self._manifests = manifests

    def where(self, repository: str, tag: str) -> Digest | None:
        """Where the tag is, or None: one HEAD."""
        found = self._manifests.find(repository, tag)
        return found.digest if found is not None else None

    def set(self, repository: str, tag: str, manifest: Manifest) -> None:
        """Sets the tag to a manifest, of which all is there."""
        self._manifests.push(repository, tag, manifest)


class PushedReferrers:
    """Lists of referrers. A registry that keeps them itself says so whenever a referrer is pushed (`OCI-Subject`); for
    any other the list under the referrers tag is written, as clients do."""

    def __init__(self, manifests: PushedManifests) -> None:
        self._manifests = manifests

    def add(self, repository: str, subject: Digest, referrers: Iterable[Descriptor], at: Moment) -> bool:  # noqa: ARG002
        """Adds what was pushed just now, and what the registry did not list. False where the referrers tag is something
        else. Two workers that add at the same time may lose an entry: registries have no compare-and-swap."""
        unlisted = [it for it in referrers if it.digest in self._manifests.unlisted]
        if not unlisted:
            return True
        current = self._manifests.find(repository, subject.referrers_tag)
        index = self._manifests.read(repository, current) if current is not None else None
        if index is not None and not is_referrers_index(index):
            return False
        raw = referrers_index(merge_referrers(index.manifests if index is not None else (), unlisted))
        if index is None or raw != index.raw:
            self._manifests.push(repository, subject.referrers_tag, parse_manifest(raw, OCI_INDEX, Digest.of(raw)))
        return True
