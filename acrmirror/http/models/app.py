"""The app itself: whether it runs, and whether it has all that it needs."""

from typing import Annotated, Literal, Self

from pydantic import Field

from acrmirror.application.health import Health
from acrmirror.http.models.base import Model
from acrmirror.http.models.failures import ErrorDetails


class CheckResult(Model):
    name: str
    ok: bool
    error: ErrorDetails | None


class HealthReport(Model):
    ok: bool
    checks: list[CheckResult]
    queue_messages: Annotated[int | None, Field(description="About how many jobs are queued, waiting or running.")]
    oldest_message_seconds: float | None
    dead_messages: Annotated[
        int | None, Field(description="About how many are in the poison queue, and not in their records yet.")
    ]

    @classmethod
    def of(cls, health: Health) -> Self:
        return cls(
            ok=health.ok,
            checks=[
                CheckResult(
                    name=it.name, ok=it.error is None, error=ErrorDetails.of(it.error) if it.error is not None else None
                )
                for it in health.checks
            ],
            queue_messages=health.queue.messages if health.queue is not None else None,
            oldest_message_seconds=health.oldest_message_seconds,
            dead_messages=health.dead.messages if health.dead is not None else None,
        )


class Live(Model):
    """It runs; more is for those with a key."""

    live: Literal[True] = True
