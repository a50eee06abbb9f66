"""Reads, checks and watches a mirror as a stock registry would see it, knowing nothing of the code that writes it."""

from testkit.reader.mirror import Damaged, MirrorReader, NotServed, ServedManifest
from testkit.reader.poller import Poller, Violation
from testkit.reader.pull import pull_to_layout
from testkit.reader.verify import Problem, Report, Verifier, verify_all, verify_manifest, verify_repository, verify_tag

__all__ = [
    "Damaged",
    "MirrorReader",
    "NotServed",
    "Poller",
    "Problem",
    "Report",
    "ServedManifest",
    "Verifier",
    "Violation",
    "pull_to_layout",
    "verify_all",
    "verify_manifest",
    "verify_repository",
    "verify_tag",
]
