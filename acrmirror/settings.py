"""Every setting of the app, read from the environment and checked once.

The names and their meaning are in docs/settings.md. All that the app is told is here, in
one place that grows with it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import urlsplit

from acrmirror.errors import InvalidReference, Misconfigured
from acrmirror.reference import REPOSITORY_LIMIT, check_repository, shown

DEFAULT_AUDIENCE = "https://containerregistry.azure.net"
DEFAULT_REDIRECT_HOSTS = (
    ".blob.core.windows.net",
    ".data.azurecr.io",
    ".blob.core.chinacloudapi.cn",
    ".data.azurecr.cn",
    ".blob.core.usgovcloudapi.net",
    ".data.azurecr.us",
)

_T = TypeVar("_T")
_D = TypeVar("_D")

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[1-9][0-9]{{0,4}})?", re.ASCII)
_REPOSITORY_PREFIX = re.compile(r"[a-z0-9][a-z0-9._/-]{0,254}", re.ASCII)
_SUFFIX = re.compile(rf"\.?{_LABEL}(?:\.{_LABEL})+", re.ASCII)
_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}", re.ASCII)
_RESOURCE_ID = re.compile(
    r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.ContainerRegistry/registries/[A-Za-z0-9]+",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the app was told; hosts are lower-case, endpoints have no slash at their end."""

    registry: str
    blob_endpoint: str
    table_endpoint: str
    queue_endpoint: str
    registry_resource_id: str | None = None
    anonymous: bool = False
    registry_audience: str = DEFAULT_AUDIENCE
    redirect_hosts: tuple[str, ...] = DEFAULT_REDIRECT_HOSTS
    redirect_local: bool = False
    registry_region: str = ""
    region: str = ""
    """Of the mirror; where it is not known, nothing is said of it."""
    redundancy: str = ""
    container: str = "mirror"
    archives_container: str = "archives"
    table: str = "mirrorjobs"
    prefix: str = ""
    threads: int = 11
    claim_stale_seconds: float = 60.0
    not_found_seconds: float = 1800.0
    retry_seconds: float = 21600.0
    recheck_seconds: tuple[float, ...] = (60.0, 600.0, 1800.0)
    compare_hours: float = 24.0
    repository_prefixes: tuple[str, ...] = ()
    """What the names of the repositories that belong in the mirror begin with; none means all."""
    serve: str = "credentials"
    """Who may pull from the mirror: nobody (`off`), who signs in (`credentials`), everybody (`anonymous`)."""
    restore_targets: tuple[str, ...] = ()
    audit_days: float = 30.0
    trust_bundle: Path | None = None
    telemetry_seconds: float = 15.0
    telemetry: str | None = None
    """The connection string of an Application Insights component, which names a place and lets nobody in."""
    client_id: str | None = None
    managed_identity: bool = False
    """Whether the platform offers an identity endpoint to this process."""

    @property
    def mirrored(self) -> tuple[str, ...]:
        """Patterns of all that belongs in the mirror."""
        return tuple(f"{prefix}*" for prefix in self.repository_prefixes) or ("*",)

    @property
    def repository_limit(self) -> int:
        """The longest repository name that fits behind the prefix."""
        return REPOSITORY_LIMIT - (len(self.prefix) + 1 if self.prefix else 0)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads every setting, or raises Misconfigured with all that is missing or wrong at once."""
        read = _Reader(environment)
        settings = cls(
            registry=read.required("MIRROR_REGISTRY", _host),
            blob_endpoint=read.required("MIRROR_BLOB_ENDPOINT", _endpoint),
            table_endpoint=read.required("MIRROR_TABLE_ENDPOINT", _endpoint),
            queue_endpoint=read.required("MIRROR_QUEUE__queueServiceUri", _endpoint),
            registry_resource_id=read.optional("MIRROR_REGISTRY_RESOURCE_ID", _resource_id, None),
            anonymous=read.optional("MIRROR_REGISTRY_AUTH", _one_of("identity", "anonymous"), "identity")
            == "anonymous",
            registry_audience=read.optional("MIRROR_REGISTRY_AUDIENCE", _audience, DEFAULT_AUDIENCE),
            redirect_hosts=read.optional("MIRROR_REDIRECT_HOSTS", _suffixes, DEFAULT_REDIRECT_HOSTS),
            redirect_local=read.optional("MIRROR_REDIRECT_LOCAL", _one_of("true", "false"), "false") == "true",
            registry_region=read.optional("MIRROR_REGISTRY_REGION", _region, ""),
            region=read.optional("MIRROR_REGION", _region, ""),
            redundancy=read.optional("MIRROR_REDUNDANCY", _redundancy, ""),
            container=read.optional("MIRROR_CONTAINER", _container, "mirror"),
            archives_container=read.optional("MIRROR_ARCHIVES_CONTAINER", _container, "archives"),
            table=read.optional("MIRROR_TABLE", _table, "mirrorjobs"),
            prefix=read.optional("MIRROR_PREFIX", _prefix, ""),
            threads=read.optional("MIRROR_THREADS", _threads, 11),
            claim_stale_seconds=read.optional("MIRROR_CLAIM_STALE_SECONDS", _seconds, 60.0),
            not_found_seconds=read.optional("MIRROR_NOT_FOUND_SECONDS", _seconds, 1800.0),
            retry_seconds=read.optional("MIRROR_RETRY_SECONDS", _seconds, 21600.0),
            recheck_seconds=read.optional("MIRROR_RECHECK_SECONDS", _ages, (60.0, 600.0, 1800.0)),
            compare_hours=read.optional("MIRROR_COMPARE_HOURS", _hours, 24.0),
            repository_prefixes=read.optional("MIRROR_REPOSITORY_PREFIXES", _prefixes, ()),
            serve=read.optional("MIRROR_SERVE", _one_of("off", "credentials", "anonymous"), "credentials"),
            restore_targets=read.optional("MIRROR_RESTORE_TARGETS", _hosts, ()),
            audit_days=read.optional("MIRROR_AUDIT_DAYS", _days, 30.0),
            trust_bundle=read.optional("MIRROR_TRUST_BUNDLE", _file, None),
            telemetry_seconds=read.optional("MIRROR_TELEMETRY_SECONDS", _seconds, 15.0),
            # Not checked here: the app has to run without its telemetry.
            telemetry=read.optional("APPLICATIONINSIGHTS_CONNECTION_STRING", str, None),
            client_id=read.optional("AZURE_CLIENT_ID", _plain, None),
            managed_identity=bool(environment.get("IDENTITY_ENDPOINT")),
        )
        if settings.archives_container == settings.container and settings.container:
            read.problems.append("MIRROR_ARCHIVES_CONTAINER is the mirror's own container, of which nothing is removed")
        if read.problems:
            raise Misconfigured(
                "read the app's settings",
                "; ".join(read.problems),
                "Correct these app settings; docs/settings.md describes each.",
            )
        return settings


class _Reader:
    """Gathers problems instead of stopping at the first, so that they can be corrected in one go.

    A missing or wrong value is replaced by the default, or by text that never leaves `from_environment`.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.problems: list[str] = []

    def required(self, name: str, check: Callable[[str], str]) -> str:
        if not self.environment.get(name, "").strip():
            self.problems.append(f"{name} is missing")
            return ""
        return self.optional(name, check, "")

    def optional(self, name: str, check: Callable[[str], _T], default: _D) -> _T | _D:
        text = self.environment.get(name, "").strip()
        if not text:
            return default
        try:
            return check(text)
        except ValueError as error:
            self.problems.append(f"{name} {error}")
            return default


