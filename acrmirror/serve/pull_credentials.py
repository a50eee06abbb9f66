"""Pull credentials: what a client signs in with to pull from the mirror. Of a password only its hash is kept."""

import hashlib
import json
import logging
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from acrmirror.errors import Malformed, MirrorError, NotHere, WrongState
from acrmirror.moments import Moment, from_datetime, to_datetime
from acrmirror.patterns import Patterns
from acrmirror.reference import shown
from acrmirror.storage import Entity, Lost, Table

PARTITION = "pull-credential"
REVOKED = "revoked-pull-credential"
"""The partition that says when a credential of that name was revoked last."""
NAME_GRAMMAR = r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?"
USUAL_LIFETIME = timedelta(days=90)
SECRET_BYTES = 32
PATTERNS_LIMIT = 50
_NAME = re.compile(NAME_GRAMMAR, re.ASCII)
_WHERE = f"PartitionKey eq '{PARTITION}'"
_WHERE_REVOKED = f"PartitionKey eq '{REVOKED}'"
_ROUNDS = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PullCredential:
    """`secret` is the password's SHA-256, in hexadecimal; the password has 256 random bits, so it needs no salt and no
    slower hash."""

    name: str
    created: Moment
    expires: Moment
    repositories: Patterns
    secret: str = field(repr=False)

    def is_good(self, now: datetime) -> bool:
        return now < to_datetime(self.expires)


@dataclass(frozen=True, slots=True)
class Revocation:
    """When the credential of that name was revoked last; there may be a newer one of it."""

    name: str
    revoked: Moment


class PullCredentials:
    """Kept in the table of records, so that every instance knows them. Thread-safe.

    Methods raise Unavailable or Denied where the table does.
    """

    def __init__(self, table: Table, registry: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._table = table
        self._registry = registry
        self._clock = clock

    def create(
        self, name: str, expires: datetime | None = None, repositories: Sequence[str] = ("*",)
    ) -> tuple[PullCredential, str]:
        """A new one, and its password, which nobody can be told again. It is good for 90 days unless `expires` says
        otherwise. Raises Malformed, or WrongState where there is one of that name."""
        asked = f"create the pull credential {shown(name)}"
        now = self._clock()
        expires = expires or now + USUAL_LIFETIME
        _check_name(name, asked)
        if expires <= now:
            raise Malformed(asked, f"it would have expired at {from_datetime(expires)}", "Give a time to come.")
        patterns = _patterns(repositories, self._registry, asked)
        password = secrets.token_urlsafe(SECRET_BYTES)
        made = PullCredential(name, from_datetime(now), from_datetime(expires), patterns, hashed(password))
        fields = {
            "created": made.created,
            "expires": made.expires,
            "repositories": json.dumps(patterns.texts),
            "sha256": made.secret,
        }
        if isinstance(self._table.swap(PARTITION, name, fields, None, asked), Lost):
            raise WrongState(asked, "there is one of that name", "Revoke it first, or choose another name.")
        return made, password

    def all(self) -> list[PullCredential]:
        """In the order of their names, expired ones among them."""
        return [self._read(it) for it in self._table.query(_WHERE, {}, "list the pull credentials")]

    def find(self, name: str) -> PullCredential | None:
        if not _NAME.fullmatch(name):
            return None
        found = self._table.get(PARTITION, name, f"look for the pull credential {name}")
        return self._read(found) if found is not None else None

    def revoke(self, name: str) -> PullCredential:
        """Workers may take it for a minute more. Raises NotHere, or Malformed for what is no name."""
        asked = f"revoke the pull credential {shown(name)}"
        _check_name(name, asked)
        while True:
            found = self._table.get(PARTITION, name, asked)
            if found is None:
                raise NotHere(asked, "there is none of that name", "GET /api/v1/credentials lists them.")
            if self._table.delete(PARTITION, name, found.etag, asked):
                self._note_revoked(name)
                return self._read(found)

    def revoked(self, count: int) -> list[Revocation]:
        """The newest `count` of them, the newest first."""
        found = self._table.query(_WHERE_REVOKED, {}, "list the pull credentials that were revoked")
        all_of_them = [Revocation(it.row, Moment(str(it.fields["revoked"]))) for it in found]
        return sorted(all_of_them, key=lambda it: it.revoked, reverse=True)[:count]

    def _note_revoked(self, name: str) -> None:
        """It is revoked whether or not this can be written."""
        asked = f"note that the pull credential {name} was revoked"
        fields = {"revoked": from_datetime(self._clock())}
        try:
            for _ in range(_ROUNDS):
                known = self._table.get(REVOKED, name, asked)
                etag = known.etag if known is not None else None
                if not isinstance(self._table.swap(REVOKED, name, fields, etag, asked), Lost):
                    return
        except MirrorError as error:
            _log.warning("No note of a revoked pull credential: %s", error)

    def _read(self, entity: Entity) -> PullCredential:
        fields = entity.fields
        return PullCredential(
            entity.row,
            Moment(str(fields["created"])),
            Moment(str(fields["expires"])),
            Patterns.parse(json.loads(str(fields["repositories"])), self._registry),
            str(fields["sha256"]),
        )


def hashed(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _check_name(name: str, asked: str) -> None:
    if not _NAME.fullmatch(name):
        raise Malformed(
            asked,
            "it is no name for one",
            "Use at most 63 lower-case letters, digits, '.', '_' and '-', with a letter or digit at both ends.",
        )


def _patterns(texts: Sequence[str], registry: str, asked: str) -> Patterns:
    """A tag in one would promise what can't be kept: what has a tag is pulled by digest, too."""
    patterns = Patterns.parse(texts, registry)
    with_tag = [it for it in patterns.texts if ":" in it]
    if with_tag:
        raise Malformed(asked, f"{shown(with_tag[0])} names a tag", "Name repositories alone, such as team/*.")
    if len(texts) > PATTERNS_LIMIT:
        raise Malformed(asked, f"it has {len(texts)} patterns", f"Give {PATTERNS_LIMIT} at most.")
    return patterns
