"""All calls of the API: what each takes, and what it answers."""

from acrmirror.http import models
from acrmirror.http.operation import Header, Operation, Schema, text_of
from acrmirror.http.values import V1
from acrmirror.reference import DIGEST_GRAMMAR, REPOSITORY_GRAMMAR, REPOSITORY_LIMIT, TAG_GRAMMAR
from acrmirror.serve.pull_credentials import NAME_GRAMMAR
from acrmirror.work.ids import ID_GRAMMAR

_REPOSITORY = "A repository's name; each slash in it written as `%2F`, or as it is where nothing else reads the same."
_ID = {"id": ("The id that its record has.", text_of(ID_GRAMMAR))}
_AUDIT_ID = {"id": ("The id of an audit.", text_of(ID_GRAMMAR))}
_NAME = {"repository": (_REPOSITORY, text_of(REPOSITORY_GRAMMAR) | {"maxLength": REPOSITORY_LIMIT})}
_IMAGE = _NAME | {"reference": ("A tag or a digest.", text_of(f"{TAG_GRAMMAR}|{DIGEST_GRAMMAR}"))}

_HISTORY = {"name": ("A repository, or one tag of it.", text_of(f"{REPOSITORY_GRAMMAR}(?::{TAG_GRAMMAR})?"))}

_CREDENTIAL = {"credential": ("The name of a pull credential.", text_of(NAME_GRAMMAR))}
SECONDS: Schema = {"type": "integer", "minimum": 1}
_PULL = Header("Location", "Where to follow it.", {"type": "string", "pattern": f"^{V1}/pulls/[0-9a-f-]+$"})
_ARCHIVE = Header("Location", "Where to follow it.", {"type": "string", "pattern": f"^{V1}/archives/[0-9a-f-]+$"})
_REBUILD = Header("Location", "Where to follow it.", {"type": "string", "pattern": f"^{V1}/rebuilds/[0-9a-f-]+$"})
_RESTORE = Header("Location", "Where to follow it.", {"type": "string", "pattern": f"^{V1}/restores/[0-9a-f-]+$"})
_AUDIT = Header("Location", "Where to follow it.", {"type": "string", "pattern": f"^{V1}/audits/[0-9a-f-]+$"})
_LATER = Header("Retry-After", "Seconds after which to look again.", SECONDS)
_MORE = Header("Link", 'The next page (`rel="next"`), if there is one.', {"type": "string"}, always=False)
_UNKEPT = Header(
    "Cache-Control", "Of content: its links let in whoever has them.", {"type": "string", "const": "no-store"}, False
)
_UNKEPT_SECRET = Header("Cache-Control", "It has a password.", {"type": "string", "const": "no-store"})
_UNDER_WAY = Header("Retry-After", "While it is under way: seconds after which to look again.", SECONDS, always=False)

