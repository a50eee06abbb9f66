"""An archive of images of the mirror, which storage puts together."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Self, cast, get_args

from acrmirror.moments import Moment, from_datetime, nine_digits
from acrmirror.reference import Reference
from acrmirror.work.failing import Failing, written
from acrmirror.work.fields import message, text_of
from acrmirror.work.ids import JobId
from acrmirror.work.record import RecordFields

KIND: Final = "archive"
Form = Literal["docker", "oci"]


@dataclass(frozen=True, slots=True)
class Archive:
    """`images` have a digest each, and the tag that they are to be called by, if any. `form` is `docker` for an archive
    that `docker load` takes (OCI tools do, too), with one image for `platform` of each index; or `oci` for an OCI
    layout, with all that an index lists unless `platform` is given. `at` is when it was requested, `moment` the one in
    the past that tags were read at. `retries`, `attempt` and `failing` are as for a `Copy`."""

    id: JobId
    images: tuple[Reference, ...]
    form: Form
    at: Moment
    platform: str | None = None
    moment: Moment | None = None
    retries: int = 0
    attempt: int = 0
    failing: tuple[Failing, ...] = ()

    kind: ClassVar[Literal["archive"]] = KIND
    title: ClassVar[str] = "an archive"
    check: ClassVar[int] = 0
    """It is not asked about again."""

    @classmethod
    def now(
        cls, images: tuple[Reference, ...], form: Form, platform: str | None, moment: Moment | None, seed: str
    ) -> Self:
        """`seed` sets it apart from others of the same millisecond."""
        now = datetime.now(UTC)
        return cls(JobId.of(now, f"{seed} {form}"), images, form, from_datetime(now), platform, moment)

    def later(self, failing: tuple[Failing, ...]) -> Self:
        """The same archive for one more attempt."""
        return replace(self, attempt=self.attempt + 1, failing=failing)

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

    def to_json(self) -> str:
        return message(
            {
                "version": 1,
                "id": self.id,
                "kind": KIND,
                "images": [str(it) for it in self.images],
                "form": self.form,
                "platform": self.platform,
                "moment": self.moment,
                "at": self.at,
                "retries": self.retries or None,
                "attempt": self.attempt or None,
                "failures": written(self.failing),
            }
        )

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises ValueError, KeyError, TypeError, AttributeError, InvalidReference or
        Malformed for what `to_json` never wrote."""
        if fields["version"] != 1 or fields["form"] not in get_args(Form):
            raise ValueError("another version or form")
        return cls(
            JobId.read(fields["id"]),
            tuple(Reference.parse(text_of(it)) for it in fields["images"]),
            cast(Form, fields["form"]),
            nine_digits(text_of(fields["at"])),
            text_of(fields["platform"]) if fields.get("platform") else None,
            nine_digits(text_of(fields["moment"])) if fields.get("moment") else None,
            int(fields.get("retries", 0)),
            int(fields.get("attempt", 0)),
            Failing.read(fields.get("failures")),
        )

    @classmethod
    def of_record(cls, identity: JobId, fields: RecordFields, retries: int) -> Self:
        """As at its first attempt. Raises as `of_fields` does."""
        return cls.of_fields(
            {
                "version": 1,
                "id": identity,
                "images": fields["images"],
                "form": fields["form"],
                "platform": next(iter(fields["platforms"]), None),
                "moment": fields["moment"] or None,
                "at": fields["at"],
                "retries": retries,
            }
        )
