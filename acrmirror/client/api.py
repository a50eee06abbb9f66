"""Every call of the HTTP API, as a method."""

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from urllib3.util import Retry, Timeout

from acrmirror.client.content import ImageContent
from acrmirror.client.failures import problem
from acrmirror.errors import Malformed, Misconfigured, Unavailable

CONNECTIONS = 16
_AGAIN = Retry(connect=3, read=2, status=3, other=0, redirect=0, backoff_factor=0.5, status_forcelist=(429, 502, 503))


class Client:
    """A function app of the mirror. Thread-safe; use it as a context.

    `ca` is a PEM file of an authority to trust besides the system's. Every method raises ApiProblem, BadKey or
    Unavailable, and gives the JSON of the answer.
    """

    def __init__(self, url: str, key: str | None, *, ca: Path | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query:
            raise Misconfigured(
                f"use the URL {url}", "it is no http or https URL", "Give the function app's, such as https://….net."
            )
        self.url = url.rstrip("/").removesuffix("/api")
        self._key = key
        context = ssl.create_default_context()
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
        """Everything that the patterns mean and the mirror lacks."""
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

    # images

    def repositories(self) -> Iterator[str]:
        return self._pages("images", "repositories", {})

    def tags(self, repository: str) -> Iterator[dict[str, Any]]:
        return self._pages(f"images/{quote(repository, safe='')}", "tags", {})

    def image(self, reference: str) -> dict[str, Any]:
        """`reference` has a tag or a digest, as container tools write it."""
        return self._call("GET", f"images/{quote(_with_tag(reference), safe='/:@')}")

    def content(self, reference: str, platform: str | None = None) -> ImageContent:
        path = f"images/{quote(_with_tag(reference), safe='/:@')}/content"
        return ImageContent.read(self._call("GET", path, {"platform": platform}))

    # the app

    def health(self) -> dict[str, Any]:
        """Also of an app that is not well: see `ok`."""
        return self._call("GET", "health", hoped=(200, 503))

    # blobs

    def read_range(self, url: str, offset: int, length: int) -> tuple[int, bytes]:
        """One range straight from storage: the status, and the bytes if it is 206."""
        host = urlsplit(url).hostname
        headers = {"Range": f"bytes={offset}-{offset + length - 1}"}
        timeout = Timeout(connect=10, read=30)
        try:
            answer = self._pool.request("GET", url, headers=headers, redirect=False, retries=False, timeout=timeout)
        except urllib3.exceptions.HTTPError as error:
            # Its text has the URL, which lets anyone in who has it.
            raise Unavailable(
                f"read from {host}", f"it could not be reached ({type(error).__name__})", "Check the network."
            ) from None
        return answer.status, answer.data

    # how

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | None] | None = None,
        body: object = None,
        hoped: tuple[int, ...] = (200, 202),
    ) -> dict[str, Any]:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        url = f"{self.url}/api/{path}{f'?{urlencode(given)}' if given else ''}"
        asked = f"{method} {self.url}/api/{path}"
        headers = {"Accept": "application/json"} | ({"x-functions-key": self._key} if self._key else {})
        data = json.dumps(body).encode() if body is not None else None
        again = _AGAIN if method == "GET" and 503 not in hoped else Retry(connect=3, read=0, status=0, redirect=0)
        try:
            answer = self._pool.request(
                method,
                url,
                body=data,
                headers=headers,
                retries=again.new(raise_on_status=False),
                redirect=False,
                timeout=Timeout(connect=10, read=120),
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(
                asked, f"it could not be reached ({type(error).__name__})", "Check the URL and the network."
            ) from error
        if answer.status not in hoped:
            raise problem(answer.status, answer.data, asked)
        try:
            document = json.loads(answer.data)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Malformed(asked, "the answer is no JSON object", "Check that the URL is that of the function app.")
        return document

    def _pages(self, path: str, name: str, query: Mapping[str, str | None]) -> Iterator[Any]:
        last: str | None = None
        while True:
            page = self._call("GET", path, {**query, "last": last})
            yield from page[name]
            last = page["last"]
            if last is None:
                return


def _quoted(identity: str) -> str:
    return quote(identity, safe="")


def _with_tag(reference: str) -> str:
    """With the tag that docker would think of, so that the path has one reading."""
    return reference if ":" in reference.rpartition("/")[2] or "@" in reference else f"{reference}:latest"
