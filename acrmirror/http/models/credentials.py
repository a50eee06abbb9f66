"""Pull credentials."""

from typing import Annotated, Self

from pydantic import Field

from acrmirror.http.models.base import Model
from acrmirror.http.models.requests import Given, told
from acrmirror.patterns import PATTERN_GRAMMAR
from acrmirror.serve import pull_credentials
from acrmirror.serve.pull_credentials import NAME_GRAMMAR, PATTERNS_LIMIT


class CredentialRequest(Given):
    """A name and a password with which a client may pull from the mirror."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=63,
            description="What a client signs in as.",
            examples=["aks-prod"],
            json_schema_extra=told(NAME_GRAMMAR),
        ),
    ]
    expires: Annotated[
        str | None,
        Field(
            max_length=50,
            description="Until when it is good: a day (its end in UTC), or a time. 90 days if left out.",
            examples=["2027-06-30"],
        ),
    ] = None
    repositories: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=400, json_schema_extra=told(PATTERN_GRAMMAR))]],
        Field(
            min_length=1,
            max_length=PATTERNS_LIMIT,
            description="What it may pull: repositories without tags; `*` is any characters; `!` in front excludes.",
            examples=[["team/*", "!team/secret*"]],
        ),
    ] = ["*"]  # noqa: RUF012 - pydantic gives each its own


class PullCredential(Model):
    name: str
    created: str
    expires: str
    repositories: list[str]

    @classmethod
    def of(cls, it: pull_credentials.PullCredential) -> Self:
        return cls(name=it.name, created=it.created, expires=it.expires, repositories=list(it.repositories.texts))


class NewCredential(PullCredential):
    """`password` is told this once."""

    password: Annotated[str, Field(repr=False, description="Told this once: only its hash is kept.")]

    @classmethod
    def with_password(cls, it: pull_credentials.PullCredential, password: str) -> Self:
        known = PullCredential.of(it)
        return cls(**known.model_dump(), password=password)


class Revocation(Model):
    name: str
    revoked: Annotated[str, Field(description="When the last credential of that name was revoked.")]

    @classmethod
    def of(cls, it: pull_credentials.Revocation) -> Self:
        return cls(name=it.name, revoked=it.revoked)


class CredentialList(Model):
    credentials: Annotated[list[PullCredential], Field(description="By name; expired ones are among them.")]
    revoked: Annotated[list[Revocation], Field(description="At most 20, the one revoked last first.")]
