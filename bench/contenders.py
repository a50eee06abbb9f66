"""Who is compared, and how each is asked to copy the one image from a source to a sink."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench.measure import Taken, measure_child, measure_program
from bench.services import find_tool
from bench.synthetic import Image

ROOT = Path(__file__).resolve().parent.parent
_PIECE = 1 << 20
_fresh = count(1)


@dataclass(frozen=True, slots=True)
class Course:
    """Where a copy runs from and to. `blob` is a blob endpoint for those who speak Blob Storage's protocol, and
    `new_container` makes a container there; `registry` gives those who push a host that has nothing yet, while the
    context lasts. None of them finds what an earlier round left."""

    source: str
    blob: str
    registry: Callable[[], AbstractContextManager[str]] | None
    ca: Path
    image: Image
    new_container: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Contender:
    """`run` copies the image to a place that is empty, and says what that took."""

    name: str
    pushes: bool
    run: Callable[[Course], Taken]


def contenders(threads: int | None = None) -> list[Contender]:
    """All that can run here, ours first; `threads` is how many of ours copy, if not as many as the app has."""
    found = [
        Contender("acrmirror", False, lambda course: _ours(course, threads)),
        Contender("SDK loop", False, lambda course: _python("bench.sdk", course, [])),
        Contender("SDK tuned", False, lambda course: _python("bench.sdk", course, ["--piece", str(_PIECE)])),
    ]
    if crane := find_tool("crane"):
        found.append(Contender("crane", True, lambda course: _crane(crane, course)))
    if skopeo := find_tool("skopeo"):
        found.append(Contender("skopeo", True, lambda course: _skopeo(skopeo, course)))
    if regctl := find_tool("regctl"):
        found.append(Contender("regctl", True, lambda course: _regctl(regctl, course)))
    return found


def beside(copies: int, threads: int | None = None) -> Contender:
    """Ours, with so many copies of the image beside each other in one process."""
    return Contender("acrmirror", False, lambda course: _ours(course, threads, copies))


def _ours(course: Course, threads: int | None, copies: int = 1) -> Taken:
    more = ["--beside", str(copies)] + ([] if threads is None else ["--threads", str(threads)])
    return _python("bench.ours", course, ["--digest", course.image.manifest_digest, *more])


def _python(module: str, course: Course, more: list[str]) -> Taken:
    container = f"mirror-{next(_fresh)}"
    course.new_container(container)
    arguments = ["--registry", course.source, "--repository", course.image.repository, "--tag", course.image.tag]
    arguments += ["--blob", course.blob, "--container", container, "--ca", str(course.ca), *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return measure_child([sys.executable, "-m", module, *arguments], environment)


def _crane(crane: Path, course: Course) -> Taken:
    with _references(course) as (source, target):
        return measure_program([str(crane), "copy", source, target], _trusting(course.ca))


def _skopeo(skopeo: Path, course: Course) -> Taken:
    command = [str(skopeo), "copy", "--quiet", "--insecure-policy", "--preserve-digests"]
    with _references(course) as (source, target):
        return measure_program([*command, f"docker://{source}", f"docker://{target}"], _trusting(course.ca))


def _regctl(regctl: Path, course: Course) -> Taken:
    with _references(course) as (source, target):
        return measure_program([str(regctl), "image", "copy", source, target], _trusting(course.ca))


@contextmanager
def _references(course: Course) -> Iterator[tuple[str, str]]:
    assert course.registry is not None
    image = course.image
    with course.registry() as host:
        source = f"{course.source}/{image.repository}:{image.tag}"
        yield source, f"{host}/copy-{next(_fresh)}/image:{image.tag}"


def _trusting(ca: Path) -> Mapping[str, str]:
    """No configuration of the user's: no credentials, and the throwaway authority as the only one."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": str(ca.parent), "SSL_CERT_FILE": str(ca)}
