"""A registry as the app opens it, for code in the test's own process."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.credentials import TokenCredential

from acrmirror.registry import Limits, Redirects, Registry, Session
from acrmirror.settings import Settings


@contextmanager
def registry_of(
    settings: Settings, credential: TokenCredential | None, limits: Limits | None = None
) -> Iterator[Registry]:
    redirects = Redirects(settings.redirect_hosts, settings.redirect_local)
    audience, trust = settings.registry_audience, settings.trust_bundle
    with Session(settings.registry, credential, audience, redirects, trust, limits) as session:
        yield Registry(session)
