"""Every call of the HTTP API, as a method: all in one place, so that the module is as long as the API is wide."""

import json
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from urllib3.util import Retry, Timeout

from acrmirror.bounds import check_json
from acrmirror.client.content import ImageContent
from acrmirror.client.failures import problem
from acrmirror.deadlines import ANSWER_SECONDS
from acrmirror.errors import Malformed, Misconfigured, TooLarge, Unavailable
from acrmirror.paced import PacedSocket, too_large

CONNECTIONS = 16
ANSWER_LIMIT = 16 * 1024 * 1024
"""Bytes of an answer: an image's content has 8 MiB of manifests as base64, and 2,000 links."""
ERROR_LIMIT = 64 * 1024
PAGES = 20_000
PIECE = 64 * 1024
_AGAIN = Retry(connect=3, read=2, status=3, other=0, redirect=0, backoff_factor=0.5, status_forcelist=(429, 502, 503))


class Client:
    """A function app of the mirror. Thread-safe; use it as a context.

    `ca` is a PEM file of an authority to trust besides the system's. Every method raises ApiProblem, BadKey,
    Unavailable or Misconfigured (a certificate that is not trusted), and gives the JSON of the answer.
    """

    def __init__(self, url: str, key: str | None, *, ca: Path | None = None) -> None:
        if not _is_url(url):
            raise Misconfigured(
                f"use the URL {url}", "it is no http or https URL", "Give the function app's, such as https://….net."
            )
        self.url = url.rstrip("/").removesuffix("/api/v1").removesuffix("/api")
        self._key = key
        context = ssl.create_default_context()
        bounds = {"most": ANSWER_LIMIT + 1024 * 1024, "within": 120.0}
        context.sslsocket_class = type("PacedSocket", (PacedSocket,), bounds)
        if ca is not None:
            try:
                context.load_verify_locations(ca)
            except (OSError, ssl.SSLError) as error:
                raise Misconfigured(f"read the authority in {ca}", str(error), "Give a PEM file.") from error
        self._pool = urllib3.PoolManager(num_pools=8, maxsize=CONNECTIONS, ssl_context=context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    # pulls

    def pull(self, image: str, *, platforms: Sequence[str] = (), force: bool = False, wait: int = 0) -> dict[str, Any]:
        asked: dict[str, Any] = {"image": image, "force": force, "wait": wait}
        return self._call("POST", "pulls", body=asked | ({"platforms": list(platforms)} if platforms else {}))

    def match(self, patterns: Sequence[str], *, dry_run: bool = False) -> dict[str, Any]:
        """Everything that the patterns match and the mirror lacks."""
        return self._call("POST", "pulls", body={"match": list(patterns), "dry_run": dry_run})

    def pulls(self, *, state: str | None = None, repository: str | None = None) -> Iterator[dict[str, Any]]:
        """Newest first, page by page."""
        return self._pages("pulls", "pulls", {"state": state, "repository": repository})

    def show(self, identity: str) -> dict[str, Any]:
        return self._call("GET", f"pulls/{_quoted(identity)}")

    def cancel(self, identity: str) -> dict[str, Any]:
        return self._call("DELETE", f"pulls/{_quoted(identity)}")

    def retry(self, identity: str) -> dict[str, Any]:
        return self._call("POST", f"pulls/{_quoted(identity)}/retry")

    # jobs of every kind

    def jobs(
        self,
        *,
        kind: str | None = None,
        state: str | None = None,
        repository: str | None = None,
        parent: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Newest first, page by page."""
        return self._pages("jobs", "jobs", {"kind": kind, "state": state, "repository": repository, "parent": parent})

    def job(self, identity: str) -> dict[str, Any]:
        return self._call("GET", f"jobs/{_quoted(identity)}")

    def cancel_job(self, identity: str) -> dict[str, Any]:
        return self._call("DELETE", f"jobs/{_quoted(identity)}")

    def retry_job(self, identity: str) -> dict[str, Any]:
        return self._call("POST", f"jobs/{_quoted(identity)}/retry")

    # images

    def registry(self) -> str:
        """The host of the registry that is mirrored."""
        found = self._call("GET", "images", {"n": "1"}).get("registry")
        if not isinstance(found, str):
            raise _malformed("read the name of the registry", "the answer has none")
        return found

    def repositories(self) -> Iterator[str]:
        return self._pages("images", "repositories", {})

    def tags(self, repository: str, at: str | None = None, *, sizes: bool = False) -> Iterator[dict[str, Any]]:
        """With `at`, a day or a time, as they were then: here as in what follows. With `sizes` of images, too."""
        query = {"at": at, "sizes": "true" if sizes else None}
        return self._pages(f"images/{quote(repository, safe='')}", "tags", query)

    def image(self, reference: str, at: str | None = None) -> dict[str, Any]:
        """`reference` has a tag or a digest, as container tools write it."""
        return self._call("GET", f"images/{quote(_with_tag(reference), safe='/:@')}", {"at": at})

    def content(self, reference: str, platform: str | None = None, at: str | None = None) -> ImageContent:
        path = f"images/{quote(_with_tag(reference), safe='/:@')}/content"
        whole = self._call("GET", path, {"platform": platform, "at": at})
        last, before = whole.get("last"), set[str]()
        while isinstance(last, str) and last not in before:
            before.add(last)
            page = self._call("GET", path, {"platform": platform, "at": at, "last": last})
            if page.get("digest") != whole.get("digest"):
                raise Unavailable(f"read the content of {reference}", "its tag moved meanwhile", "Run it again.")
            for name in ("blobs", "absent"):
                whole[name] = [*whole.get(name, ()), *page.get(name, ())]
            last = page.get("last")
        return ImageContent.read(whole)

    def history(self, name: str, *, deleted: bool = False, at: str | None = None) -> Iterator[dict[str, Any]]:
        """What moved in a repository, or one tag of it (`team/app:1.2`), newest first."""
        query = {"at": at, "deleted": "true" if deleted else None}
        return self._pages(f"history/{quote(name, safe='/:@')}", "moves", query)

    # pull credentials

    def create_credential(
        self, name: str, expires: str | None = None, repositories: Sequence[str] = ("*",)
    ) -> dict[str, Any]:
        """A new one with its password, which is told this once."""
        body = {"name": name, "expires": expires, "repositories": list(repositories)}
        return self._call("POST", "credentials", body=body)

    def credentials(self) -> list[dict[str, Any]]:
        return list(self._call("GET", "credentials")["credentials"])

    def revoke_credential(self, name: str) -> dict[str, Any]:
        return self._call("DELETE", f"credentials/{_quoted(name)}")

    # what tasks do

    def request_archive(
        self, images: Sequence[str], form: str, platform: str | None = None, at: str | None = None
    ) -> dict[str, Any]:
        """Has storage put these images into one archive."""
        body = {"images": list(images), "form": form, "platform": platform, "at": at}
        return self._call("POST", "archives", body=body)

    def archive(self, identity: str, hours: int = 1) -> dict[str, Any]:
        """With a link that is good for so long, once it is done."""
        return self._call("GET", f"archives/{_quoted(identity)}", {"hours": str(hours)})

    def request_rebuild(self, patterns: Sequence[str], *, dry_run: bool, overwrite: bool) -> dict[str, Any]:
        """Has links of tags made anew from history."""
        return self._call(
            "POST", "rebuilds", body={"match": list(patterns), "dry_run": dry_run, "overwrite": overwrite}
        )

    def rebuild(self, identity: str) -> dict[str, Any]:
        return self._call("GET", f"rebuilds/{_quoted(identity)}")

    def request_restore(
        self,
        patterns: Sequence[str],
        *,
        target: str | None = None,
        at: str | None = None,
        prefix: str = "",
        overwrite: bool = False,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Has images of the mirror copied into a registry."""
        asked = {"patterns": list(patterns), "prefix": prefix, "overwrite": overwrite, "dry_run": dry_run}
        named = {name: value for name, value in (("target", target), ("at", at)) if value is not None}
        return self._call("POST", "restores", body=asked | named)

    def restore(self, identity: str) -> dict[str, Any]:
        return self._call("GET", f"restores/{_quoted(identity)}")

    # the app

    # audits

    def audit(self) -> dict[str, Any]:
        """Requests an audit, or gives the one that is under way."""
        return self._call("POST", "audits")

    def audits(self) -> Iterator[dict[str, Any]]:
        """Newest first, without their faults."""
        return self._pages("audits", "audits", {})

    def show_audit(self, identity: str) -> dict[str, Any]:
        return self._call("GET", f"audits/{_quoted(identity)}")

    def cancel_audit(self, identity: str) -> dict[str, Any]:
        return self._call("DELETE", f"audits/{_quoted(identity)}")

    def audit_chain(self) -> list[str]:
        """What is wrong with the chain of reports; empty if nothing is."""
        found = self._call("GET", "audits", {"n": "1"}).get("chain")
        if not isinstance(found, list):
            raise _malformed("list the audits", "its answer has no chain")
        return [str(it) for it in found]

    def stats(self) -> dict[str, Any]:
        """The mirror in figures; what is None is not known yet."""
        return self._call("GET", "stats")

    def health(self) -> dict[str, Any]:
        """Also of an app that is not well: see `ok`."""
        return self._call("GET", "health", hoped=(200, 503))

    # blobs

    def read_range(self, url: str, offset: int, length: int) -> tuple[int, bytes]:
        """One range straight from storage: the status, and the bytes, at most one more than were requested."""
        host = urlsplit(url).hostname
        headers = {"Range": f"bytes={offset}-{offset + length - 1}"}
        timeout = Timeout(connect=10, read=30)
        try:
            answer = self._pool.request(
                "GET", url, headers=headers, redirect=False, retries=False, timeout=timeout, preload_content=False
            )
            # However slow the line is, the pace of its socket is enough.
            data = read_up_to(answer, length + 1 if answer.status in (200, 206) else ERROR_LIMIT, float("inf"))
        except (urllib3.exceptions.HTTPError, TooLarge) as error:
            # Its text has the URL, which lets anyone in who has it.
            raise _unreached(f"read from {host}", error, "Check the network.") from None
        return answer.status, data

    # how

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | None] | None = None,
        body: object = None,
        hoped: tuple[int, ...] = (200, 201, 202),
    ) -> dict[str, Any]:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        url = f"{self.url}/api/v1/{path}{f'?{urlencode(given)}' if given else ''}"
        asked = f"{method} {self.url}/api/v1/{path}"
        headers = {"Accept": "application/json"} | ({"x-functions-key": self._key} if self._key else {})
        sent = json.dumps(body).encode() if body is not None else None
        again = _AGAIN if method == "GET" and 503 not in hoped else Retry(connect=3, read=0, status=0, redirect=0)
        try:
            answer = self._pool.request(
                method,
                url,
                body=sent,
                headers=headers,
                retries=again.new(raise_on_status=False),
                redirect=False,
                timeout=Timeout(connect=10, read=120),
                preload_content=False,
            )
            if answer.status not in hoped:
                raise problem(answer.status, read_up_to(answer, ERROR_LIMIT, ANSWER_SECONDS), asked)
            data = read_up_to(answer, ANSWER_LIMIT + 1, ANSWER_SECONDS)
            if len(data) > ANSWER_LIMIT:
                raise too_large(asked, ANSWER_LIMIT)
            check_json(data, asked)
        except TooLarge as error:
            raise _malformed(asked, error.answered) from None
        except (urllib3.exceptions.HTTPError, TimeoutError) as error:
            raise _unreached(asked, error, "Check the URL and the network.") from error
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise _malformed(asked, "the answer is no JSON object")
        return document

    def _pages(self, path: str, name: str, query: Mapping[str, str | None]) -> Iterator[Any]:
        asked = f"GET {self.url}/api/v1/{path}"
        last: str | None = None
        before: set[str] = set()
        while True:
            page = self._call("GET", path, {**query, "last": last})
            entries, last = page.get(name), page.get("last")
            if not isinstance(entries, list) or not isinstance(last, str | None):
                raise _malformed(asked, "the answer is no page of a listing")
            yield from entries
            if last is None:
                return
            if last in before or len(before) == PAGES:
                raise _malformed(asked, f"its pages do not end: there is one twice, or more than {PAGES}")
            before.add(last)


