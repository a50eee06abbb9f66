"""An archive of images of the mirror, which storage puts together."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Self, TypedDict, cast, get_args

from acrmirror.moments import Moment, from_datetime, nine_digits
from acrmirror.reference import Reference
from acrmirror.work.fields import text_of
from acrmirror.work.ids import JobId
from acrmirror.work.queued import Unchecked, common, first_attempt
from acrmirror.work.record import Record, RecordFields

KIND: Final = "archive"
Form = Literal["docker", "oci"]


@dataclass(frozen=True, slots=True)
class Archive(Unchecked):
    """`images` have a digest each, and the tag that they are to be called by, if any. `form` is `docker` for an archive
    that `docker load` takes (OCI tools do, too), with one image for `platform` of each index; or `oci` for an OCI
    layout, with all that an index lists unless `platform` is given. `moment` is the one in the past that
    tags were read at."""

    images: tuple[Reference, ...]
    form: Form
    platform: str | None = None
    moment: Moment | None = None

    kind: ClassVar[Literal["archive"]] = KIND
    title: ClassVar[str] = "an archive"

    @classmethod
    def now(
        cls, images: tuple[Reference, ...], form: Form, platform: str | None, moment: Moment | None, seed: str
    ) -> Self:
        """`seed` sets it apart from others of the same millisecond."""
        now = datetime.now(UTC)
        return cls(JobId.of(now, f"{seed} {form}"), from_datetime(now), images, form, platform, moment)

    @property
    def asked(self) -> RecordFields:
        """What its record has of it from the first."""
        only = self.images[0] if len(self.images) == 1 else None
        return {
            "kind": KIND,
            "repository": only.repository if only is not None else "",
            "tag": (only.tag or "") if only is not None else "",
            "digest": str(only.digest or "") if only is not None else "",
            "images": [str(it) for it in self.images],
            "form": self.form,
            "platforms": [self.platform] if self.platform else [],
            "moment": self.moment or "",
            "at": self.at,
            "received": self.at,
        }

    @property
    def own_fields(self) -> dict[str, Any]:
        return {
            "kind": KIND,
            "images": [str(it) for it in self.images],
            "form": self.form,
            "platform": self.platform,
            "moment": self.moment,
        }

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises as `Copy.of_fields` does."""
        platform = text_of(fields["platform"]) if fields.get("platform") else None
        return cls(**common(fields), **_chosen(fields["images"], fields["form"], platform, fields.get("moment")))

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """As at its first attempt. Raises as `of_fields` does."""
        fields = record.fields
        platform = next(iter(fields["platforms"]), None)
        return cls(**first_attempt(record), **_chosen(fields["images"], fields["form"], platform, fields["moment"]))


class _Chosen(TypedDict):
    images: tuple[Reference, ...]
    form: Form
    platform: str | None
    moment: Moment | None


def _chosen(images: Iterable[object], form: object, platform: str | None, moment: object) -> _Chosen:
    if form not in get_args(Form):
        raise ValueError("another form")
    return {
        "images": tuple(Reference.parse(text_of(it)) for it in images),
        "form": cast(Form, form),
        "platform": platform,
        "moment": nine_digits(text_of(moment)) if moment else None,
    }
