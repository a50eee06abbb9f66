"""Failures of what a person asks for that no other room has."""

from acrmirror.errors import Denied, NotFound, Permanent


class RegistryDenied(Denied):
    """The registry refuses this identity what was asked for; the app itself is in order."""


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


class WrongState(Permanent):
    """What was asked for does not fit the state that it is in."""

    code = "wrong-state"
