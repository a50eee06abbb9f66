"""Of one image, when it was proven last, as far as the newest report says."""

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from acrmirror.errors import MirrorError
from acrmirror.mirror.layout import Layout
from acrmirror.moments import Moment, from_datetime
from acrmirror.oci import Manifest
from acrmirror.proof.ledger import Ledger
from acrmirror.proof.report import Report
from acrmirror.storage import Container
from acrmirror.work import JobId

WHY_SHOWN = 10
WITHIN = 3.0
"""Seconds for which whoever looks at an image waits for the table."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ImageProof:
    """`audit` is the audit that looked at the image, begun `at`; `wrong` says what it found and did not mend, and is
    empty for an image that is proven."""

    audit: JobId
    at: Moment
    wrong: tuple[str, ...] = ()


class Proofs:
    """Thread-safe. The newest report is read once a process."""

    def __init__(self, container: Container, layout: Layout, ledger: Ledger) -> None:
        self._container = container
        self._layout = layout
        self._ledger = ledger
        self._guard = threading.Lock()
        self._report: Report | None = None

    def of(self, repository: str, tag: str | None, manifests: Iterable[Manifest]) -> ImageProof | None:
        """`manifests` are the image's, its root first. None where no audit has looked at it: it is newer than the last
        one, or was written anew since. None, too, where that can't be read: who looks at an image still sees it."""
        try:
            return self._of(repository, tag, list(manifests))
        except MirrorError as error:
            _log.warning("Nobody is told when %s was proven: %s", repository, error)
            return None

    def _of(self, repository: str, tag: str | None, manifests: list[Manifest]) -> ImageProof | None:
        report = self._newest()
        if report is None:
            return None
        link = self._layout.revision_link(repository, manifests[0].digest)
        asked = f"look for {repository}@{manifests[0].digest}"
        written = next((it.modified for it in self._container.list(link, asked)), None)
        if written is None or from_datetime(written) >= report.begun:
            return None
        return ImageProof(report.id, report.begun, tuple(self._wrong(report, repository, tag, manifests))[:WHY_SHOWN])

    def _wrong(self, report: Report, repository: str, tag: str | None, manifests: list[Manifest]) -> Iterable[str]:
        layout = self._layout
        paths = {layout.tag_link(repository, tag)} if tag is not None else set()
        for manifest in manifests:
            paths |= {layout.revision_link(repository, manifest.digest), layout.blob_data(manifest.digest)}
            for blob in manifest.blobs:
                paths |= {layout.layer_link(repository, blob.digest), layout.blob_data(blob.digest)}
        for fault in report.left:
            if fault.path in paths or (tag is not None and f"{repository}:{tag}" in fault.breaks):
                yield f"{fault.what}: {fault.why}"
        if report.more_faults:
            # Any of them may be of this image.
            yield f"the audit found {report.more_faults} faults more than it names"

    def _newest(self) -> Report | None:
        known = self._ledger.read(WITHIN)
        if known is None or known.last is None:
            return None
        with self._guard:
            report = self._report
        if report is None or report.id != known.last.id:
            report = self._ledger.report(known.last.id)
            if report is None or report.digest != known.last.digest:
                return None
            with self._guard:
                self._report = report
        return report
