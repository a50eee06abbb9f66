"""The OpenAPI 3.1 document, generated from the models that validate."""

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from acrmirror.http import models
from acrmirror.http.problems import RETRY_STATUSES, TITLES
from acrmirror.http.values import JSON, PROBLEM
from acrmirror.reference import DIGEST_GRAMMAR, REPOSITORY_GRAMMAR, REPOSITORY_LIMIT, TAG_GRAMMAR
from acrmirror.serve.pull_credentials import NAME_GRAMMAR
from acrmirror.work.ids import ID_GRAMMAR

_Schema = dict[str, Any]
_Answer = type[BaseModel] | tuple[type[BaseModel], ...]
"""What is answered; one of several where a path can be read in several ways, none for the document itself."""
_ITSELF: _Schema = {"type": "object", "required": ["openapi", "info", "paths", "components"]}
_REPOSITORY = "A repository's name; each slash in it written as `%2F`, or as it is where nothing else reads the same."


def _text(grammar: str) -> _Schema:
    return {"type": "string", "pattern": f"^(?:{grammar})$"}


@dataclass(frozen=True, slots=True)
class _Header:
    """A header of an answer; `always`, or only where its description says so."""

    name: str
    description: str
    schema: _Schema
    always: bool = True


@dataclass(frozen=True, slots=True)
class _Operation:
    """One call. `answers` are those that are no problems, `problems` the statuses of those that are; `headers` are of
    the answers with that status."""

    method: str
    path: str
    name: str
    summary: str
    answers: dict[int, _Answer]
    problems: tuple[int, ...] = ()
    bodies: tuple[type[BaseModel], ...] = ()
    query: type[BaseModel] = models.NoQuery
    parameters: dict[str, tuple[str, _Schema]] = field(default_factory=dict)
    headers: dict[int, tuple[_Header, ...]] = field(default_factory=dict)
    open: bool = False


_ID = {"id": ("The id that its record has.", _text(ID_GRAMMAR))}
_AUDIT_ID = {"id": ("The id of an audit.", _text(ID_GRAMMAR))}
_NAME = {"repository": (_REPOSITORY, _text(REPOSITORY_GRAMMAR) | {"maxLength": REPOSITORY_LIMIT})}
_IMAGE = _NAME | {"reference": ("A tag or a digest.", _text(f"{TAG_GRAMMAR}|{DIGEST_GRAMMAR}"))}

_HISTORY = {"name": ("A repository, or one tag of it.", _text(f"{REPOSITORY_GRAMMAR}(?::{TAG_GRAMMAR})?"))}

_CREDENTIAL = {"credential": ("The name of a pull credential.", _text(NAME_GRAMMAR))}
_SECONDS: _Schema = {"type": "integer", "minimum": 1}
_PULL = _Header("Location", "Where to follow it.", {"type": "string", "pattern": "^/api/pulls/[0-9a-f-]+$"})
_ARCHIVE = _Header("Location", "Where to follow it.", {"type": "string", "pattern": "^/api/archives/[0-9a-f-]+$"})
_REBUILD = _Header("Location", "Where to follow it.", {"type": "string", "pattern": "^/api/rebuilds/[0-9a-f-]+$"})
_RESTORE = _Header("Location", "Where to follow it.", {"type": "string", "pattern": "^/api/restores/[0-9a-f-]+$"})
_AUDIT = _Header("Location", "Where to follow it.", {"type": "string", "pattern": "^/api/audits/[0-9a-f-]+$"})
_LATER = _Header("Retry-After", "Seconds after which to look again.", _SECONDS)
_MORE = _Header("Link", 'The next page (`rel="next"`), if there is one.', {"type": "string"}, always=False)
_UNKEPT = _Header(
    "Cache-Control", "Of content: its links let in whoever has them.", {"type": "string", "const": "no-store"}, False
)
_UNKEPT_SECRET = _Header("Cache-Control", "It has a password.", {"type": "string", "const": "no-store"})
_UNDER_WAY = _Header("Retry-After", "While it is under way: seconds after which to look again.", _SECONDS, always=False)
_PATIENCE = _Header("Retry-After", "Seconds after which to try again.", _SECONDS)

