"""The OpenAPI 3.1 document, generated from the models that validate."""

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from acrmirror.http import models
from acrmirror.http.values import JSON, PROBLEM

_REPOSITORY = "A repository's name; each slash in it written as `%2F`, or as it is where no tag reads the same."


@dataclass(frozen=True, slots=True)
class _Operation:
    """One call. `answers` are those that are no problems, `problems` the statuses of those that are."""

    method: str
    path: str
    name: str
    summary: str
    answers: dict[int, type[BaseModel]]
    problems: tuple[int, ...] = ()
    bodies: tuple[type[BaseModel], ...] = ()
    query: type[BaseModel] = models.NoQuery
    parameters: dict[str, str] = field(default_factory=dict)
    open: bool = False


_ID = {"id": "The id of a pull."}
_IMAGE = {"repository": _REPOSITORY, "reference": "A tag or a digest."}

OPERATIONS = (
    _Operation(
        "post",
        "/pulls",
        "askPull",
        "Bring an image, or many, into the mirror",
        {200: models.Pull, 202: models.Pull},
        (400, 403, 404, 422, 429, 502, 503),
        bodies=(models.PullRequest, models.MatchRequest),
    ),
    _Operation(
        "get",
        "/pulls",
        "listPulls",
        "Jobs, newest first",
        {200: models.PullPage},
        (400, 409, 503),
        query=models.PullsQuery,
    ),
    _Operation("get", "/pulls/{id}", "showPull", "One job", {200: models.Pull}, (400, 404, 503), parameters=_ID),
    _Operation(
        "delete",
        "/pulls/{id}",
        "cancelPull",
        "Cancel what is queued or running; what is staged is safe to leave",
        {200: models.Pull, 202: models.Pull},
        (400, 404, 409, 503),
        parameters=_ID,
    ),
    _Operation(
        "post",
        "/pulls/{id}/retry",
        "retryPull",
        "A failed, gone or cancelled job once more",
        {202: models.Pull},
        (400, 404, 409, 503),
        parameters=_ID,
    ),
    _Operation(
        "get",
        "/images",
        "listRepositories",
        "Repositories of the mirror",
        {200: models.RepositoryPage},
        (400, 503),
        query=models.PageQuery,
    ),
    _Operation(
        "get",
        "/images/{repository}",
        "listTags",
        "Tags of a repository",
        {200: models.TagPage},
        (400, 404, 422, 503),
        query=models.PageQuery,
        parameters={"repository": _REPOSITORY},
    ),
    _Operation(
        "get",
        "/images/{repository}/{reference}",
        "showImage",
        "One image: platforms, layers, referrers, the tag's history",
        {200: models.Image},
        (400, 404, 422, 502, 503),
        parameters=_IMAGE,
    ),
    _Operation(
        "get",
        "/images/{repository}/{reference}/content",
        "showContent",
        "An image's manifests, and short-lived links straight to its blobs",
        {200: models.ImageContent},
        (400, 404, 422, 502, 503),
        query=models.ContentQuery,
        parameters=_IMAGE,
    ),
    _Operation(
        "get",
        "/health",
        "health",
        "Whether settings, registry, storage and queue are in order, and which role is missing if not",
        {200: models.HealthReport, 503: models.HealthReport},
        (400,),
    ),
    _Operation("get", "/live", "live", "That it runs", {200: models.Live}, open=True),
)


@cache
def document() -> bytes:
    """The same bytes each time; HEAD is taken wherever GET is."""
    return json.dumps(_document(), ensure_ascii=False, sort_keys=True).encode()


def _document() -> dict[str, Any]:
    known: list[type[BaseModel]] = [models.Problem]
    for operation in OPERATIONS:
        known += [*operation.answers.values(), *operation.bodies]
    schemas = [(model, "validation" if issubclass(model, models.Given) else "serialization") for model in known]
    _, definitions = models_json_schema(
        list(dict.fromkeys(schemas)),  # type: ignore[arg-type]
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "acrmirror",
            "version": "1",
            "description": "Images that are pushed to a container registry, mirrored into Blob Storage; pulls by hand.",
        },
        "servers": [{"url": "/api"}],
        "security": [{"header": []}, {"query": []}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "header": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "query": {"type": "apiKey", "in": "query", "name": "code"},
            },
        },
    }


def _described(operation: _Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in operation.parameters.items()
        ]
        + _query_parameters(operation.query),
        "responses": _responses(operation),
    }
    if operation.bodies:
        schema = {"oneOf": [_reference(body) for body in operation.bodies]}
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    if operation.open:
        described["security"] = []
    return described


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    parameters = []
    for name, told in schema.get("properties", {}).items():
        described = {key: value for key, value in told.items() if key not in ("description", "title")}
        choices = described.pop("anyOf", None)
        if choices is not None:
            # A parameter that is left out is None; none that is given can be.
            described.update(next(it for it in choices if it != {"type": "null"}))
            described.pop("default", None)
        parameters.append(
            {"name": name, "in": "query", "description": told.get("description", ""), "schema": described}
        )
    return parameters


def _responses(operation: _Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, model in operation.answers.items():
        responses[str(status)] = {
            "description": operation.summary,
            "content": {JSON: {"schema": _reference(model)}},
        }
        if operation.name in ("askPull", "cancelPull", "retryPull", "showPull"):
            responses[str(status)]["headers"] = {
                "Location": {"schema": {"type": "string"}},
                "Retry-After": {"schema": {"type": "integer"}},
            }
    for status in operation.problems:
        responses.setdefault(
            str(status),
            {"description": "What went wrong", "content": {PROBLEM: {"schema": _reference(models.Problem)}}},
        )
    if not operation.open:
        responses["401"] = {"description": "No key, or a wrong one"}
    return responses


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
