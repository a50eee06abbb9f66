"""Failures of the command line itself."""

from acrmirror.errors import Permanent


class Usage(Permanent):
    """Arguments that do not go together, or that are none."""

    code = "usage"


class CannotWrite(Permanent):
    """What was exported can't be written to the path that was given."""

    code = "cannot-write"


class ReaderGone(Permanent):
    """Whoever read the archive from a pipe stopped before its end."""

    code = "reader-gone"
