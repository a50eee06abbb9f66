"""What the API takes: bodies and queries."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from acrmirror.http.models.base import Model
from acrmirror.http.models.jobs import JobKind
from acrmirror.patterns import PATTERN_GRAMMAR
from acrmirror.platforms import PLATFORM_GRAMMAR
from acrmirror.reference import DIGEST_GRAMMAR, REFERENCE_GRAMMAR
from acrmirror.work import State
from acrmirror.work.archive import Form
from acrmirror.work.ids import ID_GRAMMAR

BLOBS_LIMIT = 2000
WAIT_LIMIT = 60
PAGE_LIMIT = 1000
IMAGES_LIMIT = 100
"""Of one archive: their names have to fit into a message and a record."""


def told(grammar: str) -> dict[str, JsonValue]:
    """A pattern that the document tells of; what parses the value says what is wrong with it, better than a pattern."""
    return {"pattern": f"^(?:{grammar})$"}


class Given(BaseModel):
    """What comes in: wrong types are refused rather than converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


At = Annotated[
    str | None,
    Field(
        max_length=60,
        description="As it was at this moment, by history: a day (its end in UTC) or a time with an offset.",
        examples=["2026-11-01", "2026-11-01T12:00:00Z"],
    ),
]


class PullRequest(Given):
    """One image to copy into the mirror."""

    image: Annotated[
        str,
        Field(
            min_length=1,
            max_length=600,
            description="Repository with a tag or a digest, with or without the registry's host; no tag is `latest`.",
            examples=["team/app:1.2"],
            json_schema_extra=told(REFERENCE_GRAMMAR),
        ),
    ]
    platforms: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100, json_schema_extra=told(PLATFORM_GRAMMAR))]],
        Field(max_length=20, description="Of an index, only the images for these, such as `linux/arm64`."),
    ] = []
    wait: Annotated[int, Field(ge=0, le=WAIT_LIMIT, description="Seconds to wait for the end of the pull.")] = 0
    force: Annotated[bool, Field(description="Look at everything again, even what is in the mirror.")] = False


class MatchRequest(Given):
    """Many images: what the registry has of them and the mirror lacks."""

    match: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=400, json_schema_extra=told(PATTERN_GRAMMAR))]],
        Field(
            min_length=1,
            max_length=50,
            description="Repositories, with tags if wanted; `*` is any characters; `!` in front excludes.",
            examples=[["team/*", "!team/tmp-*", "base/os:v*"]],
        ),
    ]
    dry_run: Annotated[bool, Field(description="Only say what would be requested.")] = False


_Image = Annotated[str, Field(min_length=1, max_length=600, json_schema_extra=told(REFERENCE_GRAMMAR))]
_Pattern = Annotated[str, Field(min_length=1, max_length=400, json_schema_extra=told(PATTERN_GRAMMAR))]


class ArchiveRequest(Given):
    """Images of the mirror that storage puts into one archive."""

    images: Annotated[
        list[_Image],
        Field(
            min_length=1,
            max_length=IMAGES_LIMIT,
            description="Repositories with tags or digests, with or without the registry's host.",
            examples=[["team/app:1.2", "base/os:v3"]],
        ),
    ]
    form: Annotated[
        Form,
        Field(
            description="`docker` for docker load, and for OCI tools: of an index the one image for `platform`. `oci` "
            "for an OCI layout: of an index all that it lists, or the one for `platform`."
        ),
    ] = "docker"
    platform: Annotated[
        str | None,
        Field(
            max_length=100,
            description="Such as `linux/arm64`; `linux/amd64` for `docker` if left out.",
            json_schema_extra=told(PLATFORM_GRAMMAR),
        ),
    ] = None
    at: At = None


class ArchiveQuery(Model):
    hours: Annotated[int, Field(ge=1, le=144, description="For which the link is good.")] = 1


