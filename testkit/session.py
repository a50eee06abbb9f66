"""Requests to one registry as a container tool makes them: kept connections, and tokens by docker's scheme.

A registry's challenge names a realm, which gives a token for the scopes at hand in exchange for user name and password.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class RequestFailed(RuntimeError):
    """The registry answered otherwise than its caller can go on from."""

    def __init__(self, method: str, path: str, answer: Answer) -> None:
        self.status = answer.status
        super().__init__(f"{method} {path.partition('?')[0]} was answered {answer.status}: {answer.error}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def error(self) -> str:
        """What the registry says about it: the first of its errors, else the beginning of the body."""
        try:
            first = json.loads(self.body)["errors"][0]
            return f"{first.get('code')} {first.get('message', '')}".strip()
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return self.body[:200].decode(errors="replace")


class Session:
    """For any number of threads. Credentials go to `host` (`name:port`) and nowhere else."""

    def __init__(self, host: str, username: str | None, password: str, ca: Path | None, timeout: float) -> None:
        self.host = host
        self._basic = None if username is None else base64.b64encode(f"{username}:{password}".encode()).decode()
        self._context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        self._timeout = timeout
        self._lock = threading.Lock()
        self._challenge: dict[str, str] | None = None
        self._tokens: dict[tuple[str, ...], str] = {}
        self._idle: list[http.client.HTTPSConnection] = []

    def close(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def send(
        self,
        method: str,
        path: str,
        scopes: Sequence[str],
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        expect: Sequence[int],
    ) -> Answer:
        """One request, with a token for `scopes`; after a 401 once more with a new one. Raises RequestFailed unless the
        status is one of `expect`."""
        answer = self._try(method, path, body, headers, self._token(scopes))
        if answer.status == 401:
            challenge = answer.headers.get("WWW-Authenticate", "")
            if not challenge.lower().startswith("bearer "):
                raise RequestFailed(method, path, answer)
            with self._lock:
                self._challenge = dict(_CHALLENGE.findall(challenge))
                self._tokens.pop(tuple(scopes), None)
            answer = self._try(method, path, body, headers, self._token(scopes))
        if answer.status not in expect:
            raise RequestFailed(method, path, answer)
        return answer

    def location(self, answer: Answer, base: str) -> str:
        """Where an answer to a request for `base` points, as a path on this host."""
        url = urlsplit(urljoin(f"https://{self.host}{base}", answer.headers.get("Location", "")))
        if url.netloc != self.host:
            raise ValueError(f"{self.host} points to {url.netloc}, where its credentials don't go")
        return f"{url.path}?{url.query}" if url.query else url.path

    def _token(self, scopes: Sequence[str]) -> str | None:
        """None until the registry's first challenge tells where tokens come from."""
        with self._lock:
            known, challenge = self._tokens.get(tuple(scopes)), self._challenge
        if known is not None or challenge is None:
            return known
        realm = urlsplit(challenge.get("realm", ""))
        if realm.scheme != "https" or realm.netloc != self.host:
            raise ValueError(f"{self.host} wants its credentials at {realm.netloc}, where they don't go")
        query = urlencode([("service", challenge.get("service", "")), *(("scope", scope) for scope in scopes)])
        headers = {} if self._basic is None else {"Authorization": f"Basic {self._basic}"}
        answer = self._try("GET", f"{realm.path}?{query}", None, headers, None)
        if answer.status != 200:
            raise RequestFailed("GET", realm.path, answer)
        given = json.loads(answer.body)
        token = str(given.get("access_token") or given["token"])
        with self._lock:
            self._tokens[tuple(scopes)] = token
        return token

    def _try(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None, token: str | None
    ) -> Answer:
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = b""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                return self._exchange(connection, method, path, body, sent)
            except (http.client.RemoteDisconnected, ConnectionError):
                pass  # A kept connection may have been closed meanwhile: only a new one that fails is a failure.
        connection = http.client.HTTPSConnection(self.host, timeout=self._timeout, context=self._context)
        return self._exchange(connection, method, path, body, sent)

    def _exchange(
        self,
        connection: http.client.HTTPSConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)
        return answer
