"""Exit codes that scripts can rely on; docs/cli.md has the table."""

from acrmirror.cli.failures import Usage
from acrmirror.client import ApiProblem, BadKey
from acrmirror.client.failures import NO_PROBLEM_DETAILS
from acrmirror.errors import Denied, MirrorError, Misconfigured, NoSuchPlatform, NotFound, Throttled, Unavailable

DONE = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
DENIED = 4
UNAVAILABLE = 5
UNFINISHED = 6
INCOMPLETE = 7
PARTLY = 8
"""Of several images some could not be exported."""
INTERRUPTED = 130


def exit_code(error: MirrorError) -> int:
    if isinstance(error, ApiProblem):
        if error.problem_code == NO_PROBLEM_DETAILS:
            return UNAVAILABLE if error.status in (429, 503) else FAILED
        if error.status in (400, 409, 422):
            return USAGE
        return {403: DENIED, 404: NOT_FOUND, 429: UNAVAILABLE, 502: FAILED, 503: UNAVAILABLE}.get(error.status, FAILED)
    if isinstance(error, (Misconfigured, Usage)):
        return USAGE
    if isinstance(error, (BadKey, Denied)):
        return DENIED
    if isinstance(error, (NotFound, NoSuchPlatform)):
        return NOT_FOUND
    return UNAVAILABLE if isinstance(error, (Unavailable, Throttled)) else FAILED


def of_states(states: list[str]) -> int:
    """Of jobs as they were last seen: the worst of them."""
    if any(state in ("failed", "gone", "cancelled") for state in states):
        return FAILED
    if any(state == "incomplete" for state in states):
        return INCOMPLETE
    return DONE if all(state == "done" for state in states) else UNFINISHED
