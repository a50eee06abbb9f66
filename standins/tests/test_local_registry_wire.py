"""The local registry answers as real ones were seen to answer: status, every header, the shape of the body.

One thing is not replayed: the host of signed URLs, which is a storage account of Azure there and a port here.
"""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from standins.tests.registry_process import (
    DOCKER_MANIFEST,
    Answer,
    RegistryProcess,
    digest_of,
    image_manifest,
)

RECORDED = json.loads(Path(__file__).with_name("acr-on-the-wire.json").read_text())
EXCHANGES: dict[str, dict[str, Any]] = {one["name"]: one for one in RECORDED["exchanges"]}
ALWAYS: dict[str, str] = RECORDED["on_every_registry_answer"]
STORAGE_HOST = r"[a-z0-9]+\.blob\.core\.windows\.net"
REPOSITORY = "library/hello-world"
BLOB = bytes(range(256)) * 4 + b"twenty bytes more..."
# Words that stand for a form in the recording.
WORDS = {"<JWT>": r"[\w-]+\.[\w-]+\.[\w-]+", "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "hex": "[0-9a-f]+"}
RECORDED_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")


class Replay:
    """Plays the exchanges in their order, since some go on where the one before ended."""

    def __init__(self, registry: RegistryProcess) -> None:
        self.registry = registry
        self.values = {"host": registry.host, "repo": REPOSITORY, "repo%2F": REPOSITORY.replace("/", "%2F")}
        self.location = ""
        registry.push_image("busybox", "latest")
        config = json.dumps({"architecture": "arm64", "os": "linux"}).encode()
        registry.push_blob(REPOSITORY, config)
        registry.push_blob(REPOSITORY, BLOB)
        # The listing's first page shows one manifest, the first by digest, tagged v1.
        values = [image_manifest(config, BLOB, DOCKER_MANIFEST, number=number) for number in range(2)]
        first, second = sorted((json.dumps(one).encode() for one in values), key=digest_of)
        registry.put_manifest(REPOSITORY, first, "v1")
        registry.put_manifest(REPOSITORY, second, "latest")

    def play(self, exchange: dict[str, Any]) -> Answer:
        request = exchange["request"]
        path = self.path(request["path"])
        headers: dict[str, str] = {}
        body: Any = None
        if "range" in request:
            headers["Range"] = request["range"]
        if "accept" in request:
            headers["Accept"] = request["accept"]
        if "json" in request:
            body = json.dumps(request["json"])
        if "body_bytes" in request:
            body = b"x" * request["body_bytes"]
        if "form" in request:
            return self.registry.post_form(path, **self.form(request["form"]))
        answer = self.registry.ask(request["method"], path, auth=self.token(request, path), headers=headers, body=body)
        self.location = answer.header("Location") or self.location
        return answer

    def path(self, recorded: str) -> str:
        if recorded.startswith("..."):
            begun = self.registry.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
            self.location = begun.header("Location") or ""
        if recorded.startswith(("Location of", "...")):
            path = self.location
            if "&digest=" in recorded:
                digest = recorded.partition("&digest=")[2]
                path += f"&digest={digest}" if digest != "sha256%3A..." else f"&digest={digest_of(b'x' * 28)}"
            return path
        path = recorded.replace("sha256%3A...", digest_of(BLOB).replace(":", "%3A"))
        return path.format(**self.values)

    def form(self, recorded: dict[str, str]) -> dict[str, str]:
        found = {key: value.format(**self.values) for key, value in recorded.items()}
        if found.get("access_token") == "<Entra token>":
            found["access_token"] = self.registry.entra()
        if found.get("refresh_token") == "<JWT>":
            found["refresh_token"] = self.registry.refresh_token()
        return found

    def token(self, request: dict[str, Any], path: str) -> str | None:
        if request["authorization"] is None:
            return None
        if "pull only" in request["authorization"]:
            return self.registry.access_token(f"repository:{REPOSITORY}:pull")
        challenge = self.registry.ask(request["method"], path, auth=None).header("WWW-Authenticate") or ""
        scope = re.search(r'scope="([^"]+)"', challenge)
        assert scope, challenge
        return self.registry.access_token(scope[1])


def pattern(recorded: str, replay_values: dict[str, str], data: str) -> str:
    if recorded in WORDS:
        return WORDS[recorded]
    if RECORDED_TIME.fullmatch(recorded):
        return RECORDED_TIME.pattern
    for name, value in replay_values.items():
        recorded = recorded.replace(f"{{{name}}}", re.escape(value))
    return recorded.replace(STORAGE_HOST, re.escape(data)).replace("...", ".*")


def header_problems(recorded: dict[str, str], answer: Answer, fits: Any) -> Iterator[str]:
    for name, wanted in recorded.items():
        values = [value for key, value in answer.headers if key.lower() == name.lower()]
        if not values or not all(re.fullmatch(fits(wanted), value) for value in values):
            yield f"{name}: {values} where {wanted} was recorded"


def body_problems(recorded: Any, answered: Any, fits: Any, at: str = "body") -> Iterator[str]:
    if isinstance(recorded, dict):
        for key, wanted in recorded.items():
            if not isinstance(answered, dict) or key not in answered:
                yield f"{at}.{key} is missing"
            else:
                yield from body_problems(wanted, answered[key], fits, f"{at}.{key}")
    elif isinstance(recorded, list):
        shown = [one for one in recorded if one != "..."]
        if not isinstance(answered, list) or len(answered) < len(shown):
            yield f"{at}: {answered}"
        else:
            if len(shown) == len(recorded) and len(answered) != len(shown):
                yield f"{at}: {len(answered)} entries"
            for number, (wanted, found) in enumerate(zip(shown, answered, strict=False)):
                yield from body_problems(wanted, found, fits, f"{at}[{number}]")
    elif isinstance(recorded, str):
        # Media types are recorded as they are: their plus is no part of a pattern.
        same = answered == recorded or (isinstance(answered, str) and re.fullmatch(fits(recorded), answered, re.DOTALL))
        if not same:
            yield f"{at}: {answered!r} where {recorded!r} was recorded"
    elif type(recorded) is not type(answered) or (isinstance(recorded, bool) and recorded != answered):
        yield f"{at}: {answered!r} where {recorded!r} was recorded"


def claim_problems(recorded: dict[str, Any], token: str, fits: Any) -> Iterator[str]:
    claims = jwt.decode(token, options={"verify_signature": False})
    for name, wanted in recorded.items():
        if name == "exp - nbf":
            if claims["exp"] - claims["nbf"] != wanted:
                yield f"lives for {claims['exp'] - claims['nbf']} s"
        else:
            wanted = wanted.replace("*", r"\*") if isinstance(wanted, str) else escape_stars(wanted)
            yield from body_problems({name: wanted}, claims, fits, "claims")


def escape_stars(value: Any) -> Any:
    """In claims, a star is a star, not a part of a pattern."""
    return json.loads(json.dumps(value).replace('"*"', r'"\\*"'))


def problems(exchange: dict[str, Any], answer: Answer, fits: Any) -> list[str]:
    found = [] if answer.status == exchange["status"] else [f"{answer.status}, not {exchange['status']}"]
    found += header_problems(exchange.get("headers", {}), answer, fits)
    if exchange["name"] != "the signed URL, with a range":
        found += header_problems(ALWAYS, answer, fits)
        exposed = {value for key, value in answer.headers if key == "Access-Control-Expose-Headers"}
        if exposed != set(ALWAYS["Access-Control-Expose-Headers"].split("|")):
            found.append(f"exposed: {exposed}")
    if "body" in exchange:
        found += body_problems(exchange["body"], answer.json(), fits)
    for kind in ("refresh_token", "access_token"):
        if f"{kind}_claims" in exchange and kind in answer.json():
            found += claim_problems(exchange[f"{kind}_claims"], answer.json()[kind], fits)
    return found


class Replayed:
    def __init__(self, registry: RegistryProcess) -> None:
        self.replay = Replay(registry)
        self.answers = {name: self.replay.play(exchange) for name, exchange in EXCHANGES.items()}
        self.values, self.data = self.replay.values, registry.data

    def fits(self, recorded: str) -> str:
        return pattern(recorded, self.values, self.data)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    registry = RegistryProcess(tmp_path_factory.mktemp("wire"), "--anonymous")
    yield Replayed(registry)
    registry.service.stop()


@pytest.mark.parametrize("name", EXCHANGES)
def test_answers_as_recorded(replayed: Replayed, name: str) -> None:
    assert problems(EXCHANGES[name], replayed.answers[name], replayed.fits) == []


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_answer_without_one_of_its_headers_would_be_noticed(replayed: Replayed, name: str) -> None:
    exchange, answer = EXCHANGES[name], replayed.answers[name]
    headers = list(exchange.get("headers", {}))
    if name != "the signed URL, with a range":
        headers += ALWAYS
    assert headers
    for header in headers:
        without = [one for one in answer.headers if one[0].lower() != header.lower()]
        assert problems(exchange, Answer(answer.status, without, answer.body), replayed.fits), header


def test_every_answer_says_when_it_was_given(replayed: Replayed) -> None:
    """No recording shows it, every server sends it (RFC 9110, 6.6.1), and history is written by it."""
    for answer in replayed.answers.values():
        given = parsedate_to_datetime(answer.header("Date") or "")
        assert abs((datetime.now(UTC) - given).total_seconds()) < 600


def test_an_answer_with_another_body_would_be_noticed(replayed: Replayed) -> None:
    for name, exchange in EXCHANGES.items():
        if "body" in exchange:
            answer = replayed.answers[name]
            assert problems(exchange, Answer(answer.status, answer.headers, b'{"other": 1}'), replayed.fits), name


def test_each_redirect_has_a_fresh_signature_of_twenty_minutes(replayed: Replayed) -> None:
    again = replayed.replay.play(EXCHANGES["blob by GET"])
    urls = [one.header("Location") or "" for one in (replayed.answers["blob by GET"], again)]
    assert urls[0] != urls[1]
    for url in urls:
        end = parse_qs(urlsplit(url).query)["se"][0]
        left = datetime.strptime(end, "%Y-%m-%dT%H:%M:%S%z").timestamp() - time.time()
        assert 1100 < left <= 1200
        assert 300 <= len(url) <= 420  # about 400 characters were seen
