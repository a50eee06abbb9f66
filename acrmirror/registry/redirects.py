"""Where a blob's bytes may be fetched from: a redirect is followed only to a host that settings name."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from acrmirror.errors import Refused
from acrmirror.reference import shown

_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.ASCII)
_URL = re.compile(r"[\x21-\x7e]{1,16384}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Redirects:
    """Where one registry may redirect to: `hosts` and `anywhere` as of `check_redirect`."""

    hosts: tuple[str, ...]
    anywhere: bool = False

    def check(self, location: str, asked: str) -> tuple[str, int, str]:
        return check_redirect(location, asked, self.hosts, self.anywhere)


def check_redirect(
    location: str, asked: str, suffixes: tuple[str, ...], anywhere: bool = False
) -> tuple[str, int, str]:
    """Host, port, and path with query of a `Location`, or Refused.

    Allowed are https, no user, port 443, no address in place of a name, and a host that equals one of `suffixes` or
    ends in one that starts with a dot. Names of private endpoints are allowed: they resolve to private addresses.
    `anywhere` is for the local stack: any https host and port.
    """

    def refused(reason: str, host: str | None) -> Refused:
        where = f" to {shown(host)}" if host else ""
        return Refused(
            asked,
            f"it was redirected{where}, and {reason}",
            "Nothing was sent there. If that host is the registry's own storage, add it to MIRROR_REDIRECT_HOSTS.",
        )

    if not _URL.fullmatch(location):
        raise refused("that is not a URL", None)
    try:
        url = urlsplit(location)
        port = url.port
        host = url.hostname or ""
    except ValueError:
        raise refused("that is not a URL", None) from None
    if url.scheme != "https":
        raise refused("that is not https", host)
    if "@" in url.netloc:
        raise refused("that address has a user in it", host)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    if anywhere and host:
        return host, port or 443, target
    if port not in (None, 443) or url.netloc.endswith(":"):
        raise refused("that is another port than 443", host)
    if _is_address(host):
        raise refused("that is an address and not a name", host)
    if not _HOST.fullmatch(host):
        raise refused("that is not a host name", host)
    if not any(host.endswith(suffix) if suffix.startswith(".") else host == suffix for suffix in suffixes):
        raise refused("that host is not among those in settings", host)
    return host, 443, target


def _is_address(host: str) -> bool:
    """Also the shorthand forms that resolvers take: 127.1, 0x7f000001, 2130706433."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(re.fullmatch(r"(?:0x[0-9a-f]*|[0-9]+)", host.rpartition(".")[2]))
    return True
