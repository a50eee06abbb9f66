"""What the API takes and gives. The OpenAPI document is generated from these models, and they are what validates."""

from acrmirror.http.models.app import CheckResult, HealthReport, Live, RefusedEvent
from acrmirror.http.models.base import Model
from acrmirror.http.models.failures import ErrorDetails, FieldError, Problem
from acrmirror.http.models.images import (
    BlobEntry,
    Image,
    ImageContent,
    ImageVariant,
    LinkedBlob,
    ManifestText,
    Referrer,
    RepositoryPage,
    Seen,
    Tag,
    TagPage,
)
from acrmirror.http.models.pulls import Check, Layer, Match, Progress, Pull, PullPage
from acrmirror.http.models.requests import (
    ContentQuery,
    Given,
    MatchRequest,
    NoQuery,
    PageQuery,
    PullRequest,
    PullsQuery,
    RepositoriesQuery,
)

__all__ = [
    "BlobEntry",
    "Check",
    "CheckResult",
    "ContentQuery",
    "ErrorDetails",
    "FieldError",
    "Given",
    "HealthReport",
    "Image",
    "ImageContent",
    "ImageVariant",
    "Layer",
    "LinkedBlob",
    "Live",
    "ManifestText",
    "Match",
    "MatchRequest",
    "Model",
    "NoQuery",
    "PageQuery",
    "Problem",
    "Progress",
    "Pull",
    "PullPage",
    "PullRequest",
    "PullsQuery",
    "Referrer",
    "RefusedEvent",
    "RepositoriesQuery",
    "RepositoryPage",
    "Seen",
    "Tag",
    "TagPage",
]
