"""What an audit writes fits into what is read, however much is wrong, and says how much it leaves out."""

import json
from datetime import UTC, datetime

import pytest

from acrmirror.moments import from_datetime
from acrmirror.proof.faults import BREAKS_SHOWN, LIMIT, WHY_LIMIT, Fault
from acrmirror.proof.progress import Progress
from acrmirror.proof.report import Report
from acrmirror.storage.container import PUT_LIMIT
from acrmirror.work import Audit

NOW = datetime(2026, 4, 25, tzinfo=UTC)
LONG = "r" * 255
WORST = [f"{LONG}:{number:03}{'t' * 125}" for number in range(BREAKS_SHOWN + 50)]
DIGESTS = [f"sha512:{number:0128x}" for number in range(5_000)]


def progress(faults: int, tags: list[str]) -> Progress:
    audit = Audit.of(NOW, "")
    why = 'é"\x00' * 5_000
    path = f"docker/registry/v2/repositories/{'p' * 255}/{LONG}/_manifests/revisions/sha512/{'f' * 128}/link"
    one = Fault.of(path, "missing", f"{LONG}@{DIGESTS[0]}", why, DIGESTS)
    found = Progress(audit.id, audit.at, begun=from_datetime(NOW)).found([one] * faults)
    half = len(tags) // 2
    return Progress(
        audit.id,
        audit.at,
        begun=from_datetime(NOW),
        faults=tuple(it.breaking(tags[:half], faults).breaking(tags[half:], faults) for it in found.faults),
        more_faults=found.more_faults,
    )


@pytest.mark.parametrize("tags", [WORST, [f"a:{number}" for number in range(BREAKS_SHOWN + 50)]])
def test_the_most_and_the_longest_faults_are_written_and_read(tags: list[str]) -> None:
    written = progress(LIMIT + 7, tags)
    raw = written.to_json()
    report = Report.of(written, "demo.azurecr.io", from_datetime(NOW), None)
    assert max(len(raw), len(report.raw)) < PUT_LIMIT
    assert Progress.read(raw) == written
    assert report.faults == written.faults
    assert (len(report.faults), report.more_faults) == (LIMIT, 7)
    for fault in report.faults[:2]:
        assert fault.breaks
        assert len(fault.breaks) + fault.breaks_more == len(tags)
        assert fault.blobs
        assert len(fault.blobs) + fault.blobs_more == len(DIGESTS)
        assert fault.why.endswith("…")
        assert WHY_LIMIT / 2 < len(json.dumps(fault.why)) <= WHY_LIMIT


def test_a_single_fault_names_many_tags() -> None:
    (fault,) = progress(1, WORST).faults
    assert (len(fault.breaks), fault.breaks_more) == (BREAKS_SHOWN, 50)


def test_faults_of_an_earlier_version_are_read() -> None:
    fields = Fault.of("blobs/x/data", "damaged", "sha256:x", "short").fields()
    del fields["blobs_more"]
    assert Fault.read(fields).why == "short"
