"""Every failure that a user can see, in one tree.

A message has three parts: what was asked (and of whom), what came back, and what to do about it. None of them ever
carries a token, a key or a signed URL. `Transient` and `Permanent` say what kind of failure it is; only
`retrying` turns a class into a retry or a final record.

The classes of this file; other rooms add a few for what only they can meet:

    MirrorError
        Transient
            NotFound
                NotHere
            Denied
                RegistryDenied
            Throttled
            Unavailable
                StorageMissing
            DigestMismatch
            Damaged
            Conflict
                TagMoved
            ClaimedElsewhere
        Permanent
            Malformed
                TooLarge
                InvalidReference
            Unsupported
            NoSuchPlatform
            Refused
                AnotherRegistry
                Untimely
            UnkeptName
            TagKept
            Misconfigured
            Incomplete
            DeadJobs
            RefusedEvents
            NotCompared
            NotProven
            WrongState
            Crashed
        Cancelled
"""

from typing import ClassVar


class MirrorError(Exception):
    """Base of the tree.

    `asked` names the request and its address, `answered` what came back, `remedy` the next step for a person.
    `code` is stable: records, problem details and docs use it.
    """

    code: ClassVar[str] = "error"

    def __init__(self, asked: str, answered: str, remedy: str) -> None:
        super().__init__(asked, answered, remedy)
        self.asked = asked
        self.answered = answered
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.asked}: {self.answered}. {self.remedy}"


class Transient(MirrorError):
    """May go away by itself. `retry_after` is the wait in seconds that the other side requested, or None."""

    code = "transient"

    def __init__(self, asked: str, answered: str, remedy: str, retry_after: float | None = None) -> None:
        super().__init__(asked, answered, remedy)
        self.retry_after = retry_after


class NotFound(Transient):
    """404. Shortly after a push it may be replica lag or quarantine; later it means gone at the registry."""

    code = "not-found"


class Denied(Transient):
    """401 or 403 after authentication. Role assignments take minutes to reach a registry, so it is waited out."""

    code = "denied"


class Throttled(Transient):
    """429."""

    code = "throttled"


class Unavailable(Transient):
    """5xx, a reset, a timeout, a truncated body, an expired signature."""

    code = "unavailable"


class StorageMissing(Unavailable):
    """The container, table or queue itself is not there: a deployment makes it."""


class DigestMismatch(Transient):
    """The bytes do not hash to their digest. A few more attempts rule out damage in transit."""

    code = "digest-mismatch"


class Damaged(Transient):
    """The mirror lacks content that one of its own links promises. Never to be taken for what the registry lacks."""

    code = "damaged"


class Conflict(Transient):
    """Other writers kept winning: commits or tag moves lost too many races in a row."""

    code = "conflict"


class TagMoved(Conflict):
    """A tag's link changed between reading and writing it (412)."""

    code = "tag-moved"


class ClaimedElsewhere(Transient):
    """Only layers that other workers are copying are left."""

    code = "claimed-elsewhere"


class Permanent(MirrorError):
    """Will not go away by itself: ends in a record with cause and remedy."""

    code = "permanent"


class Malformed(Permanent):
    """Bytes from outside that are not what they claim to be, or that the specification forbids."""

    code = "malformed"


class TooLarge(Malformed):
    """Over a limit: a manifest over 4 MiB, a graph too deep or too wide."""

    code = "too-large"


class InvalidReference(Malformed):
    """A repository, tag or digest that the distribution grammar does not allow."""

    code = "invalid-reference"


class Unsupported(Permanent):
    """A media type that this mirror refuses by name (docker schema 1, unknown manifest types)."""

    code = "unsupported"


class NoSuchPlatform(Permanent):
    """The image has no variant that this platform runs."""

    code = "no-such-platform"


class Refused(Permanent):
    """Something that trust forbids: another registry's host, a redirect to a host outside the settings."""

    code = "refused"


class AnotherRegistry(Refused):
    """An event of another registry or topic than the settings name."""

    code = "another-registry"


class Untimely(Refused):
    """An event whose time is further ahead than clocks differ."""

    code = "event-time"


class UnkeptName(Permanent):
    """Storage would keep something under another name than the one it is given."""


class TagKept(Permanent):
    """A registry that is restored into has the tag elsewhere, and nobody asked to overwrite it (rule T6)."""

    code = "tag-kept"


class Misconfigured(Permanent):
    """A setting that is missing or wrong."""

    code = "misconfigured"


class Incomplete(Permanent):
    """A sweep that could not compare all that it was asked to: the rest is done, and requested."""

    code = "incomplete"


class Cancelled(MirrorError):
    """The job was cancelled by a person, or its run is ending."""

    code = "cancelled"


class RegistryDenied(Denied):
    """The registry refuses this identity what was requested; the app itself is in order."""


class NotHere(NotFound):
    """The mirror has no such thing."""


class DeadJobs(Permanent):
    """Messages lie in the poison queue, and nothing takes them into their records."""

    code = "dead-jobs"


class RefusedEvents(Permanent):
    """Events were refused that Event Grid may still deliver again."""

    code = "refused-events"


class NotCompared(Permanent):
    """The last complete comparison of everything is too long ago."""

    code = "comparison-late"


class NotProven(Permanent):
    """The last audit found something that it could not mend or read, or is too long ago."""

    code = "not-proven"


class WrongState(Permanent):
    """What was requested does not fit the state that it is in."""

    code = "wrong-state"


class Crashed(Permanent):
    """What the platform gave up on: its worker died over it too often."""

    code = "crashed"
