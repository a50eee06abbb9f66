"""The OpenAPI document: it is what the models say."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from acrmirror.errors import MirrorError
from acrmirror.http import models, openapi
from acrmirror.http.models.base import Model
from acrmirror.http.openapi import document
from acrmirror.http.operations import OPERATIONS
from acrmirror.http.problems import STATUSES, TITLES, InvalidRequest, problem

DOCUMENT: dict[str, Any] = json.loads(document())


def subclasses(kind: type[MirrorError]) -> set[type[MirrorError]]:
    return {kind, *(found for it in kind.__subclasses__() for found in subclasses(it))}


def test_every_schema_allows_nothing_beyond_itself() -> None:
    objects = [it for it in DOCUMENT["components"]["schemas"].values() if it["type"] == "object"]
    assert len(objects) > 10
    assert all(it["additionalProperties"] is False for it in objects)


def test_every_field_of_a_model_is_in_it() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        model = getattr(models, name)
        assert issubclass(model, BaseModel)
        assert set(schema["properties"]) == set(model.model_fields)


def test_a_field_that_is_renamed_is_renamed_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = create_model("Live", __base__=Model, alive=(bool, True))
    operations = [replace(it, answers={200: renamed}) if it.name == "live" else it for it in OPERATIONS]
    monkeypatch.setattr(openapi, "OPERATIONS", tuple(operations))
    changed = json.loads(document.__wrapped__())
    assert changed != DOCUMENT
    assert set(changed["components"]["schemas"]["Live"]["properties"]) == {"alive"}
    assert changed["components"]["schemas"]["Pull"] == DOCUMENT["components"]["schemas"]["Pull"]


def test_every_reference_leads_somewhere() -> None:
    text = document().decode()
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in DOCUMENT["components"]["schemas"]


def test_every_call_needs_a_key_but_live() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for told in methods.values():
            assert (told.get("security") == []) == (path == "/live")
            assert ("401" in told["responses"]) == (path != "/live")


def test_what_can_be_too_long_for_the_platform_says_so() -> None:
    for methods in DOCUMENT["paths"].values():
        for told in methods.values():
            assert ("414" in told["responses"]) == bool(told["parameters"])


def test_queries_are_described_as_they_are_checked() -> None:
    parameters = {it["name"]: it for it in DOCUMENT["paths"]["/pulls"]["get"]["parameters"]}
    assert set(parameters) == {"state", "repository", "n", "last"}
    assert parameters["n"]["schema"] == {"default": 50, "maximum": 1000, "minimum": 1, "type": "integer"}
    assert "interrupted" in parameters["state"]["schema"]["enum"]


def test_whoever_has_to_wait_is_told_how_long() -> None:
    for methods in DOCUMENT["paths"].values():
        for told in methods.values():
            for status, response in told["responses"].items():
                problem = "application/problem+json" in response.get("content", {})
                if status == "202" or (problem and status in ("429", "503")):
                    assert response["headers"]["Retry-After"]["required"]


def test_operations_have_names_of_their_own() -> None:
    assert len({it.name for it in OPERATIONS}) == len(OPERATIONS)


# What the client makes of an answer is not what the app answers.
KINDS = {it for it in subclasses(MirrorError) if not it.__module__.startswith("acrmirror.client")} - {InvalidRequest}


@pytest.mark.parametrize("kind", sorted(KINDS, key=str))
def test_every_error_becomes_a_problem_that_says_what_to_do(kind: type[MirrorError]) -> None:
    made = problem(kind("pull team/app", "it answered 418", "Ask for coffee."))
    body = json.loads(made.body)
    assert made.media_type == "application/problem+json"
    assert body["status"] == made.status
    assert body["title"] == TITLES[made.status]
    assert body["remedy"] == "Ask for coffee."
    assert (made.status in (429, 503)) == ("Retry-After" in made.headers)
    assert kind.code in STATUSES or made.status == 500 or made.status == 403
