"""What the demo tells of jobs is no older than what it goes on from."""

import io
from types import SimpleNamespace
from typing import Any, cast

from acrmirror.work import JobId, Record, RecordFields, State
from acrmirror.work.record import complete
from devtools.activity import Activity, Line, job_line
from devtools.demo import Pushed, wait_until_mirrored
from devtools.screen import Screen
from standins.stack import Stack
from testkit.images import oci_image, signature

FIELDS: RecordFields = {
    "repository": "team/app",
    "at": "2026-01-01T00:00:00Z",
    "received": "2026-01-01T00:00:00Z",
    "finished": "2026-01-01T00:00:01Z",
    "heartbeat": "2026-01-01T00:00:00Z",
}


class Ending(Activity):
    """Two jobs that have ended by the second look at them, whoever looks."""

    def __init__(self) -> None:
        self.looks = 0
        self.told: set[str] = set()

    def records(self, repository: str) -> list[Record]:
        self.looks += 1
        state: State = "queued" if self.looks == 1 else "done"
        return [Record(JobId(tag), complete(FIELDS | {"tag": tag, "state": state})) for tag in ("one", "two")]

    def news(self) -> list[Line]:
        found = [job_line(record) for record in self.records("team/app")]
        new = [line for line in found if str(line) not in self.told]
        self.told |= set(map(str, new))
        return new


def test_a_job_that_ends_between_two_looks_is_told_as_done() -> None:
    image = oci_image("told", layers=[5000])
    pushed = Pushed("team/app", "v1", image, signature("told", image.root))
    stack: Any = SimpleNamespace(registry=SimpleNamespace(requests=lambda **_: []), check=lambda: None)
    said = io.StringIO()
    wait_until_mirrored(cast(Stack, stack), Ending(), pushed, Screen(said))
    assert "done      team/app:one" in said.getvalue()
    assert "done      team/app:two" in said.getvalue()