OPERATIONS = (
    Operation(
        "post",
        "/pulls",
        "askPull",
        "Copy an image, or many, into the mirror",
        {200: models.Pull, 202: models.Pull},
        (400, 403, 404, 422, 429, 500, 502, 503),
        bodies=(models.PullRequest, models.MatchRequest),
        headers={200: (_PULL,), 202: (_PULL, _LATER)},
    ),
    Operation(
        "get",
        "/pulls",
        "listPulls",
        "Jobs, newest first",
        {200: models.PullPage},
        (400, 503),
        query=models.PullsQuery,
        headers={200: (_MORE,)},
    ),
    Operation(
        "get",
        "/pulls/{id}",
        "showPull",
        "One job",
        {200: models.Pull},
        (400, 404, 503),
        parameters=_ID,
        headers={200: (_PULL, _UNDER_WAY)},
    ),
    Operation(
        "delete",
        "/pulls/{id}",
        "cancelPull",
        "Cancel what is queued or running; what is staged is safe to leave",
        {200: models.Pull, 202: models.Pull},
        (400, 404, 409, 503),
        parameters=_ID,
        headers={200: (_PULL,), 202: (_PULL, _LATER)},
    ),
    Operation(
        "post",
        "/pulls/{id}/retry",
        "retryPull",
        "A failed, gone or cancelled job once more",
        {202: models.Pull},
        (400, 404, 409, 503),
        parameters=_ID,
        headers={202: (_PULL, _LATER)},
    ),
    Operation(
        "post",
        "/audits",
        "askAudit",
        "Read again what is in the mirror; or the audit that does it already",
        {202: models.Audit},
        (400, 503),
        headers={202: (_AUDIT, _LATER)},
    ),
    Operation(
        "get",
        "/audits",
        "listAudits",
        "Audits, newest first, and whether each report is there as it was written",
        {200: models.AuditPage},
        (400, 503),
        query=models.AuditsQuery,
        headers={200: (_MORE,)},
    ),
    Operation(
        "get",
        "/audits/{id}",
        "showAudit",
        "One audit, and what it found",
        {200: models.Audit},
        (400, 404, 503),
        parameters=_AUDIT_ID,
        headers={200: (_AUDIT, _UNDER_WAY)},
    ),
    Operation(
        "delete",
        "/audits/{id}",
        "cancelAudit",
        "Cancel an audit that is under way",
        {200: models.Audit},
        (400, 404, 409, 503),
        parameters=_AUDIT_ID,
        headers={200: (_AUDIT,)},
    ),
    Operation(
        "get",
        "/images",
        "listRepositories",
        "Repositories of the mirror",
        {200: models.RepositoryPage},
        (400, 503),
        query=models.RepositoriesQuery,
        headers={200: (_MORE,)},
    ),
    Operation(
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
    Operation(
        "get",
        "/images/{repository}/{reference}",
        "showImage",
        "One image: platforms, layers, referrers, the tag's history; the tags of a repository that reads the same",
        {200: (models.Image, models.TagPage)},
        (400, 404, 422, 502, 503),
        query=models.ImageQuery,
        parameters=_IMAGE,
    ),
    Operation(
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
    Operation(
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
    Operation(
        "post",
        "/archives",
        "requestArchive",
        "Have storage put images into one archive",
        {202: models.Archive},
        (400, 404, 422, 502, 503),
        bodies=(models.ArchiveRequest,),
        headers={202: (_ARCHIVE, _LATER)},
    ),
    Operation(
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
    Operation(
        "delete",
        "/archives/{id}",
        "cancelArchive",
        "Cancel an archive that is not done",
        {200: models.Archive, 202: models.Archive},
        (400, 404, 409, 503),
        parameters=_ID,
        headers={200: (_ARCHIVE,), 202: (_ARCHIVE, _LATER)},
    ),
    Operation(
        "post",
        "/rebuilds",
        "requestRebuild",
        "Make links of tags anew from history",
        {202: models.Rebuild},
        (400, 503),
        bodies=(models.RebuildRequest,),
        headers={202: (_REBUILD, _LATER)},
    ),
    Operation(
        "get",
        "/rebuilds/{id}",
        "showRebuild",
        "One rebuild of tags: how far it is, and what it set",
        {200: models.Rebuild},
        (400, 404, 503),
        parameters=_ID,
        headers={200: (_REBUILD, _UNDER_WAY)},
    ),
    Operation(
        "post",
        "/credentials",
        "createCredential",
        "Make a pull credential, and tell its password once",
        {201: models.NewCredential},
        (400, 409, 503),
        bodies=(models.CredentialRequest,),
        headers={201: (_UNKEPT_SECRET,)},
    ),
    Operation(
        "get",
        "/credentials",
        "listCredentials",
        "Pull credentials, without their passwords",
        {200: models.CredentialList},
        (400, 503),
    ),
    Operation(
        "delete",
        "/credentials/{credential}",
        "revokeCredential",
        "Revoke a pull credential; instances may take it for a minute more",
        {200: models.PullCredential},
        (400, 404, 503),
        parameters=_CREDENTIAL,
    ),
    Operation(
        "post",
        "/restores",
        "requestRestore",
        "Copy images of the mirror into a registry that settings name",
        {202: models.Restore},
        (400, 503),
        bodies=(models.RestoreRequest,),
        headers={202: (_RESTORE, _LATER)},
    ),
    Operation(
        "get",
        "/restores/{id}",
        "showRestore",
        "One restore: how far it is, and what was refused and why",
        {200: models.Restore},
        (400, 404, 503),
        parameters=_ID,
        headers={200: (_RESTORE, _UNDER_WAY)},
    ),
    Operation(
        "delete",
        "/restores/{id}",
        "cancelRestore",
        "Cancel a restore, and its images that are not done",
        {200: models.Restore, 202: models.Restore},
        (400, 404, 409, 503),
        parameters=_ID,
        headers={200: (_RESTORE,), 202: (_RESTORE, _LATER)},
    ),
    Operation(
        "get",
        "/health",
        "health",
        "Whether settings, registry, storage and queue are in order, and which role is missing if not",
        {200: models.HealthReport, 503: models.HealthReport},
        (400,),
    ),
    Operation("get", "/stats", "stats", "The mirror in figures", {200: models.Stats}, (400, 429, 503)),
    Operation("get", "/live", "live", "That it runs", {200: models.Live}, open=True),
    Operation("get", "/openapi.json", "openapi", "This document", {200: ()}, (400,)),
)
