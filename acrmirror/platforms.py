"""Platforms as people write them, and which image of an index serves one: the choice that docker makes.

containerd's `platforms` package is what docker chooses with: the wanted platform first, then what its machines run as
well (older variants, the 32-bit sibling), in that order; among equals the index's own order decides.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard, TypeVar

from acrmirror.bounds import check_json
from acrmirror.errors import Malformed, TooLarge
from acrmirror.oci import Platform
from acrmirror.reference import shown

DEFAULT_PLATFORM = Platform("linux", "amd64")

_PART = r"[A-Za-z0-9_.-]{1,64}"
_WORD = r"[A-Za-z0-9_.-]"
PLATFORM_GRAMMAR = (
    rf"{_PART}(?:\({_WORD}{{0,64}}(?:\+{_WORD}{{1,64}}){{0,8}}\))?(?:/{_PART}){{0,2}}(?::{_WORD}{{1,64}})?"
)
_PLATFORM = re.compile(
    rf"(?P<system>{_PART})(?:\((?P<version>{_WORD}*)(?P<features>(?:\+{_WORD}+)*)\))?"
    rf"(?:/(?P<architecture>{_PART}))?(?:/(?P<variant>{_PART}))?(?::(?P<behind>{_WORD}+))?",
    re.ASCII,
)
_SYSTEMS = ("aix", "android", "darwin", "freebsd", "illumos", "js", "linux", "netbsd", "openbsd", "solaris", "windows")
_OFFERED_SHOWN = 30
_ALIASES = {
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "aarch64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "i386": ("386", None),
    "i686": ("386", None),
}
_T = TypeVar("_T")


def parse_platform(text: str) -> Platform:
    """`os/architecture` or `os/architecture/variant`; an architecture alone is linux's, and a system alone is on amd64.
    The system's version and features as containerd writes them, `windows(10.0.20348+feature)/amd64`, or the version
    behind a colon. Raises Malformed."""
    found = _PLATFORM.fullmatch(text)
    if found is None or not re.fullmatch(PLATFORM_GRAMMAR, text, re.ASCII) or (found["version"] and found["behind"]):
        raise Malformed(
            f"read the platform {shown(text)}",
            "it is not of the form os/architecture or os/architecture/variant",
            "Write it as docker does, such as linux/amd64, linux/arm/v7 or windows(10.0.20348)/amd64.",
        )
    system, architecture = found["system"].lower(), (found["architecture"] or "").lower()
    if not architecture and system in _SYSTEMS:
        architecture = DEFAULT_PLATFORM.architecture
    elif not architecture:
        system, architecture = DEFAULT_PLATFORM.os, system
    features = tuple((found["features"] or "").split("+")[1:])
    variant = found["variant"].lower() if found["variant"] else None
    return normal(Platform(system, architecture, variant, found["version"] or found["behind"] or None, features))


def offered(platforms: Iterable[Platform | None]) -> str:
    """What somebody is told who requested another platform: those that there are, on one line (rule S6)."""
    known = sorted({_cleaned(str(normal(it))) for it in platforms if is_known(it)})
    more = f" and {len(known) - _OFFERED_SHOWN} more" if len(known) > _OFFERED_SHOWN else ""
    return f"it has {', '.join(known[:_OFFERED_SHOWN]) or 'no platforms'}{more}"


def is_known(platform: Platform | None) -> TypeGuard[Platform]:
    """Whether it says something: build tools write `unknown/unknown` for what is no image."""
    return platform is not None and "" not in (platform.os, platform.architecture) and platform.os != "unknown"


def _cleaned(text: str) -> str:
    return "".join(it if it.isprintable() else "\ufffd" for it in text[:100])


def platform_of(config: bytes) -> Platform | None:
    """The platform that an image's config states."""
    document = json_object(config)
    system, architecture, variant = (document.get(key) for key in ("os", "architecture", "variant"))
    if not isinstance(system, str) or not isinstance(architecture, str) or not system or not architecture:
        return None
    version, features = document.get("os.version"), document.get("os.features")
    return Platform(
        system,
        architecture,
        variant if isinstance(variant, str) and variant else None,
        version if isinstance(version, str) and version else None,
        tuple(it for it in features if isinstance(it, str)) if isinstance(features, list) else (),
    )


def json_object(raw: bytes) -> dict[str, Any]:
    """A config as JSON; empty for what is none, or would be too large in memory."""
    try:
        check_json(raw, "read a config")
        document = json.loads(raw)
    except (ValueError, RecursionError, TooLarge):
        return {}
    return document if isinstance(document, dict) else {}


def normal(platform: Platform) -> Platform:
    """One spelling for each platform: aliases replaced, variants as images name them, defaults left out."""
    architecture, implied = _ALIASES.get(platform.architecture.lower(), (platform.architecture.lower(), None))
    variant = (platform.variant or implied or "").lower() or None
    if variant is not None and variant.isdigit():
        variant = f"v{variant}"
    if (architecture, variant) in (("arm64", "v8"), ("amd64", "v1")):
        variant = None
    if architecture == "arm" and variant is None:
        variant = "v7"
    return Platform(platform.os.lower(), architecture, variant, platform.os_version, platform.os_features)


def choose(images: Iterable[tuple[_T, Platform | None]], wanted: Platform) -> _T | None:
    """The image that docker would take on a machine of the platform `wanted`, or None. Of several, the one that asks
    for the least that was not wanted: a version of the system, or features of it."""
    known = [(image, normal(platform)) for image, platform in images if is_known(platform)]
    wanted = normal(wanted)
    for acceptable in _acceptable(wanted):
        fitting = [it for it in known if _key(it[1]) == _key(acceptable) and _system_fits(it[1], wanted)]
        if fitting:
            return min(fitting, key=lambda it: _beyond(it[1], wanted))[0]
    return None


def _key(platform: Platform) -> tuple[str, str, str | None]:
    return platform.os, platform.architecture, platform.variant


def _system_fits(platform: Platform, wanted: Platform) -> bool:
    """Windows runs images of its own build: `10.0.20348` of `10.0.20348.2113`."""
    if not set(wanted.os_features) <= set(platform.os_features):
        return False
    if wanted.os_version is None or platform.os_version is None:
        return True
    given, has = wanted.os_version.split(".")[:3], platform.os_version.split(".")[:3]
    return has[: len(given)] == given


def _beyond(platform: Platform, wanted: Platform) -> tuple[bool, int]:
    other = wanted.os_version is not None and platform.os_version != wanted.os_version
    return other, len(set(platform.os_features) - set(wanted.os_features))


def _acceptable(wanted: Platform) -> Iterator[Platform]:
    """What a machine of that platform runs, the best first."""
    yield wanted
    system, architecture, variant = _key(wanted)
    level = int(variant[1:]) if variant and re.fullmatch(r"v[0-9]", variant) else None
    if architecture == "amd64":
        yield from (normal(Platform(system, "amd64", f"v{n}")) for n in range((level or 1) - 1, 0, -1))
        yield Platform(system, "386")
    elif architecture == "arm":
        yield from (Platform(system, "arm", f"v{n}") for n in range((level or 7) - 1, 4, -1))
    elif architecture == "arm64":
        if variant is not None:
            yield Platform(system, "arm64")
        yield from (Platform(system, "arm", f"v{n}") for n in range(8, 4, -1))
