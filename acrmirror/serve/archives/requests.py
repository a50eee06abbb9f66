"""Archives as people request them, follow them, and fetch them by a link."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from acrmirror.errors import MirrorError, NotHere
from acrmirror.jobs import JobQueue, JobRecords
from acrmirror.jobs.properties import fitting
from acrmirror.jobs.records import first_record
from acrmirror.moments import Moment
from acrmirror.platforms import parse_platform
from acrmirror.reference import Reference, shown
from acrmirror.serve.archives.assembly import blob_name
from acrmirror.serve.images import Images
from acrmirror.storage import Container, SignedUrl
from acrmirror.threads import Threads
from acrmirror.work import Archive, JobId, Record
from acrmirror.work.archive import KIND, Form

THREADS = 8

_log = logging.getLogger(__name__)


class Archives:
    """`container` is where they are put together."""

    def __init__(self, images: Images, container: Container, queue: JobQueue, records: JobRecords) -> None:
        self._images = images
        self._container = container
        self._queue = queue
        self._records = records

    def request(
        self, names: Sequence[str], form: Form, platform: str | None = None, at: Moment | None = None
    ) -> Record:
        """Of what the names mean now, or meant at the moment `at`: tags that move later change nothing. Raises NotHere,
        InvalidReference, Refused, Malformed, TooLarge. The message, then the record (rule W6)."""
        wanted = str(parse_platform(platform)) if platform is not None else None
        references = list(dict.fromkeys(Reference.parse(it, self._images.registry) for it in names))
        with Threads(THREADS, "resolve") as pool:
            digests = list(pool.map(lambda it: self._images.digest_of(it, at), references))
        images = tuple(replace(it, digest=digest) for it, digest in zip(references, digests, strict=True))
        archive = Archive.now(images, form, wanted, at, uuid4().hex)
        fitting(archive.asked)  # before its message: what no record can have could not be run
        self._queue.send_task(archive)
        _log.info("Enqueued %s archive of %d images", archive.id, len(images))
        try:
            self._records.add(archive)
        except MirrorError as error:
            _log.warning("No record yet of %s: %s", archive.id, error)
        return first_record(archive)

    def get(self, identity: str) -> Record:
        """Raises NotHere."""
        record = self._records.get(identity) if JobId.is_one(identity) else None
        if record is None or record.fields["kind"] != KIND:
            raise NotHere(
                f"look for the archive {shown(identity)}",
                "there is no record of it",
                "Request it: POST /api/v1/archives.",
            )
        return record

    def link(self, record: Record, lifetime: timedelta) -> SignedUrl | None:
        """To fetch it by; None where it is not there, yet or any more."""
        name = blob_name(record.id)
        if self._container.head(name, f"look for the archive {record.id}") is None:
            return None
        return self._container.sign(name, lifetime)