def _host(text: str) -> str:
    host = text.lower()
    if len(host) > 255 or not _HOST.fullmatch(host):
        raise ValueError(f"is {shown(text)}, and has to be a login server such as demo.azurecr.io, without https://")
    return host


def _prefixes(text: str) -> tuple[str, ...]:
    prefixes = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    for prefix in prefixes:
        if not _REPOSITORY_PREFIX.fullmatch(prefix):
            raise ValueError(f"has {shown(prefix)}, and takes what names of repositories begin with, such as team/")
    return prefixes


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_host(part.strip()) for part in text.split(",") if part.strip()))


def _endpoint(text: str) -> str:
    problem = ValueError(f"is {shown(_without_query(text))}, and has to be https://, a host and no query")
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - raises ValueError if it is no port
    except ValueError:
        raise problem from None
    if url.scheme != "https" or not url.hostname or url.query or url.fragment or "@" in url.netloc:
        raise problem
    return text.rstrip("/")


def _without_query(text: str) -> str:
    """A signature that someone pasted here must not be repeated in a log."""
    return text.partition("?")[0].rpartition("@")[2]


def _resource_id(text: str) -> str:
    if not _RESOURCE_ID.fullmatch(text.rstrip("/")):
        raise ValueError(f"is {shown(text)}, and has to be the ARM id of a container registry")
    return text.rstrip("/")


