"""The other host: blobs behind signed URLs, as Azure Blob Storage answers them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
import uuid
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import quote
from xml.sax.saxutils import escape

from .content import Content
from .wire import FilePart, RegistryRequest, Response, parse_range

# Seen on the wire: a signature ends 20 minutes after the answer.
SIGNATURE_SECONDS = 1_200
VERSION = "2016-05-31"
_PATH = re.compile(r"/[^/]+//docker/registry/v2/blobs/(sha256|sha512)/([0-9a-f]{2})/([0-9a-f]+)/data")


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@dataclass(slots=True)
class BlobHost:
    """`host` is what signed URLs point to. Signatures cover path and expiry, and name no address range."""

    content: Content
    host: str
    registry_id: str
    signature_seconds: float = SIGNATURE_SECONDS
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _container: str = field(default_factory=lambda: f"{uuid.uuid4().hex}-{secrets.token_hex(5)}")

    def sign(self, digest: str, seconds: float | None) -> str:
        algorithm, _, encoded = digest.partition(":")
        path = f"/{self._container}//docker/registry/v2/blobs/{algorithm}/{encoded[:2]}/{encoded}/data"
        end = time.time() + (self.signature_seconds if seconds is None else seconds)
        # Two redirects never give the same signature; the real one differs by its start time.
        nonce = secrets.token_hex(8)
        signature = quote(f"{self._signature(path, end, nonce)}.{end:.3f}.{nonce}", safe="")
        query = f"se={quote(_stamp(end), safe='')}&sig={signature}&sp=r&spr=https&sr=b&sv={VERSION}"
        return f"https://{self.host}{path}?{query}&regid={self.registry_id}"

    def _signature(self, path: str, end: float, nonce: str) -> str:
        return hmac.new(self._key, f"{path}\n{end:.3f}\n{nonce}".encode(), hashlib.sha256).hexdigest()

    def answer(self, request: RegistryRequest) -> Response:
        """GET and HEAD of a blob, with or without a range."""
        found = _PATH.fullmatch(request.path)
        refused = self._refuse(request)
        if refused is not None:
            return refused
        if found is None:
            return self._error(404, "ResourceNotFound", "The specified resource does not exist.")
        digest = f"{found[1]}:{found[3]}"
        try:
            file = self.content.open_blob(digest)
        except FileNotFoundError:
            return self._error(404, "BlobNotFound", "The specified blob does not exist.")
        return self._serve(request, digest, FilePart(file, 0, file.seek(0, 2)))

    def _serve(self, request: RegistryRequest, digest: str, whole: FilePart) -> Response:
        size = whole.length
        try:
            part = parse_range(request.headers.get("x-ms-range") or request.headers.get("Range"), size)
        except ValueError as content_range:
            whole.file.close()
            headers = [("Content-Range", str(content_range))]
            message = "The range specified is invalid for the current size of the resource."
            return self._error(416, "InvalidRange", message, headers)
        headers = [
            ("Content-Type", "application/octet-stream"),
            ("Accept-Ranges", "bytes"),
            ("ETag", f'"0x{hashlib.sha256(digest.encode()).hexdigest()[:15].upper()}"'),
            ("Last-Modified", formatdate(self.content.blob_path(digest).stat().st_mtime, usegmt=True)),
            ("x-ms-blob-type", "AppendBlob"),
            ("x-ms-lease-status", "unlocked"),
            ("x-ms-lease-state", "available"),
            ("x-ms-server-encrypted", "true"),
        ]
        if part is None:
            return Response(200, [*headers, *self._common()], whole)
        start, length = part
        headers.append(("Content-Range", f"bytes {start}-{start + length - 1}/{size}"))
        return Response(206, [*headers, *self._common()], FilePart(whole.file, start, length))

    def _refuse(self, request: RegistryRequest) -> Response | None:
        signature, _, rest = request.parameter("sig").partition(".")
        end, _, nonce = rest.rpartition(".")
        try:
            expected = self._signature(request.path, float(end), nonce)
        except ValueError:
            expected = ""
        if not signature or not hmac.compare_digest(signature.encode(), expected.encode()):
            return self.denied("Signature did not match.")
        now = time.time()
        if now >= float(end) or request.effects.expire:
            return self.denied(
                "Signature not valid in the specified time frame: "
                f"Expiry [{formatdate(float(end), usegmt=True)}] - Current [{formatdate(now, usegmt=True)}]"
            )
        return None

    def denied(self, detail: str) -> Response:
        message = (
            "Server failed to authenticate the request. Make sure the value of Authorization header is formed "
            "correctly including the signature."
        )
        return self._error(403, "AuthenticationFailed", message, detail=detail)

    def _error(
        self, status: int, code: str, message: str, headers: list[tuple[str, str]] | None = None, detail: str = ""
    ) -> Response:
        # The form of the Storage REST API's errors ("Status and error codes").
        more = f"<AuthenticationErrorDetail>{escape(detail)}</AuthenticationErrorDetail>" if detail else ""
        text = (
            f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{escape(message)}\n'
            f"RequestId:{uuid.uuid4()}\nTime:{_stamp(time.time())}</Message>{more}</Error>"
        )
        found = [("Content-Type", "application/xml"), ("x-ms-error-code", code), *(headers or [])]
        return Response(status, [*found, *self._common()], text.encode())

    def failure(self, status: int) -> Response:
        """What storage says with a status that was requested by a fault."""
        codes = {403: "AuthorizationFailure", 404: "BlobNotFound", 429: "TooManyRequests", 503: "ServerBusy"}
        return self._error(status, codes.get(status, "InternalError"), "The server was asked to fail.")

    @staticmethod
    def _common() -> list[tuple[str, str]]:
        return [
            ("Server", "Windows-Azure-Blob/1.0"),
            ("x-ms-request-id", str(uuid.uuid4())),
            ("x-ms-version", VERSION),
        ]
