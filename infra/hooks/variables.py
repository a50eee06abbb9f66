"""What the variables of a deployment may be set to. The templates refuse the rest in the compiler's words; these name
the variable. A test holds this list to the parameters of infra/main.bicep."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass

from infra.hooks import landing_zone
from infra.hooks.environment import Environment
from infra.hooks.ids import ACCOUNT, REGISTRY, parse_id
from infra.hooks.problems import Problem

SMALLEST_NETWORK = 24


@dataclass(frozen=True, slots=True)
class Number:
    least: int
    most: int
    only: tuple[int, ...] = ()

    def wrong(self, text: str) -> str:
        try:
            value = int(text)
        except ValueError:
            return "a whole number"
        if self.only:
            return "" if value in self.only else " or ".join(map(str, self.only))
        return "" if self.least <= value <= self.most else f"from {self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class OneOf:
    choices: tuple[str, ...]

    def wrong(self, text: str) -> str:
        return "" if text in self.choices else "one of " + ", ".join(self.choices)


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of texts, as JSON."""

    most: int = 1000
    example: str = '["team/"]'

    def wrong(self, text: str) -> str:
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return f"a list of texts in JSON, such as '{self.example}'"
        return "" if len(value) <= self.most else f"a list of at most {self.most}"


@dataclass(frozen=True, slots=True)
class Object:
    """An object of texts, as JSON. `only`: the names that it may have; none means all."""

    only: tuple[str, ...] = ()

    def wrong(self, text: str) -> str:
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            example = f'{{"{self.only[0]}": "/subscriptions/…"}}' if self.only else '{"owner": "platform"}'
            return f"an object of texts in JSON, such as '{example}'"
        return "" if not self.only or set(value) <= set(self.only) else "an object of " + ", ".join(self.only)


SWITCH = OneOf(("true", "false"))
Kind = Number | OneOf | Texts | Object
VARIABLES: dict[str, Kind] = {
    "MIRROR_REGISTRY_AUTH": OneOf(("identity", "anonymous")),
    "MIRROR_REDUNDANCY": OneOf(
        ("Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS", "Standard_RAGRS", "Standard_RAGZRS")
    ),
    "MIRROR_LOCK": SWITCH,
    "MIRROR_WRITE_ONLY_ROLE": SWITCH,
    "MIRROR_LOGS": OneOf(("none", "deletes", "reads")),
    "MIRROR_SOFT_DELETE_DAYS": Number(1, 365),
    "MIRROR_IMMUTABILITY_DAYS": Number(0, 36500),
    "MIRROR_COOL_AFTER_DAYS": Number(0, 3650),
    "MIRROR_COLD_AFTER_DAYS": Number(0, 3650),
    "MIRROR_ARCHIVE_DAYS": Number(0, 365),
    "MIRROR_INSTANCE_MEMORY_MB": Number(0, 0, (512, 2048, 4096)),
    "MIRROR_MAXIMUM_INSTANCES": Number(1, 1000),
    "MIRROR_ALWAYS_READY_EVENTS": Number(0, 20),
    "MIRROR_ALWAYS_READY_JOBS": Number(0, 20),
    "MIRROR_SITE_UPDATE_STRATEGY": OneOf(("Recreate", "RollingUpdate")),
    "MIRROR_THREADS": Number(1, 64),
    "MIRROR_CLAIM_STALE_SECONDS": Number(1, 3600),
    "MIRROR_NOT_FOUND_SECONDS": Number(1, 86400),
    "MIRROR_RETRY_SECONDS": Number(1, 86400),
    "MIRROR_COMPARE_HOURS": Number(0, 720),
    "MIRROR_AUDIT_DAYS": Number(0, 365),
    "MIRROR_REPOSITORY_PREFIXES": Texts(25),
    "MIRROR_PRIVATE_NETWORKING": SWITCH,
    "MIRROR_SUBNET_IDS": Object(("app", "endpoints", "serve")),
    "MIRROR_NAT_GATEWAY": SWITCH,
    "MIRROR_DNS_ZONE_IDS": Object(("blob", "queue", "table", "registry")),
    "MIRROR_DNS_BY_POLICY": SWITCH,
    "MIRROR_REGISTRY_PRIVATE_ENDPOINT": SWITCH,
    "MIRROR_REGISTRY_ENDPOINT_BY_HAND": SWITCH,
    "MIRROR_ALLOWED_CALLERS": Texts(example='["192.0.2.0/24"]'),
    "MIRROR_SERVE": OneOf(("off", "credentials", "anonymous")),
    "MIRROR_STOCK_REGISTRY": SWITCH,
    "MIRROR_ALERT_EMAILS": Texts(example='["team@example.com"]'),
    "MIRROR_ALERT_LAG_MINUTES": Number(1, 1440),
    "MIRROR_ALERT_QUIET_HOURS": Number(0, 48),
    "MIRROR_ALERT_WAIT_MINUTES": Number(10, 1440),
    "MIRROR_ALERT_BACKFILL_MESSAGES": Number(0, 1_000_000),
    "MIRROR_ALERT_COMPARED_HOURS": Number(0, 1440),
    "MIRROR_ALERT_LOST_PUSHES": Number(0, 1000),
    "MIRROR_ALERT_FAILED_RUNS": Number(0, 1000),
    "MIRROR_ALERT_RETRIED_RUNS": Number(0, 10000),
    "MIRROR_ALERT_DELIVERY_FAILURES": Number(0, 10000),
    "MIRROR_ALERT_LIVE_SECONDS": Number(0, 0, (0, 300, 600, 900)),
    "MIRROR_TELEMETRY_DAYS": Number(30, 730),
    "MIRROR_TAGS": Object(),
}


