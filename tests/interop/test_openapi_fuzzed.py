"""schemathesis asks the API what its OpenAPI document allows, and much that it does not: every answer is one that the
document describes, in status, headers and body, and none is a server's error."""

import random
import time
import uuid
from collections import Counter
from typing import Any, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from standins.process import wait_for
from standins.stack import Stack
from testkit.images import multi_arch, oci_image, signature, together
from tests.integration.http_api import Caller
from tests.integration.mirroring import mirroring

LEAST = 2000
RIGHT, WRONG = 70, 30
"""Requests to each call as the document has it, and against it in some way."""
ALL_ALIKE = {"GET /health": 10, "GET /live": 1, "GET /openapi.json": 10, "GET /stats": 10}
"""Calls without a parameter need only a few."""
KEY = "x-functions-key"
SLOW = "slow"
FUZZING: dict[str, Any] = {
    "database": None,
    "derandomize": True,
    "deadline": None,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

pytestmark = pytest.mark.interop


class Known:
    """What is there: without it nearly all requests would be for what is not."""

    def __init__(self, stack: Stack) -> None:
        self.call = Caller.of(stack)
        name = uuid.uuid4().hex[:8]
        self.images: list[tuple[str, str]] = []
        self.jobs: list[str] = []
        self.made: dict[str, str] = {}
        with mirroring(stack) as mirror:
            for repository, image in (
                (f"team/{name}", multi_arch(name, 2)),
                (name, together(one := oci_image(name), signature(name, one.root))),
                (f"{name}/content", oci_image(f"{name} content", tag="content")),
            ):
                mirror.push(repository, image)
                self.images += [(repository, image.tag or ""), (repository, str(image.root.digest))]
                self._ask({"image": f"{repository}:{image.tag}"}, "done")
            mirror.push(SLOW, slow := oci_image(SLOW, (4 * 1024 * 1024,)))
        layer = slow.blobs[-1].descriptor.digest.encoded
        stack.registry.set_faults([{"match": {"kind": "data", "path": layer}, "do": {"bandwidth_mbps": 0.01}}])
        self._ask({"image": f"{name}:latest", "platforms": ["linux/s390x"], "wait": 60}, "failed")
        self._ask({"image": f"team/{name}:latest", "platforms": ["linux/s390x"]}, "failed")
        self._ask({"match": ["*"], "dry_run": True}, None)

    def _ask(self, body: dict[str, Any], state: str | None) -> None:
        got = self.call("POST", "pulls", body | ({"wait": 60} if "image" in body else {})).json
        assert state is None or got["state"] == state, got
        self.jobs.append(got["id"])

    def put_into(self, case: Any, choice: random.Random) -> None:
        """Half of the requests are for what is there; one in twenty has no key; few pulls wait, for a second."""
        case.headers = {name: value for name, value in (case.headers or {}).items() if name.lower() != KEY}
        if choice.random() < 0.95:
            case.headers[KEY] = self.call.key
        if case.query:
            case.query.pop("code", None)
        if case.method != "GET" and case.path_parameters and choice.random() < 0.3:
            self._ask({"match": ["*"], "dry_run": True}, "queued")
            if case.method == "POST":
                # Sweeps have a queue of their own: it may be running by now, or have ended.
                assert self.call("DELETE", f"pulls/{self.jobs[-1]}").status in (200, 202, 409)
                assert wait_for(
                    lambda: self.call("GET", f"pulls/{self.jobs[-1]}").json["state"] in ("cancelled", "done"), 60
                )
        repository, reference = choice.choice(self.images)
        there = {
            "id": self._id_for(case.operation.path.split("/")[1], case.method, repository, reference, choice),
            "repository": repository,
            "reference": reference,
            "name": repository,
            "credential": "known",
        }
        if "credential" in (case.path_parameters or {}):
            assert self.call("POST", "credentials", {"name": "known"}).status in (201, 409)
        for name in case.path_parameters or {}:
            if name in there and choice.random() < 0.5:
                case.path_parameters[name] = there[name]
        body = case.body
        if isinstance(body, dict):
            if "image" in body and choice.random() < 0.5:
                body["image"] = f"{repository}{'@' if ':' in reference else ':'}{reference}"
            if "match" in body and choice.random() < 0.5:
                body["match"] = [repository]
            # What goes with these is hardly ever of something that is there: half of them have nothing else.
            if choice.random() < 0.5:
                if "patterns" in body:
                    case.body = body = {"patterns": [repository]}
                elif "images" in body:
                    case.body = body = {"images": [f"{repository}{'@' if ':' in reference else ':'}{reference}"]}
            if isinstance(body.get("wait"), int):
                body["wait"] = min(body["wait"], int(choice.random() < 0.2))

    def _id_for(self, kind: str, method: str, repository: str, reference: str, choice: random.Random) -> str:
        """The id of something of that kind: of the same one each time, and of a new one where it is to be cancelled."""
        if kind not in ("archives", "audits", "rebuilds", "restores"):
            return choice.choice(self.jobs[-6:])
        if kind not in self.made or (method == "DELETE" and choice.random() < 0.3):
            image = f"{repository}{'@' if ':' in reference else ':'}{reference}"
            bodies = {"archives": {"images": [image]}, "audits": None, "restores": {"patterns": [repository]}}
            got = self.call("POST", kind, bodies.get(kind, {"match": [repository]}))
            assert got.status in (200, 202), got.json
            self.made[kind] = got.json["id"]
        return self.made[kind]

    def block(self) -> None:
        """The only worker is busy from now on: what is requested is queued, and can be cancelled and tried again."""
        got = self.call("POST", "pulls", {"image": SLOW}).json
        until = time.monotonic() + 60
        while self.call("GET", f"pulls/{got['id']}").json["state"] != "running":
            assert time.monotonic() < until
            time.sleep(0.1)
        self.jobs = self.jobs[:6]


def test_every_answer_is_one_that_the_document_describes(make_stack: Any) -> None:
    stack: Stack = make_stack(settings={"MIRROR_NOT_FOUND_SECONDS": "1"}, target=True)
    stack.registry.set_event_manner(hold=True)
    known = Known(stack)
    load_all_checks()
    schema = schemathesis.openapi.from_dict(known.call("GET", "openapi.json").json)
    schema.config.update(base_url=f"{stack.functions.url}/api/v1")
    answers: Counter[tuple[str, int]] = Counter()
    with requests.Session() as session:

        def ask(case: Any, choice: random.Random) -> None:
            known.put_into(case, choice)
            response = case.call(session=session)
            answers[case.operation.label, response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        for operation in (it.ok() for it in cast(Any, schema).get_all_operations()):
            if operation.label == "DELETE /pulls/{id}":
                known.block()
            for mode, count in ((GenerationMode.POSITIVE, RIGHT), (GenerationMode.NEGATIVE, WRONG)):
                if operation.label == "GET /live" and mode is GenerationMode.NEGATIVE:
                    continue  # it takes nothing, so that nothing can be wrong
                cases = operation.as_strategy(generation_mode=mode)
                fuzz = given(case=cases, choice=st.randoms(use_true_random=False))(ask)
                settings(max_examples=ALL_ALIKE.get(operation.label, count), **FUZZING)(fuzz)()
    for (label, status), count in sorted(answers.items()):
        print(f"{label:48} {status} {count:5}")
    print(f"{answers.total()} requests")
    assert answers.total() >= LEAST
    for label in {label for label, _ in answers}:
        assert any(status < 300 for name, status in answers if name == label), f"{label} never did anything"
