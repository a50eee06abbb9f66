"""What a person is told at a terminal: what is wrong first, and what to type next."""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from acrmirror.cli.failures import Usage
from acrmirror.client import ApiProblem, Client
from acrmirror.errors import MirrorError, NotFound, Unavailable

STATES = ("queued", "running", "waiting", "interrupted", "done", "incomplete", "failed", "gone", "cancelled")
TAGS_SHOWN = 20
_MISSING = "it is missing there"
_LOOKED = re.compile(r"look for (\S+) in the mirror( as it was at \S+)?")
_COMMANDS = (
    ("POST /api/v1/pulls", "acrmirror pull"),
    ("GET /api/v1/pulls", "acrmirror status"),
    ("GET /api/v1/jobs", "acrmirror status"),
    ("acrmirror history, or GET /api/v1/history", "acrmirror history"),
    ("GET /api/v1/images", "acrmirror ls"),
    ("POST /api/v1/archives", "acrmirror export --in-storage"),
    ("POST /api/v1/audits", "acrmirror audit"),
    ("GET /api/v1/audits", "acrmirror audit ls"),
    ("POST /api/v1/credentials", "acrmirror credentials create"),
    ("GET /api/v1/credentials", "acrmirror credentials list"),
    ("POST /api/v1/rebuilds", "acrmirror rebuild-tags"),
    ("POST /api/v1/restores", "acrmirror restore"),
    ("GET /api/health", "acrmirror health"),
    ("GET /api/v1/openapi.json describes each", "see --help"),
)
_SCHEME = re.compile(r"(?:https?|docker|oci)://", re.IGNORECASE)


def in_commands(text: str) -> str:
    """A remedy of the API, as what is typed here."""
    for call, command in _COMMANDS:
        text = text.replace(call, command)
    return text


def told(error: MirrorError) -> tuple[str, str, str]:
    """What was asked, what came back, and what to do: for a terminal."""
    code = getattr(error, "problem_code", error.code)
    found = _LOOKED.fullmatch(error.asked) if code == NotFound.code else None
    if found is None:
        return error.asked, error.answered, in_commands(error.remedy)
    name, when, why = found[1], found[2], error.answered
    if when is None and why.startswith(_MISSING):
        why = f"{name} is missing in the mirror{why.removeprefix(_MISSING)}"
    else:
        why = f"{name}{when or ''}: {why}"
    remedy = error.remedy.replace("Pull it: POST /api/v1/pulls.", _next(name)) if when is None else error.remedy
    return "No such repository or tag", why, in_commands(remedy)


def _next(name: str) -> str:
    return f"See what it has: acrmirror ls. Copy it from the registry: acrmirror pull {name}."


def plain(reference: str) -> str:
    """As somebody copied it from a browser or another tool: without a scheme."""
    return _SCHEME.sub("", reference, count=1).rstrip("/")


def all_plain(references: list[str]) -> list[str]:
    return [plain(it) for it in references]


def check_ids(command: str, identities: Iterable[str]) -> None:
    """Raises Usage for what is an image instead of a pull's id."""
    for it in identities:
        if "/" in it or ":" in it:
            repository = re.split("[:@]", it.rpartition("/")[2])[0]
            whole = f"{it.rpartition('/')[0]}/{repository}".lstrip("/")
            raise Usage(
                f"{command} {it}",
                "that is an image, and ids of pulls are taken here",
                f"See its pulls: acrmirror status --repository {whole}; or pull it: acrmirror pull {it}.",
            )


def check_state(state: str | None) -> None:
    if state is not None and state not in STATES:
        raise Usage(f"list pulls that are {state!r}", "there is no such state", f"It is one of {', '.join(STATES)}.")


def with_way_out(pull: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    """The same; while the registry can't be reached, it says how to get an image out of the mirror."""

    def pulling(image: str) -> dict[str, Any]:
        try:
            return pull(image)
        except ApiProblem as error:
            if error.problem_code == NotFound.code:
                raise ApiProblem(
                    error.status,
                    error.problem_code,
                    "No such repository or tag",
                    f"the registry has no {image}",
                    "Look at the name. If it was pushed a moment ago, try again in a minute. See what the mirror has: "
                    "acrmirror ls.",
                ) from error
            if error.problem_code != Unavailable.code:
                raise
            remedy = f"{error.remedy} What the mirror has is exported all the same: acrmirror export {image} --to FILE."
            raise ApiProblem(error.status, error.problem_code, error.asked, error.answered, remedy) from error

    return pulling


def image_or_tags(client: Client, image: str, at: str | None) -> dict[str, Any]:
    """The image; of a repository without a tag `latest`, which tags it has. Raises NotFound."""
    try:
        return client.image(image, at)
    except ApiProblem as error:
        if error.status != 404 or "@" in image or ":" in image.rpartition("/")[2]:
            raise
        try:
            tags = [str(it["tag"]) for it in islice(client.tags(image, at), TAGS_SHOWN + 1)]
        except MirrorError:
            raise error from None
        if not tags:
            raise
        more = ", …" if len(tags) > TAGS_SHOWN else ""
        raise NotFound(
            f"inspect {image}",
            f"it has no tag latest, but {', '.join(tags[:TAGS_SHOWN])}{more}",
            f"Name one of them: acrmirror inspect {image}:{tags[0]}.",
        ) from error


def nothing_matched(pulls: Sequence[dict[str, Any]], patterns: Sequence[str]) -> bool:
    """Of a pull of many that has ended: whether the registry has nothing that the patterns match."""
    match = pulls[0]["match"] if pulls else None
    if match is None or pulls[0]["state"] != "done" or match["listed"]:
        return False
    only_tags = all(":" in it.rpartition("/")[2] for it in patterns if not it.startswith("!"))
    return only_tags or not match.get("manifests", 0)
