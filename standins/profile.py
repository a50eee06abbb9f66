"""What the stand-ins have to know of the app that runs on them; each app hands in a profile of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Resources:
    """What a deployment makes in the storage account, by name: neither an app nor the host makes it."""

    containers: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Services:
    """Where the services of one stack are. URLs have no slash at their end; `registry` is `name:port`."""

    registry: str
    registry_resource_id: str
    registry_anonymous: bool
    blob: str
    queue: str
    table: str
    ca: Path
    client_id: str = field(repr=False)
    target: str | None = None
    """The second registry, if there is one."""


class Profile(ABC):
    """An app: where it is, what it needs in storage, which settings tell it where the services are."""

    own_settings: tuple[str, ...] = ()
    """How the names of its settings begin: those of an outer stack or a real deployment don't reach it."""
    event_function: str | None = None
    """The function that the registry's events go to; None where there is none."""

    @property
    @abstractmethod
    def app(self) -> Path:
        """The folder with function_app.py and host.json."""

    @abstractmethod
    def settings(self, services: Services) -> dict[str, str]:
        """The app settings of a deployment that has these services."""

    @abstractmethod
    def resources(self, settings: Mapping[str, str]) -> Resources:
        """What the app needs in storage with these settings."""

    def described(self, settings: Mapping[str, str]) -> dict[str, str]:
        """What an outside client needs to know of the app beside the addresses of the services."""
        del settings
        return {}


class NoApp(Profile):
    """A registry, storage and identities, with nothing that runs on them."""

    @property
    def app(self) -> Path:
        """Raises LookupError."""
        raise LookupError("there is no app to run: override the fixture app_profile, or give Stack a profile of yours")

    def settings(self, services: Services) -> dict[str, str]:
        del services
        return {}

    def resources(self, settings: Mapping[str, str]) -> Resources:
        del settings
        return Resources()
