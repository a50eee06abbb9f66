"""Loopback is reached without a proxy.

Where the user has one, clients would ask it for 127.0.0.1, and it would look there on its own machine.
"""

from __future__ import annotations

from collections.abc import MutableMapping

HOSTS = ("localhost", "127.0.0.1", "::1")
# urllib, requests and curl read one of them first, Go the other.
_VARIABLES = ("no_proxy", "NO_PROXY")
_EVERYTHING = "*"


def reach_directly(environment: MutableMapping[str, str]) -> None:
    """Adds loopback to what the user wants reached without a proxy, in both variables; what is there stays."""
    given = {name: environment[name] for name in _VARIABLES if environment.get(name)}
    for name in _VARIABLES:
        value = given.get(name) or next(iter(given.values()), "")
        if value.strip() == _EVERYTHING:
            environment[name] = value  # alone it means everything, in a list nothing
            continue
        hosts = [host.strip() for host in value.split(",") if host.strip()]
        environment[name] = ",".join([*hosts, *(host for host in HOSTS if host not in hosts)])