def _audience(text: str) -> str:
    url = urlsplit(text)
    if url.scheme != "https" or not url.netloc or url.query or "@" in url.netloc:
        raise ValueError(f"is {shown(_without_query(text))}, and has to be an audience such as {DEFAULT_AUDIENCE}")
    return text.rstrip("/").removesuffix("/.default")


def _suffixes(text: str) -> tuple[str, ...]:
    suffixes = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    for suffix in suffixes:
        if not _SUFFIX.fullmatch(suffix) or suffix.replace(".", "").isdigit():
            raise ValueError(f"has {shown(suffix)}, and takes hosts or suffixes such as .blob.core.windows.net")
    return suffixes


def _container(text: str) -> str:
    if not _CONTAINER.fullmatch(text):
        raise ValueError(f"is {shown(text)}, and has to be 3 to 63 lower-case letters, digits and single dashes")
    return text


def _region(text: str) -> str:
    """`West Europe` and `westeurope` are one region."""
    found = text.replace(" ", "").lower()
    if not re.fullmatch(r"[a-z0-9]{3,40}", found):
        raise ValueError(f"is {shown(text)}, and has to be a region of Azure such as westeurope")
    return found


def _redundancy(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]{1,20}_[A-Z]{1,10}", text):
        raise ValueError(f"is {shown(text)}, and has to be an account's SKU such as Standard_LRS")
    return text


def _table(text: str) -> str:
    if not _TABLE.fullmatch(text):
        raise ValueError(f"is {shown(text)}, and has to be 3 to 63 letters and digits, a letter first")
    return text


def _prefix(text: str) -> str:
    try:
        return check_repository(text.strip("/"), limit=128)
    except InvalidReference as error:
        raise ValueError(f"is {shown(text)}: {error.answered}") from error


def _threads(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,2}", text, re.ASCII) or not 1 <= int(text) <= 64:
        raise ValueError(f"is {shown(text)}, and has to be 1 to 64")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text, re.ASCII) or not 1 <= float(text) <= 604_800:
        raise ValueError(f"is {shown(text)}, and has to be 1 to 604800 seconds")
    return float(text)


def _hours(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", text, re.ASCII) or float(text) > 720:
        raise ValueError(f"is {shown(text)}, and has to be 0 (never) to 720 hours")
    return float(text)


def _days(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", text, re.ASCII) or float(text) > 365:
        raise ValueError(f"is {shown(text)}, and has to be 0 (never) to 365 days")
    return float(text)


def _ages(text: str) -> tuple[float, ...]:
    ages = tuple(_seconds(part.strip()) for part in text.split(","))
    if any(later <= earlier for earlier, later in pairwise(ages)):
        raise ValueError(f"is {shown(text)}, and each of its seconds has to be later than the one before")
    return ages


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"is {shown(text)}, and no such file can be read")
    return path


def _plain(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", text, re.ASCII):
        raise ValueError(f"is {shown(text)}, and has to be the client id of an identity")
    return text


def _one_of(*choices: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"is {shown(text)}, and has to be {', '.join(choices[:-1])} or {choices[-1]}")
        return text.lower()

    return check
