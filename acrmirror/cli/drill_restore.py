"""The part of a drill that restores: one image into a scratch repository of a registry, compared there, and removed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acrmirror.cli.following import ENDED
from acrmirror.client import Client
from acrmirror.client.pulling import Puller
from acrmirror.errors import DigestMismatch, MirrorError, Unavailable
from acrmirror.reference import Reference

POLL_SECONDS = 1.0
SCRATCH = "acrmirror-drill"
"""What the names of scratch repositories begin with."""
_MINE = "Set ACRMIRROR_TARGET_USERNAME and ACRMIRROR_TARGET_PASSWORD to what may pull and delete there."


@dataclass(frozen=True, slots=True)
class Target:
    """A registry that the app may restore into; with what signs in there (HTTP Basic) it is compared and removed by
    whoever runs the drill."""

    host: str
    username: str | None
    password: str
    ca: Path | None


def restored(
    client: Client, target: Target, image: dict[str, Any], scratch: str, timeout: float, sleep: Callable[[float], None]
) -> dict[str, Any]:
    """How the restore of an image went that was pulled back before: its time, what of it is the same there, and whether
    it was removed again. What fails is told."""
    reference = Reference.parse(image["image"])
    prefix = f"{SCRATCH}/{scratch}"
    found: dict[str, Any] = {
        "image": image["image"],
        "target": target.host,
        "repository": f"{prefix}/{reference.repository}",
        "same": False,
        "removed": False,
        "left": None,
        "error": None,
    }
    begun = time.monotonic()
    identity = None
    try:
        identity = _request(client, target, image["image"], prefix)
        report = _ended(client, identity, timeout, sleep)
        found |= {"bytes": report["bytes"], "seconds": round(time.monotonic() - begun, 3)}
        if target.username is None:
            _compare_by_app(client, target, image["image"], prefix, timeout, sleep)
        else:
            with Puller(f"https://{target.host}", target.username, target.password, target.ca, _MINE) as puller:
                pulled = puller.pull(found["repository"], reference.tag or "")
            if pulled.digest != image["digest"] or pulled.bytes != image["bytes"]:
                told = f"{target.host} has {pulled.digest} with {pulled.bytes} bytes"
                raise DigestMismatch(f"compare {found['repository']}", told, "Restore it again, with overwrite.")
        found["same"] = True
    except MirrorError as error:
        found["error"] = {"code": error.code, "asked": error.asked, "answered": error.answered, "remedy": error.remedy}
    # What the app did not take has written nothing.
    return found | (_removed(target, found["repository"]) if identity is not None else {})


def _request(client: Client, target: Target, image: str, prefix: str, *, dry_run: bool = False) -> str:
    return str(client.request_restore([image], target=target.host, prefix=prefix, dry_run=dry_run)["id"])


def _ended(client: Client, identity: str, timeout: float, sleep: Callable[[float], None]) -> dict[str, Any]:
    """The report of a restore of one image, once it is over. Raises Unavailable where it failed or takes too long."""
    asked = f"follow the restore {identity}"
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        report = client.restore(identity)
        # One that is done has requested its image, if it found it.
        requested = report["state"] == "done" and not report["dry_run"] and report["requested_images"]
        if report["state"] in ENDED and (not requested or any(report["jobs"].get(it) for it in ENDED)):
            break
        sleep(POLL_SECONDS)
    else:
        raise Unavailable(asked, f"it was not over after {timeout:g} s", f"Follow it: acrmirror status {identity}.")
    failures = [it["error"] for it in report["failures"]] + ([report["error"]] if report["error"] else [])
    if failures:
        raise Unavailable(failures[0]["asked"], failures[0]["answered"], failures[0]["remedy"])
    if not report["requested_images"] and not report["dry_run"]:
        raise Unavailable(asked, "it restored nothing", "Look whether the image is still in the mirror.")
    return report


def _compare_by_app(
    client: Client, target: Target, image: str, prefix: str, timeout: float, sleep: Callable[[float], None]
) -> None:
    """A restore of the same that sends nothing says what the target lacks of it."""
    again = _ended(client, _request(client, target, image, prefix, dry_run=True), timeout, sleep)
    if again["present"] != 1 or again["bytes"]:
        told = f"{again['bytes']} bytes of it are not there"
        raise DigestMismatch(f"compare {image} with what {target.host} has", told, "Restore it again.")


def _removed(target: Target, repository: str) -> dict[str, Any]:
    """The app itself may not delete there, and is not asked to."""
    name = target.host.partition(".")[0]
    left = f"az acr repository delete --name {name} --repository {repository} --yes"
    if target.username is None:
        return {"removed": False, "left": left}
    try:
        with Puller(f"https://{target.host}", target.username, target.password, target.ca, _MINE) as puller:
            puller.delete(f"/acr/v1/{repository}")
    except MirrorError as error:
        return {"removed": False, "left": f"{left} ({error.answered})"}
    return {"removed": True, "left": None}
