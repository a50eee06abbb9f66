"""The OpenAPI 3.1 document, generated from the models that validate."""

import json
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from acrmirror.http import models
from acrmirror.http.operation import Answer, Header, Operation, Schema
from acrmirror.http.operations import OPERATIONS
from acrmirror.http.problems import RETRY_STATUSES, TITLES
from acrmirror.http.shapes import SECONDS
from acrmirror.http.values import JSON, PROBLEM, V1

_ITSELF: Schema = {"type": "object", "required": ["openapi", "info", "paths", "components"]}
_PATIENCE = Header("Retry-After", "Seconds after which to try again.", SECONDS)


@cache
def document() -> bytes:
    """The same bytes each time; HEAD is taken wherever GET is."""
    return json.dumps(_document(), ensure_ascii=False, sort_keys=True).encode()


def _document() -> dict[str, Any]:
    known: list[type[BaseModel]] = [models.Problem]
    for operation in OPERATIONS:
        known += [model for answer in operation.answers.values() for model in _models(answer)]
        known += operation.bodies
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
        "servers": [{"url": V1}],
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


def _described(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "description": text, "schema": schema}
            for name, (text, schema) in operation.parameters.items()
        ]
        + _query_parameters(operation.query),
        "responses": _responses(operation),
    }
    if operation.bodies:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": _one_of(operation.bodies)}}}
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


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in operation.answers.items():
        responses[str(status)] = {
            "description": operation.summary,
            "content": {JSON: {"schema": _one_of(_models(answer)) if answer else _ITSELF}},
        }
        if status in operation.headers:
            responses[str(status)]["headers"] = _headers(*operation.headers[status])
    for status in operation.problems:
        problem: dict[str, Any] = {
            "description": TITLES[status],
            "content": {PROBLEM: {"schema": _reference(models.Problem)}},
        }
        if status in RETRY_STATUSES:
            problem["headers"] = _headers(_PATIENCE)
        responses.setdefault(str(status), problem)
    if not operation.open:
        responses["401"] = {"description": "No key, or a wrong one"}
    if operation.parameters or _query_parameters(operation.query):
        responses["414"] = {"description": "The address is longer than the 8 kB that the platform takes"}
    return responses


def _headers(*headers: Header) -> dict[str, Any]:
    return {it.name: {"description": it.description, "required": it.always, "schema": it.schema} for it in headers}


def _models(answer: Answer) -> tuple[type[BaseModel], ...]:
    return answer if isinstance(answer, tuple) else (answer,)


def _one_of(known: tuple[type[BaseModel], ...]) -> Schema:
    references = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in known]
    return references[0] if len(references) == 1 else {"oneOf": references}


def _reference(model: type[BaseModel]) -> Schema:
    return _one_of((model,))
