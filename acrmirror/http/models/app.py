"""The app itself: whether it runs, and whether it has all that it needs."""

from dataclasses import asdict
from typing import Annotated, Literal, Self

from pydantic import Field

from acrmirror.health import Health
from acrmirror.http.models.base import Count, Model
from acrmirror.http.models.failures import ErrorDetails
from acrmirror.moments import from_datetime
from acrmirror.version import VERSION
from acrmirror.work import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE


class CheckResult(Model):
    name: str
    ok: bool
    error: ErrorDetails | None


class RefusedEvent(Model):
    """An event that was answered with an error, and that Event Grid may deliver again."""

    event: Annotated[str, Field(description="Its id.")]
    code: str
    asked: str
    answered: str
    remedy: str
    first: str
    last: str
    times: Count


class HealthReport(Model):
    ok: bool
    version: Annotated[str, Field(description="Of the app.")]
    checks: list[CheckResult]
    queue_messages: Annotated[
        int | None, Field(description="About how many pushes and pulls of one image are queued, waiting or running.")
    ]
    oldest_message_seconds: float | None
    backfill_messages: Annotated[
        int | None, Field(description="The same of sweeps, and of the jobs that these requested.")
    ]
    oldest_backfill_seconds: float | None
    dead_messages: Annotated[
        int | None, Field(description="About how many are in the poison queues, and not in their records yet.")
    ]
    refused_events: Annotated[
        list[RefusedEvent], Field(description="At most 20, of the last day; the one refused last comes first.")
    ]
    compared: Annotated[
        str | None,
        Field(description="When the last complete comparison of everything began; null if there was none."),
    ]
    audited: Annotated[
        str | None,
        Field(description="When the last audit began that has a report; null if there was none."),
    ]
    faults_left: Annotated[
        int | None, Field(description="What that audit found, and could not mend or read; null if there was none.")
    ]

    warnings: Annotated[
        list[str], Field(description="What works, and is a risk: a mirror in its registry's region, for one.")
    ]

    @classmethod
    def of(cls, health: Health) -> Self:
        return cls(
            ok=health.ok,
            version=VERSION,
            checks=[
                CheckResult(
                    name=it.name, ok=it.error is None, error=ErrorDetails.of(it.error) if it.error is not None else None
                )
                for it in health.checks
            ],
            queue_messages=health.messages(JOB_QUEUE),
            oldest_message_seconds=health.oldest_seconds(JOB_QUEUE),
            backfill_messages=health.messages(BACKFILL_QUEUE),
            oldest_backfill_seconds=health.oldest_seconds(BACKFILL_QUEUE),
            dead_messages=health.messages(DEAD_QUEUE, DEAD_BACKFILL_QUEUE),
            refused_events=[RefusedEvent(**asdict(it)) for it in health.refused],
            warnings=list(health.warnings),
            compared=from_datetime(whole) if (whole := health.compared and health.compared.whole) else None,
            audited=from_datetime(begun) if (begun := health.audited and health.audited.begun) else None,
            faults_left=health.audited.left if health.audited is not None and health.audited.last is not None else None,
        )


class Live(Model):
    """It runs; more is for those with a key."""

    live: Literal[True] = True
    version: Annotated[str, Field(description="Of the app.")] = VERSION
