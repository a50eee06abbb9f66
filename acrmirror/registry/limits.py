"""How much is read of a registry, and how long it is waited for."""

from dataclasses import dataclass

from acrmirror.deadlines import ANSWER_SECONDS


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one answer, of one listing with all its pages, and of one range of a blob."""

    answer_seconds: float = ANSWER_SECONDS
    pages: int = 20_000
    empty_pages: int = 100
    """In a row."""
    entries: int = 1_000_000
    listing_seconds: float = 3600.0
    """Spent on waiting for pages, whatever is done in between."""
    patience: float = 30.0
    """Seconds for which a range of a blob is retried without progress."""