def wrong_variables(environment: Environment) -> Iterator[str]:
    """A sentence for each that the templates would refuse, or that would do nothing."""
    for name, kind in VARIABLES.items():
        if (text := environment.get(name)) and (wanted := kind.wrong(text)):
            yield f"{name} is '{text}', and has to be {wanted}."
    for check in (_network, _tiers, _ids, _ranges, landing_zone.wrong):
        yield from check(environment)


def _network(environment: Environment) -> Iterator[str]:
    text = environment.get("MIRROR_NETWORK_PREFIX")
    if text:
        network = _read_network(text)
        if network is None or network.version != 4:
            yield f"MIRROR_NETWORK_PREFIX is '{text}', and has to be a range of addresses such as 10.80.0.0/24."
        elif network.prefixlen > SMALLEST_NETWORK:
            yield f"MIRROR_NETWORK_PREFIX is '{text}', which is too small for three subnets: /24 or larger."


def _read_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _tiers(environment: Environment) -> Iterator[str]:
    cool, cold = environment.get("MIRROR_COOL_AFTER_DAYS"), environment.get("MIRROR_COLD_AFTER_DAYS")
    if cool.isdigit() and cold.isdigit() and 0 < int(cold) <= int(cool):
        yield (
            f"MIRROR_COLD_AFTER_DAYS is {cold}, and has to be more than MIRROR_COOL_AFTER_DAYS ({cool}): "
            "of two tiers that are due the colder one wins."
        )


def _ids(environment: Environment) -> Iterator[str]:
    for name, kind in (("MIRROR_EXISTING_ACCOUNT_ID", ACCOUNT), ("MIRROR_RESTORE_TARGET_ID", REGISTRY)):
        try:
            if text := environment.get(name):
                parse_id(text, kind, name)
        except Problem as problem:
            yield str(problem)


def _ranges(environment: Environment) -> Iterator[str]:
    text = environment.get("MIRROR_ALLOWED_CALLERS")
    if text and not VARIABLES["MIRROR_ALLOWED_CALLERS"].wrong(text):
        for item in json.loads(text):
            if "/" not in item or _read_network(item) is None:
                yield f"MIRROR_ALLOWED_CALLERS has '{item}', and each has to be a range with a mask: 192.0.2.7/32."
