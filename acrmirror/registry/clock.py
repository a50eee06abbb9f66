"""When the registry answered, by its own time as far as that can be believed."""

from datetime import UTC, datetime

from acrmirror.errors import Malformed
from acrmirror.events import AHEAD_LIMIT
from acrmirror.history import Clock
from acrmirror.moments import Moment, ahead_of, from_datetime, from_http_date


def answered_at(date: str | None, now: datetime | None = None) -> tuple[Moment, Clock]:
    """The moment in an answer's `Date`, and whose clock it is.

    It is this machine's where there is no such date, or where it is more than five minutes ahead, as events may be
    (rule H5); cut to seconds then, as dates are, so that all answers of one second are ordered in the same way.
    """
    ours = now or datetime.now(UTC)
    try:
        moment = from_http_date(date or "")
    except Malformed:
        moment = None
    if moment is None or ahead_of(moment, ours) > AHEAD_LIMIT:
        return from_datetime(ours.replace(microsecond=0)), "mirror"
    return moment, "registry"
