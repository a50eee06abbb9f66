"""Platforms as people write them, and which image of an index serves one: the choice that docker makes.

containerd's `platforms` package is what docker chooses with: the wanted platform first, then what its machines run as
well (older variants, the 32-bit sibling), in that order; among equals the index's own order decides.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from acrmirror.errors import Malformed
from acrmirror.oci import Platform
from acrmirror.reference import shown

DEFAULT_PLATFORM = Platform("linux", "amd64")

_PART = r"[A-Za-z0-9_.-]{1,64}"
PLATFORM_GRAMMAR = f"{_PART}(?:/{_PART}){{0,2}}"
_PLATFORM = re.compile(PLATFORM_GRAMMAR, re.ASCII)
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
    """`os/architecture` or `os/architecture/variant`; an architecture alone is linux's. Raises Malformed."""
    parts = text.lower().split("/")
    if not _PLATFORM.fullmatch(text):
        raise Malformed(
            f"read the platform {shown(text)}",
            "it is not of the form os/architecture or os/architecture/variant",
            "Write it as docker does, such as linux/amd64 or linux/arm/v7.",
        )
    if len(parts) == 1:
        parts.insert(0, "linux")
    return normal(Platform(parts[0], parts[1], parts[2] if len(parts) == 3 else None))


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
    """The image that docker would take on a machine of the platform `wanted`, or None."""
    known = [(image, normal(platform)) for image, platform in images if platform is not None]
    for acceptable in _acceptable(normal(wanted)):
        for image, platform in known:
            if _key(platform) == _key(acceptable) and _version_fits(platform, wanted):
                return image
    return None


def _key(platform: Platform) -> tuple[str, str, str | None]:
    return platform.os, platform.architecture, platform.variant


def _version_fits(platform: Platform, wanted: Platform) -> bool:
    return wanted.os_version is None or platform.os_version is None or platform.os_version == wanted.os_version


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