OPERATIONS = (
    _Operation(
        "post",
        "/pulls",
        "askPull",
        "Copy an image, or many, into the mirror",
        {200: models.Pull, 202: models.Pull},
        (400, 403, 404, 422, 429, 500, 502, 503),
        bodies=(models.PullRequest, models.MatchRequest),
        headers={200: (_PULL,), 202: (_PULL, _LATER)},
    ),
    _Operation(
        "get",
        "/pulls",
        "listPulls",
        "Jobs, newest first",
        {200: models.PullPage},
        (400, 503),
        query=models.PullsQuery,
        headers={200: (_MORE,)},
    ),
    _Operation(
        "get",
        "/pulls/{id}",
        "showPull",
        "One job",
        {200: models.Pull},
        (400, 404, 503),
        parameters=_ID,
        headers={200: (_PULL, _UNDER_WAY)},
    ),
    _Operation(
        "delete",
        "/pulls/{id}",
        "cancelPull",
        "Cancel what is queued or running; what is staged is safe to leave",
        {200: models.Pull, 202: models.Pull},
        (400, 404, 409, 503),
        parameters=_ID,
        headers={200: (_PULL,), 202: (_PULL, _LATER)},
    ),
    _Operation(
        "post",
        "/pulls/{id}/retry",
        "retryPull",
        "A failed, gone or cancelled job once more",
        {202: models.Pull},
        (400, 404, 409, 503),
        parameters=_ID,
        headers={202: (_PULL, _LATER)},
    ),
    _Operation(
        "post",
        "/audits",
        "askAudit",
        "Read again what is in the mirror; or the audit that does it already",
        {202: models.Audit},
        (400, 503),
        headers={202: (_AUDIT, _LATER)},
    ),
    _Operation(
        "get",
        "/audits",
        "listAudits",
        "Audits, newest first, and whether each report is there as it was written",
        {200: models.AuditPage},
        (400, 503),
        query=models.AuditsQuery,
        headers={200: (_MORE,)},
    ),
    _Operation(
        "get",
        "/audits/{id}",
        "showAudit",
        "One audit, and what it found",
        {200: models.Audit},
        (400, 404, 503),
        parameters=_AUDIT_ID,
        headers={200: (_AUDIT, _UNDER_WAY)},
    ),
    _Operation(
        "get",
        "/images",
        "listRepositories",
        "Repositories of the mirror",
        {200: models.RepositoryPage},
        (400, 503),
        query=models.RepositoriesQuery,
        headers={200: (_MORE,)},
    ),
    _Operation(
        "get",
        "/images/{repository}",
        "listTags",
        "Tags of a repository, as they are or were",
        {200: models.TagPage},
        (400, 404, 422, 503),
        query=models.TagsQuery,
        parameters=_NAME,
        headers={200: (_MORE,)},
    ),
    _Operation(
        "get",
        "/images/{repository}/{reference}",
        "showImage",
        "One image: platforms, layers, referrers, the tag's history; the tags of a repository that reads the same",
        {200: (models.Image, models.TagPage)},
        (400, 404, 422, 502, 503),
        query=models.ImageQuery,
        parameters=_IMAGE,
    ),
    _Operation(
        "get",
        "/images/{repository}/{reference}/content",
        "showContent",
        "An image's manifests, and short-lived links straight to its blobs; or the image or repository so named",
        {200: (models.ImageContent, models.Image, models.TagPage)},
        (400, 404, 422, 502, 503),
        query=models.ContentQuery,
        parameters=_IMAGE,
        headers={200: (_UNKEPT,)},
    ),
    _Operation(
        "get",
        "/history/{name}",
        "showHistory",
        "What moved in a repository, or one tag of it, and when; or what was deleted at the registry",
        {200: models.HistoryPage},
        (400, 404, 503),
        query=models.HistoryQuery,
        parameters=_HISTORY,
        headers={200: (_MORE,)},
    ),
    _Operation(
        "post",
        "/archives",
        "requestArchive",
        "Have storage put images into one archive",
        {202: models.Archive},
        (400, 404, 422, 502, 503),
        bodies=(models.ArchiveRequest,),
        headers={202: (_ARCHIVE, _LATER)},
    ),
    _Operation(
        "get",
        "/archives/{id}",
        "showArchive",
        "One archive: how far it is, and a link to it",
        {200: models.Archive},
        (400, 404, 503),
        query=models.ArchiveQuery,
        parameters=_ID,
        headers={200: (_ARCHIVE, _UNDER_WAY)},
    ),
    _Operation(
        "delete",
        "/archives/{id}",
        "cancelArchive",
        "Cancel an archive that is not done",
        {200: models.Archive, 202: models.Archive},
        (400, 404, 409, 503),
        parameters=_ID,
        headers={200: (_ARCHIVE,), 202: (_ARCHIVE, _LATER)},
    ),
    _Operation(
        "post",
        "/rebuilds",
        "requestRebuild",
        "Make links of tags anew from history",
        {202: models.Rebuild},
        (400, 503),
        bodies=(models.RebuildRequest,),
        headers={202: (_REBUILD, _LATER)},
    ),
    _Operation(
        "get",
        "/rebuilds/{id}",
        "showRebuild",
        "One rebuild of tags: how far it is, and what it set",
        {200: models.Rebuild},
        (400, 404, 503),
        parameters=_ID,
        headers={200: (_REBUILD, _UNDER_WAY)},
    ),
    _Operation(
        "post",
        "/credentials",
        "createCredential",
        "Make a pull credential, and tell its password once",
        {201: models.NewCredential},
        (400, 409, 503),
        bodies=(models.CredentialRequest,),
        headers={201: (_UNKEPT_SECRET,)},
    ),
    _Operation(
        "get",
        "/credentials",
        "listCredentials",
        "Pull credentials, without their passwords",
        {200: models.CredentialList},
        (400, 503),
    ),
    _Operation(
        "delete",
        "/credentials/{credential}",
        "revokeCredential",
        "Revoke a pull credential; instances may take it for a minute more",
        {200: models.PullCredential},
        (400, 404, 503),
        parameters=_CREDENTIAL,
    ),
    _Operation(
        "post",
        "/restores",
        "requestRestore",
        "Copy images of the mirror into a registry that settings name",
        {202: models.Restore},
        (400, 503),
        bodies=(models.RestoreRequest,),
        headers={202: (_RESTORE, _LATER)},
    ),
    _Operation(
        "get",
        "/restores/{id}",
        "showRestore",
        "One restore: how far it is, and what was refused and why",
        {200: models.Restore},
        (400, 404, 503),
        parameters=_ID,
        headers={200: (_RESTORE, _UNDER_WAY)},
    ),
    _Operation(
        "delete",
        "/restores/{id}",
        "cancelRestore",
        "Cancel a restore, and its images that are not done",
        {200: models.Restore, 202: models.Restore},
        (400, 404, 409, 503),
        parameters=_ID,
        headers={200: (_RESTORE,), 202: (_RESTORE, _LATER)},
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
    _Operation("get", "/openapi.json", "openapi", "This document", {200: ()}, (400,)),
)


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


def _responses(operation: _Operation) -> dict[str, Any]:
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


def _headers(*headers: _Header) -> dict[str, Any]:
    return {it.name: {"description": it.description, "required": it.always, "schema": it.schema} for it in headers}


def _models(answer: _Answer) -> tuple[type[BaseModel], ...]:
    return answer if isinstance(answer, tuple) else (answer,)


def _one_of(known: tuple[type[BaseModel], ...]) -> _Schema:
    references = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in known]
    return references[0] if len(references) == 1 else {"oneOf": references}


def _reference(model: type[BaseModel]) -> _Schema:
    return _one_of((model,))
