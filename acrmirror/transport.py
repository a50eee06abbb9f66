"""How connections are made: what is trusted, and for how long an answer is waited for."""

import ssl
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 20.0
"""Seconds without a byte."""


def trust(bundle: Path | None) -> ssl.SSLContext:
    """The system's certificate authorities, and those of the bundle besides."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if bundle is not None:
        context.load_verify_locations(cafile=bundle)
    return context


def make_transport(context: ssl.SSLContext, connections: int = 64) -> RequestsTransport:
    """The SDK's own transport, over a session that trusts what `context` trusts and takes nothing from the environment.

    Close it when done; several pipelines may share it.
    """
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", _Adapter(context, connections))
    return RequestsTransport(
        session=session,
        session_owner=True,
        use_env_settings=False,
        connection_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
    )


class _Adapter(HTTPAdapter):
    """Uses one TLS context for all connections: authorities are read once, and the system's are trusted, too."""

    def __init__(self, context: ssl.SSLContext, connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=4, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leaves the context as it is; the default would load another bundle into it."""
