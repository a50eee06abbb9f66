"""The /v2/ API: manifests, tags, blobs, uploads, referrers (OCI distribution-spec 1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .auth import Auth
from .content import Content, Manifest, now_ns
from .errors import RegistryError
from .events import Events
from .manifests import IMAGES, INDEXES, MANIFEST_LIMIT, OCI_INDEX, parse
from .names import check_digest, digest_of, is_digest, is_tag
from .paging import next_link, page
from .storage import BlobHost
from .tokens import Access
from .uploads import Upload, Uploads
from .wire import FilePart, Request, Response, json_response, parse_range

_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?(\d+)-(\d+)(?:/.*)?")


@dataclass(frozen=True, slots=True)
class Oci:
    """Each method answers one route; `name` is a checked repository."""

    content: Content
    uploads: Uploads
    auth: Auth
    blobs: BlobHost
    events: Events

    def base(self, _request: Request) -> Response:
        return json_response({})

    def catalog(self, request: Request) -> Response:
        names, last = page(request, self.content.repositories(), str)
        return json_response({"repositories": names}, headers=next_link(request, "/v2/_catalog", last))

    def tags(self, request: Request, name: str) -> Response:
        names, last = page(request, sorted(self.content.repository(name).tags), str)
        link = next_link(request, f"/v2/{name}/tags/list", last)
        return json_response({"name": name, "tags": names}, headers=link)

    # Manifests

    def get_manifest(self, request: Request, name: str, reference: str) -> Response:
        manifest = self.content.manifest(name, self._resolve(request, name, reference))
        if now_ns() - manifest.pushed < request.effects.not_found_for_s * 1e9:
            raise RegistryError("MANIFEST_UNKNOWN", f"manifest {reference} is not found")
        self._check_accept(request, manifest)
        digest = manifest.digest
        headers = [("Content-Type", manifest.media_type), ("Docker-Content-Digest", digest), ("ETag", f'"{digest}"')]
        return Response(200, headers, manifest.raw)

    def _resolve(self, request: Request, name: str, reference: str) -> str:
        if ":" in reference:
            return check_digest(reference)
        tag = self.content.tag(name, reference)
        if tag.previous and now_ns() - tag.updated < request.effects.stale_tag_for_s * 1e9:
            return tag.previous
        return tag.digest

    @staticmethod
    def _check_accept(request: Request, manifest: Manifest) -> None:
        # Registries of CNCF Distribution's family hide a manifest from a client that does not take its type.
        accepted = ",".join(request.headers.get_all("Accept") or [])
        types = {one.split(";")[0].strip() for one in accepted.split(",")}
        if accepted and not types & {"*/*", "application/*", manifest.media_type}:
            what = "OCI index" if manifest.media_type == OCI_INDEX else manifest.media_type
            message = f"{what} found, but accept header does not support it"
            raise RegistryError("MANIFEST_UNKNOWN", message)

    def put_manifest(self, request: Request, name: str, reference: str) -> Response:
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

    def delete_manifest(self, request: Request, name: str, reference: str) -> Response:
        if is_digest(reference):
            gone = self.content.delete_manifest(name, reference)
            self.events.deleted(name, gone, request)
        elif is_tag(reference):
            # An untag: the manifest stays, and no event tells of it.
            self.content.delete_tag(name, reference)
        else:
            check_digest(reference)
        return Response(202)

    def referrers(self, request: Request, name: str, digest: str) -> Response:
        check_digest(digest)
        wanted = request.param("artifactType")
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
        body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_descriptor(one) for one in shown]}
        return Response(200, [*headers, *link], json_response(body).body)

    # Blobs

    def head_blob(self, _request: Request, name: str, digest: str) -> Response:
        size = self.content.blob_size(name, check_digest(digest))
        headers = [("Content-Type", "application/octet-stream"), ("Docker-Content-Digest", digest)]
        return Response(200, [*headers, ("ETag", f'"{digest}"'), ("Accept-Ranges", "bytes")], length=size)

    def get_blob(self, request: Request, name: str, digest: str) -> Response:
        size = self.content.blob_size(name, check_digest(digest))
        effects = request.effects
        if effects.serve_itself:
            return self._serve_blob(request, digest, size)
        location = effects.redirect_to
        if location is None:
            seconds = -1.0 if effects.expire else effects.signature_seconds
            location = self.blobs.sign(digest, seconds)
        headers = [("Location", location), ("Docker-Content-Digest", digest)]
        text = f'<a href="{location.replace("&", "&amp;")}">Temporary Redirect</a>.\n\n'
        return Response(307, [*headers, ("Content-Type", "text/html; charset=utf-8")], text.encode())

    def _serve_blob(self, request: Request, digest: str, size: int) -> Response:
        headers = [("Content-Type", "application/octet-stream"), ("Docker-Content-Digest", digest)]
        headers.append(("Accept-Ranges", "bytes"))
        try:
            part = parse_range(request.headers.get("Range"), size)
        except ValueError as whole:
            raise RegistryError("RANGE_INVALID", "no such range", headers=[("Content-Range", str(whole))]) from None
        file = self.content.open_blob(digest)
        if part is None:
            return Response(200, headers, FilePart(file, 0, size))
        start, length = part
        headers.append(("Content-Range", f"bytes {start}-{start + length - 1}/{size}"))
        return Response(206, headers, FilePart(file, start, length))

    def delete_blob(self, _request: Request, name: str, digest: str) -> Response:
        self.content.delete_blob(name, check_digest(digest))
        return Response(202, [("Docker-Content-Digest", digest)])

    # Uploads

    def begin_upload(self, request: Request, name: str) -> Response:
        if mount := request.param("mount"):
            source = request.param("from") or None
            allowed = source is None or self.auth.allows(request, Access("repository", source, ("pull",)))
            if allowed and is_digest(mount) and self.content.has_data(mount, source):
                self.content.add_blob(name, mount, None)
                return self._created(name, mount)
        digest = request.param("digest")
        algorithm = check_digest(digest).partition(":")[0] if digest else request.param("digest-algorithm", "sha256")
        upload = self.uploads.begin(name, algorithm)
        if digest:
            with upload.lock:
                return self._commit(request, upload, digest)
        return self._accepted(upload, 202)

    def continue_upload(self, request: Request, name: str, upload_id: str) -> Response:
        upload = self.uploads.find(request, name, upload_id)
        with upload.lock:
            self._check_content_range(request, upload)
            upload.append(request.body)
            return self._accepted(upload, 202)

    def end_upload(self, request: Request, name: str, upload_id: str) -> Response:
        upload = self.uploads.find(request, name, upload_id)
        with upload.lock:
            self._check_content_range(request, upload)
            return self._commit(request, upload, check_digest(request.param("digest")))

    def upload_status(self, request: Request, name: str, upload_id: str) -> Response:
        return self._accepted(self.uploads.find(request, name, upload_id), 204)

    def cancel_upload(self, request: Request, name: str, upload_id: str) -> Response:
        upload = self.uploads.find(request, name, upload_id)
        with upload.lock:
            self.uploads.end(upload)
        return Response(204)

    def _check_content_range(self, request: Request, upload: Upload) -> None:
        value = request.headers.get("Content-Range")
        if value is None:
            return
        found = _CONTENT_RANGE.fullmatch(value.strip())
        length = request.body.length
        start, end = (int(found[1]), int(found[2])) if found else (-1, -1)
        if start != upload.offset or (length is not None and end - start + 1 != length):
            state = self._accepted(upload, 416)
            raise RegistryError("RANGE_INVALID", "invalid content range", headers=state.headers)

    def _commit(self, request: Request, upload: Upload, digest: str) -> Response:
        upload.append(request.body)
        if upload.digest(digest.partition(":")[0]) != digest:
            self.uploads.end(upload)
            raise RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content")
        self.content.add_blob(upload.repository, digest, upload.path)
        self.uploads.end(upload)
        return self._created(upload.repository, digest)

    def _accepted(self, upload: Upload, status: int) -> Response:
        # "0-0" before the first byte, as seen on the wire: it can't be told from one byte.
        headers = [
            ("Location", self.uploads.location(upload)),
            ("Docker-Upload-Uuid", upload.id),
            ("Range", f"0-{max(0, upload.offset - 1)}"),
        ]
        return Response(status, headers)

    @staticmethod
    def _created(name: str, digest: str) -> Response:
        return Response(201, [("Location", f"/v2/{name}/blobs/{digest}"), ("Docker-Content-Digest", digest)])


def _descriptor(manifest: Manifest) -> dict[str, object]:
    """An entry of the referrers list (distribution-spec 1.1, "Listing Referrers")."""
    parsed = manifest.parsed
    found: dict[str, object] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.raw),
    }
    if parsed.artifact_type and (manifest.media_type not in INDEXES or parsed.artifact_type):
        found["artifactType"] = parsed.artifact_type
    if parsed.annotations:
        found["annotations"] = parsed.annotations
    return found


__all__ = ["IMAGES", "Oci"]
