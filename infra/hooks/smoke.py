"""Whether a push gets into the mirror: a tiny image is pushed, and the app is asked about it until it is there.

What keeps the person from pushing or asking is told, and fails nothing: the deployment is done. An image that the
registry took and that does not come is a failure.
"""

from __future__ import annotations

import hashlib
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from infra.hooks.commands import Azure, Console
from infra.hooks.environment import Environment
from infra.hooks.problems import Problem

WITHIN = 600.0
AGAIN_AFTER = 120.0
"""Seconds after which another image is pushed: Event Grid may drop events of a subscription's first moments."""
PAUSE = 3.0
TIMEOUT = 30.0
MOST = 4 * 1024 * 1024
REPOSITORY = "mirror-smoke-test"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY_TAR = bytes(1024)


class Kept(Exception):
    """The person may not push or ask, or nobody gets there from here."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def smoke_test(
    environment: Environment,
    azure: Azure,
    console: Console,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Raises Problem if a pushed image is not in the mirror within ten minutes."""
    if environment.get("MIRROR_SMOKE_TEST") == "false":
        return
    try:
        took = push_and_wait(environment, azure, console, sleep, clock)
    except Kept as why:
        console.say(f"Not tried with an image: {why} To try it, push one and look at GET /api/v1/images.")
        return
    console.say(f"A pushed image was in the mirror {took:.0f} s after its push.")


def push_and_wait(
    environment: Environment,
    azure: Azure,
    console: Console,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> float:
    """Seconds from the end of the push. Raises Problem and Kept."""
    app, key = the_app(environment, azure)
    host, refresh = sign_in(environment, azure)
    name = repository(environment.get("MIRROR_REPOSITORY_PREFIXES"))
    console.say(f"Pushing a tiny image into {host}/{name} …")
    begun = clock()
    pushed: dict[str, float] = {}
    while clock() - begun < WITHIN:
        if not pushed or (len(pushed) == 1 and clock() - begun > AGAIN_AFTER):
            digest = push(host, name, refresh, json.dumps({"created-by": "postdeploy", "at": time.time_ns()}))
            pushed[digest] = clock()
        for digest, at in pushed.items():
            url = f"{app}/api/v1/images/{quote(in_mirror(environment, name), safe='')}/{digest}"
            answer = ask("GET", url, {"x-functions-key": key})
            if answer.status == 200:
                return clock() - at
            if answer.status in (401, 403):
                raise Kept(f"the app answers {answer.status} to calls from here.")
        sleep(PAUSE)
    raise Problem(
        f"The image {host}/{name}@{next(iter(pushed))} was pushed {WITHIN:.0f} s ago and is not in the mirror.\n"
        f"{health(app, key)}\ndocs/troubleshooting.md#no-events says where to look."
    )


def the_app(environment: Environment, azure: Azure) -> tuple[str, str]:
    """Its address and a key."""
    url = environment.get("MIRROR_APP_URL")
    words = [
        "--name",
        environment.get("MIRROR_FUNCTION_APP"),
        "--resource-group",
        environment.get("AZURE_RESOURCE_GROUP"),
    ]
    try:
        keys = azure.json(
            "functionapp", "keys", "list", *words, "--subscription", environment.get("AZURE_SUBSCRIPTION_ID")
        )
        return url, str(keys["functionKeys"]["default"])
    except (Problem, KeyError, TypeError) as error:
        raise Kept(f"you may not read the app's keys. {error}") from error


def sign_in(environment: Environment, azure: Azure) -> tuple[str, str]:
    """The registry's host, and a token that tokens to push are had for."""
    parts = environment.get("MIRROR_REGISTRY_ID").rstrip("/").split("/")
    if len(parts) < 9:
        raise Kept("MIRROR_REGISTRY_ID is not set.")
    try:
        token = azure.json("acr", "login", "--name", parts[8], "--expose-token", "--subscription", parts[2])
        return str(token["loginServer"]), str(token["accessToken"])
    except (Problem, KeyError, TypeError) as error:
        raise Kept(f"you may not sign in at the registry. {error}") from error


def repository(prefixes: str) -> str:
    """One whose events come, where only some are mirrored."""
    listed = json.loads(prefixes or "[]")
    return f"{listed[0]}{REPOSITORY}" if listed else REPOSITORY


def in_mirror(environment: Environment, name: str) -> str:
    prefix = environment.get("MIRROR_PREFIX").strip("/")
    return f"{prefix}/{name}" if prefix else name


def push(host: str, name: str, refresh: str, config: str) -> str:
    """The digest of an image of one empty layer. Raises Kept, and Problem for a registry that fails."""
    base = f"https://{host}"
    form = {
        "grant_type": "refresh_token",
        "service": host,
        "scope": f"repository:{name}:pull,push",
        "refresh_token": refresh,
    }
    given = ask(
        "POST", f"{base}/oauth2/token", {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form).encode()
    )
    if given.status != 200:
        raise Kept(f"{host} gives you no token to push into {name} ({given.status}).")
    headers = {"Authorization": f"Bearer {json.loads(given.body)['access_token']}"}
    blobs = [blob(base, name, headers, content) for content in (config.encode(), EMPTY_TAR)]
    media = zip((CONFIG, LAYER), blobs, strict=True)
    described = [{"mediaType": kind, "digest": digest, "size": size} for kind, (digest, size) in media]
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1:]})
    url = f"{base}/v2/{name}/manifests/latest"
    expect(ask("PUT", url, {**headers, "Content-Type": MANIFEST}, manifest.encode()), 201, f"the manifest of {name}")
    return digest_of(manifest.encode())


