"""An audit: what is in the mirror is read again, slice by slice; each slice is a message."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from acrmirror.moments import from_datetime
from acrmirror.work.ids import JobId
from acrmirror.work.queued import Queued, common

KIND = "audit"


@dataclass(frozen=True, slots=True)
class Audit(Queued):
    """How far it is is in the container, and not in its message; `failing` is what its slices failed by since the
    last one that did not, `attempt` how often."""

    @classmethod
    def of(cls, at: datetime, seed: str) -> Self:
        return cls(JobId.of(at, f"audit {seed}"), from_datetime(at))

    def onward(self) -> Self:
        """The next slice."""
        return replace(self, attempt=0, failing=())

    @property
    def own_fields(self) -> dict[str, Any]:
        return {"kind": KIND}

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises as `Copy.of_fields` does."""
        return cls(**common(fields))
