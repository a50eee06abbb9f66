"""Manifests, tags, referrers and the catalogue under /v2/ (OCI distribution-spec 1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from .content import Content, Manifest, now_ns
from .errors import RegistryError
from .events import Events
from .manifests import MANIFEST_LIMIT, OCI_INDEX, OCI_MANIFEST, parse
from .names import check_digest, digest_of, is_digest, is_tag
from .paging import next_link, page
from .wire import RegistryRequest, Response, json_response


@dataclass(frozen=True, slots=True)
class Oci:
    """Each method answers one route; `name` is a checked repository."""

    content: Content
    events: Events

    def base(self, _request: RegistryRequest) -> Response:
        return json_response({})

    def catalog(self, request: RegistryRequest) -> Response:
        names, last = page(request, self.content.repositories(), str)
        return json_response({"repositories": names}, headers=next_link(request, "/v2/_catalog", last))

    def tags(self, request: RegistryRequest, name: str) -> Response:
        names, last = page(request, sorted(self.content.repository(name).tags), str)
        link = next_link(request, f"/v2/{name}/tags/list", last)
        return json_response({"name": name, "tags": names}, headers=link)

    # Manifests

    def get_manifest(self, request: RegistryRequest, name: str, reference: str) -> Response:
        manifest = self.content.manifest(name, self._resolve(request, name, reference))
        hidden = max(request.effects.not_found_for_s, request.effects.behind_s)
        if now_ns() - manifest.pushed < hidden * 1e9:
            raise RegistryError("MANIFEST_UNKNOWN", f"manifest {reference} is not found")
        self._check_accept(request, manifest)
        digest = manifest.digest
        headers = [("Content-Type", manifest.media_type), ("Docker-Content-Digest", digest), ("ETag", f'"{digest}"')]
        return Response(200, headers, manifest.raw)

    def _resolve(self, request: RegistryRequest, name: str, reference: str) -> str:
        if ":" in reference:
            return check_digest(reference)
        if request.effects.behind_s:
            return self.content.tag_at(name, reference, now_ns() - int(request.effects.behind_s * 1e9))
        tag = self.content.tag(name, reference)
        if tag.previous and now_ns() - tag.updated < request.effects.stale_tag_for_s * 1e9:
            return tag.previous
        return tag.digest

    @staticmethod
    def _check_accept(request: RegistryRequest, manifest: Manifest) -> None:
        # Registries of CNCF Distribution's family hide a manifest from a client that does not take its type.
        accepted = ",".join(request.headers.get_all("Accept") or [])
        types = {one.split(";")[0].strip() for one in accepted.split(",")}
        if accepted and not types & {"*/*", "application/*", manifest.media_type}:
            what = "OCI index" if manifest.media_type == OCI_INDEX else manifest.media_type
            message = f"{what} found, but accept header does not support it"
            raise RegistryError("MANIFEST_UNKNOWN", message)

    def put_manifest(self, request: RegistryRequest, name: str, reference: str) -> Response:
        raw = request.body.read(MANIFEST_LIMIT)
        tag = None
        if ":" in reference:
            digest = digest_of(raw, check_digest(reference).partition(":")[0])
            if digest != reference:
                raise RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content")
        elif is_tag(reference):
            digest, tag = digest_of(raw), reference
        else:
            raise RegistryError("TAG_INVALID", "manifest tag did not match URI", {"Tag": reference})
        parsed = parse(raw, request.headers.get("Content-Type", ""))
        manifest = self.content.put_manifest(name, digest, raw, parsed, tag)
        self.events.pushed(name, manifest, tag, request)
        headers = [("Location", f"/v2/{name}/manifests/{digest}"), ("Docker-Content-Digest", digest)]
        if parsed.subject:
            headers.append(("OCI-Subject", parsed.subject))
        return Response(201, headers)

    def delete_manifest(self, request: RegistryRequest, name: str, reference: str) -> Response:
        if is_digest(reference):
            gone = self.content.delete_manifest(name, reference)
            self.events.deleted(name, gone, request)
        elif is_tag(reference):
            # An untag: the manifest stays, and no event tells of it.
            self.content.delete_tag(name, reference)
        else:
            check_digest(reference)
        return Response(202)

    def referrers(self, request: RegistryRequest, name: str, digest: str) -> Response:
        check_digest(digest)
        wanted = request.parameter("artifactType")
        found = list(self.content.referrers(name, digest))
        headers = [("Content-Type", OCI_INDEX)]
        path = f"/v2/{name}/referrers/{digest}"
        if wanted:
            found = [one for one in found if one.parsed.artifact_type == wanted]
            headers.append(("OCI-Filters-Applied", "artifactType"))
        shown, last = page(request, found, lambda one: one.digest)
        link = next_link(request, path, last, order=False)
        if link and wanted:
            link = [("Link", link[0][1].replace(">;", f"&artifactType={wanted}>;"))]
        entries = [_descriptor(one) for one in shown]
        if request.effects.also_list is not None and not request.parameter("last"):
            entries.insert(0, {"mediaType": OCI_MANIFEST, "digest": request.effects.also_list, "size": 2})
        body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        return Response(200, [*headers, *link], json_response(body).body)


def _descriptor(manifest: Manifest) -> dict[str, object]:
    """An entry of the referrers list (distribution-spec 1.1, "Listing Referrers")."""
    parsed = manifest.parsed
    found: dict[str, object] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.raw),
    }
    if parsed.artifact_type:
        found["artifactType"] = parsed.artifact_type
    if parsed.annotations:
        found["annotations"] = parsed.annotations
    return found