def read_up_to(answer: urllib3.BaseHTTPResponse, most: int, seconds: float) -> bytes:
    """The body, or its first `most` bytes: then the connection is closed. A compressed one counts as empty, since
    nobody requested it. Raises urllib3's errors; TimeoutError if it is not whole within `seconds`."""
    until = time.monotonic() + seconds
    body = bytearray()
    try:
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            return b""
        while len(body) < most and (piece := answer.read1(min(PIECE, most - len(body)), decode_content=False)):
            body += piece
            if time.monotonic() > until:
                raise TimeoutError
        if len(body) < most:
            answer.release_conn()
        return bytes(body)
    finally:
        if len(body) >= most or not answer.closed:
            answer.close()


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        urllib3.util.parse_url(text)
        return parts.scheme in ("http", "https") and parts.port != 0 and bool(parts.hostname) and not parts.query
    except (ValueError, urllib3.exceptions.LocationParseError):
        return False


def _unreached(asked: str, error: Exception, remedy: str) -> Misconfigured | Unavailable:
    """What no answer means. A certificate that is not trusted is so the next time, too."""
    cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
    if isinstance(cause, urllib3.exceptions.SSLError) and any(
        isinstance(it, ssl.SSLCertVerificationError) for it in cause.args
    ):
        return Misconfigured(
            asked, "its certificate is not trusted", "Give a PEM file of the authority that signed it with --ca."
        )
    return Unavailable(asked, f"it could not be reached: {_why(cause)}", remedy)


def _why(cause: Exception | None) -> str:
    if isinstance(cause, urllib3.exceptions.NameResolutionError):
        return "its name is not known"
    if isinstance(cause, urllib3.exceptions.NewConnectionError):
        refused = cause.__cause__ or cause.__context__
        return (refused.strerror if isinstance(refused, OSError) else None) or "nobody takes the connection"
    if isinstance(cause, urllib3.exceptions.ConnectTimeoutError):
        return "it does not answer"
    if isinstance(cause, urllib3.exceptions.TimeoutError):
        return "it took too long to answer"
    return type(cause).__name__


def _malformed(asked: str, answered: str) -> Malformed:
    return Malformed(asked, answered, "Check that the URL is that of the function app.")


def _quoted(identity: str) -> str:
    return quote(identity, safe="")


def _with_tag(reference: str) -> str:
    """With the tag that docker would think of, so that the path has one reading."""
    return reference if ":" in reference.rpartition("/")[2] or "@" in reference else f"{reference}:latest"
