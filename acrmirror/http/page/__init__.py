"""The status page: a static shell, which the browser fills from the HTTP API once a person has given it a key.

Its files are read at the first request for one of them, and nothing else is imported or opened for it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from acrmirror.http.values import Answer

INDEX = "index.html"
FOLDER = Path(__file__).parent / "shell"
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No text ever becomes markup or script: the browser refuses it, whatever a script of the page tries.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Kept, but requested again each time, which costs a 304: all files are of one deployment.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str
    etag: str


def shell(name: str | None = None, if_none_match: str | None = None) -> Answer:
    """One file of the shell, the page itself without `name`: 200, 304 if the caller has it already, or 404."""
    file = _files().get(name or INDEX)
    if file is None:
        return Answer(404, b"The status page has no such file.", "text/plain", HEADERS)
    headers = {**HEADERS, "ETag": file.etag}
    if if_none_match is not None and _names(if_none_match, file.etag):
        return Answer(304, media_type=file.media_type, headers=headers)
    return Answer(200, file.body, file.media_type, headers)


@cache
def _files() -> Mapping[str, _File]:
    found = {}
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in MEDIA_TYPES:
            body = path.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            found[path.name] = _File(body, MEDIA_TYPES[path.suffix], etag)
    return found


def _names(if_none_match: str, etag: str) -> bool:
    """RFC 9110, 13.1.2: a list of tags, compared weakly, or a star for any."""
    given = [it.strip().removeprefix("W/") for it in if_none_match.split(",")]
    return etag in given or given == ["*"]
