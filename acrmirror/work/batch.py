"""A batch: copies of one repository that a sweep requested together, in one message. Each has a record of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from acrmirror.moments import Moment, nine_digits
from acrmirror.reference import Digest, Reference
from acrmirror.work.copy import Copy
from acrmirror.work.fields import message, text_of
from acrmirror.work.ids import JobId

BATCH_MOST: Final = 50
"""Copies that one batch has at most: with the longest tags and digests its message has about 20 KB."""
LARGEST: Final = 8 * 1024 * 1024
"""Bytes of an image's blobs, over which it is no part of a batch: one thread would take long over it."""
BATCH_BYTES: Final = 64 * 1024 * 1024
"""Of all images of a batch, as listed."""
LOCK: Final = "1e999"
"""What a batch says where a sweep of the version before has an integer. That version would take a kind that it does
not know for no job at all, and the copies would be lost with the message. At this it fails instead: the platform keeps
the message, and delivers it until a worker of this version takes it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One copy of a batch. `digest` is what the registry's listing had for it; `absent`: the mirror had neither its tag
    nor its manifest then."""

    job: JobId
    tag: str | None
    digest: Digest
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """`at` is when the sweep `parent` was requested; `seen` when it compared the repository. `listed`: by then all that
    may refer to these images was in the mirror, or has a copy of its own: the registry need not be asked what does."""

    repository: str
    parent: JobId
    at: Moment
    seen: Moment
    wanted: tuple[Wanted, ...]
    listed: bool = False

    @property
    def ids(self) -> list[JobId]:
        return sorted(it.job for it in self.wanted)

    def copy(self, wanted: Wanted) -> Copy:
        """One of its copies, as a job by itself."""
        digest = wanted.digest if wanted.tag is None else None
        reference = Reference(self.repository, wanted.tag, digest)
        return Copy(wanted.job, self.at, "pull", reference, self.at, parent=self.parent)

    def __iter__(self) -> Iterator[Copy]:
        return (self.copy(it) for it in self.wanted)

    def to_json(self) -> str:
        """Its message. `patterns` and `LOCK` are for workers of the version before."""
        text = message(
            {
                "version": 1,
                "id": self.ids[0],
                "kind": "match",
                "patterns": [],
                "batch": self.repository,
                "parent": self.parent,
                "at": self.at,
                "seen": self.seen,
                "listed": self.listed or None,
                "wanted": [[it.job, it.tag, str(it.digest), it.absent] for it in self.wanted],
            }
        )
        return f'{text[:-1]}, "retries": {LOCK}}}'

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises as `Copy.of_fields` does."""
        if fields["version"] != 1 or not fields["wanted"]:
            raise ValueError("another version, or nothing wanted")
        return cls(
            text_of(fields["batch"]),
            JobId.read(fields["parent"]),
            nine_digits(text_of(fields["at"])),
            nine_digits(text_of(fields["seen"])),
            tuple(
                Wanted(
                    JobId.read(job),
                    text_of(tag) if tag is not None else None,
                    Digest.parse(text_of(digest)),
                    bool(absent),
                )
                for job, tag, digest, absent in fields["wanted"]
            ),
            bool(fields.get("listed")),
        )


def parted(wanted: Sequence[tuple[Wanted, int]]) -> Iterator[tuple[Wanted, ...]]:
    """What goes into one batch each: at most `BATCH_MOST` copies and, by the sizes that are given beside them,
    `BATCH_BYTES`. In the order of their ids, so that those of one batch lie together in the table."""
    part: list[Wanted] = []
    weight = 0
    for it, size in sorted(wanted, key=lambda pair: pair[0].job):
        if part and (len(part) == BATCH_MOST or weight + size > BATCH_BYTES):
            yield tuple(part)
            part, weight = [], 0
        part.append(it)
        weight += size
    if part:
        yield tuple(part)
