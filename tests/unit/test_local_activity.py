"""The lines in which `up` and `demo` tell of jobs."""

from dataclasses import replace

from acrmirror.jobs.records import first_record
from acrmirror.work import Sweep
from devtools.activity import job_line


def test_a_sweep_is_told_by_its_patterns_and_what_it_asked_for() -> None:
    patterns = ("team/*", "!team/tmp-*")
    record = first_record(Sweep.now(patterns, "seed", dry_run=False))
    fields = record.fields
    assert str(job_line(replace(record, fields=fields))).endswith("queued    team/* !team/tmp-*")
    fields = fields | {"state": "done", "finished": fields["at"], "match_requested": 7}
    assert str(job_line(replace(record, fields=fields))).endswith("compared with the registry, 7 images requested")