def blob(base: str, name: str, headers: dict[str, str], content: bytes) -> tuple[str, int]:
    digest = digest_of(content)
    if ask("HEAD", f"{base}/v2/{name}/blobs/{digest}", headers).status != 200:
        opened = ask("POST", f"{base}/v2/{name}/blobs/uploads/", headers, b"")
        expect(opened, 202, f"a layer of {name}")
        url = urljoin(base, opened.headers["location"])
        if urlsplit(url).netloc != urlsplit(base).netloc:
            raise Problem(f"The registry {base} wants a layer sent to another host: {urlsplit(url).netloc}.")
        url += ("&" if urlsplit(url).query else "?") + urlencode({"digest": digest})
        sent = ask("PUT", url, {**headers, "Content-Type": "application/octet-stream"}, content)
        expect(sent, 201, f"a layer of {name}")
    return digest, len(content)


def expect(answer: Answer, status: int, what: str) -> None:
    if answer.status in (401, 403):
        raise Kept(f"the registry does not take {what} from you ({answer.status}).")
    if answer.status != status:
        raise Problem(f"The registry answered {answer.status} to {what}: {answer.body[:300].decode(errors='replace')}")


def health(app: str, key: str) -> str:
    """What GET /api/health says is wrong."""
    try:
        found = json.loads(ask("GET", f"{app}/api/health", {"x-functions-key": key}).body)
        wrong = [
            f"  {check['name']}: {check['error']['answered']} {check['error']['remedy']}"
            for check in found["checks"]
            if check.get("error")
        ]
    except (Kept, ValueError, KeyError, TypeError):
        return "GET /api/health does not answer."
    return "GET /api/health says:\n" + ("\n".join(wrong) or "  all is well.")


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token goes to the host that it is for, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def ask(method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    """Whatever the status. Raises Kept where nobody answers."""
    context = ssl.create_default_context()
    opener = urllib.request.build_opener(_NoRedirects(), urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return Answer(answer.status, _lower(answer.headers), answer.read(MOST))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers), error.read(MOST))
    except OSError as error:
        raise Kept(f"{urlsplit(url).netloc} can't be reached from here: {error}.") from error


def _lower(headers: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}
