"""The status page: a static shell, which the browser fills from the HTTP API once a person has given it a key.

It is one file and its icon, which are put together at the first request for one of them; nothing else is imported or
opened for it. The policy names its script and its style sheet by their hashes, and allows no other.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from acrmirror.http.page import assembling
from acrmirror.http.values import Answer

INDEX, ICON = "index.html", "icon.svg"
FOLDER = Path(__file__).parent / "shell"
STYLES = ("style.css", "parts.css", "status.css")
FIRST = "main"
"""The module that needs all others."""


def _policy(script: str = "", style: str = "") -> str:
    """Of a file with that script and that style in it."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_source(script)}",
            f"style-src {_source(style)}",
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


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'" if text else "'none'"


HEADERS = {
    "Content-Security-Policy": _policy(),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Kept, but requested again each time, which costs a 304: both files are of one deployment.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str
    headers: Mapping[str, str]


def shell(name: str | None = None, if_none_match: str | None = None) -> Answer:
    """One file of the shell, the page itself without `name`: 200, 304 if the caller has it already, or 404."""
    file = _files().get(name or INDEX)
    if file is None:
        return Answer(404, b"The status page has no such file.", "text/plain", HEADERS)
    if if_none_match is not None and _names(if_none_match, file.headers["ETag"]):
        return Answer(304, media_type=file.media_type, headers=file.headers)
    return Answer(200, file.body, file.media_type, file.headers)


@cache
def _files() -> Mapping[str, _File]:
    script = assembling.modules(FIRST, _read)
    text, style, script = assembling.page(_read(INDEX), map(_read, STYLES), script)
    return {
        INDEX: _file(text, "text/html", _policy(script, style)),
        ICON: _file(_read(ICON), "image/svg+xml", _policy()),
    }


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _file(text: str, media_type: str, policy: str) -> _File:
    body = text.encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return _File(body, media_type, {**HEADERS, "Content-Security-Policy": policy, "ETag": etag})


def _names(if_none_match: str, etag: str) -> bool:
    """RFC 9110, 13.1.2: a list of tags, compared weakly, or a star for any."""
    given = [it.strip().removeprefix("W/") for it in if_none_match.split(",")]
    return etag in given or given == ["*"]
