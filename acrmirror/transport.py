"""How requests reach Azure Storage: pooled connections that trust the system's authorities and one more, if set."""

import ssl
from pathlib import Path
from typing import Any

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter


def storage_transport(connections: int, trust_bundle: Path | None) -> RequestsTransport:
    """A transport that keeps up to `connections` open; `trust_bundle` is a PEM file of an authority to trust too."""
    context = ssl.create_default_context()
    if trust_bundle is not None:
        context.load_verify_locations(trust_bundle)
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _Adapter(context, pool_maxsize=connections, pool_connections=4))
    return RequestsTransport(session=session, session_owner=False, use_env_settings=False)


class _Adapter(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext, **kwargs: Any) -> None:
        self._context = context
        super().__init__(**kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context, blocksize=1024 * 1024)