class RebuildRequest(Given):
    """Tags whose links are to be made anew from history."""

    match: Annotated[
        list[_Pattern],
        Field(min_length=1, max_length=50, description="As of a pull of many.", examples=[["team/*", "!team/tmp-*"]]),
    ]
    dry_run: Annotated[bool, Field(description="Only say what would be set.")] = False
    overwrite: Annotated[
        bool, Field(description="Also tags whose links are well, and elsewhere than history has them.")
    ] = False


class RestoreRequest(Given):
    """Images of the mirror to copy into another registry."""

    patterns: Annotated[
        list[_Pattern],
        Field(min_length=1, max_length=50, description="As of a pull of many.", examples=[["team/*", "!team/tmp-*"]]),
    ]
    target: Annotated[
        str | None,
        Field(max_length=255, description="One of MIRROR_RESTORE_TARGETS; the only one there is if left out."),
    ] = None
    at: Annotated[str | None, Field(max_length=64, description="Tags as they were then; now if left out.")] = None
    prefix: Annotated[
        str, Field(max_length=200, description="Put before each repository's name at the target, with a slash.")
    ] = ""
    overwrite: Annotated[bool, Field(description="Also set tags that the target has elsewhere.")] = False
    dry_run: Annotated[bool, Field(description="Only say what would be sent.")] = False


class PullsQuery(Model):
    state: Annotated[State | None, Field(description="Only those in this state.")] = None
    repository: Annotated[str | None, Field(max_length=255, description="Only those of this repository.")] = None
    n: Annotated[int, Field(ge=1, le=PAGE_LIMIT, description="At most so many.")] = 50
    last: Annotated[
        str | None, Field(pattern=f"^{ID_GRAMMAR}$", description="Those behind this one, as the page before said.")
    ] = None


class JobsQuery(Model):
    kind: Annotated[JobKind | None, Field(description="Only those of this kind.")] = None
    state: Annotated[State | None, Field(description="Only those in this state.")] = None
    repository: Annotated[
        str | None, Field(max_length=255, description="Only those about one image of this repository.")
    ] = None
    parent: Annotated[
        str | None, Field(pattern=f"^{ID_GRAMMAR}$", description="Only those that this sweep or restore requested.")
    ] = None
    n: Annotated[int, Field(ge=1, le=PAGE_LIMIT, description="At most so many.")] = 50
    last: Annotated[
        str | None, Field(pattern=f"^{ID_GRAMMAR}$", description="Those behind this one, as the page before said.")
    ] = None


class AuditsQuery(Model):
    n: Annotated[int, Field(ge=1, le=100, description="At most so many.")] = 20
    last: Annotated[
        str | None, Field(pattern=f"^{ID_GRAMMAR}$", description="Those behind this one, as the page before said.")
    ] = None


class PageQuery(Model):
    n: Annotated[int, Field(ge=1, le=PAGE_LIMIT, description="At most so many; there may be fewer.")] = 100
    last: Annotated[
        str | None, Field(max_length=2000, description="Those behind this one, as the page before said.")
    ] = None


class TagsQuery(PageQuery):
    at: At = None
    sizes: Annotated[
        bool, Field(description="Give `image_size`, for which each image's manifest is read, and those of an index.")
    ] = False


class ImageQuery(Model):
    at: At = None


class HistoryQuery(PageQuery):
    at: At = None
    deleted: Annotated[
        bool, Field(description="What was deleted at the registry, instead of what was pushed and moved.")
    ] = False


class RepositoriesQuery(PageQuery):
    contains: Annotated[str, Field(max_length=255, description="Only those whose name has this in it.")] = ""


class ContentQuery(ImageQuery):
    platform: Annotated[
        str | None,
        Field(
            max_length=100,
            description="The one image that docker would take there; all of it if left out.",
            json_schema_extra=told(PLATFORM_GRAMMAR),
        ),
    ] = None
    last: Annotated[
        str | None,
        Field(pattern=f"^(?:{DIGEST_GRAMMAR})$", description="Blobs behind this one, as the page before said."),
    ] = None
    n: Annotated[int, Field(ge=1, le=BLOBS_LIMIT, description="Blobs of one page, at most.")] = BLOBS_LIMIT


class NoQuery(Model):
    pass
