"""What ends a hook."""

from __future__ import annotations

from collections.abc import Sequence


class Problem(Exception):
    """Something that a person has to put right, told in whole sentences: which variable or right, and what to do."""


class Problems(Problem):
    """Several at once, so that nobody has to deploy once for each."""

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__("\n".join(f"- {text}" for text in texts) if len(texts) > 1 else "".join(texts))


def raise_all(texts: Sequence[str]) -> None:
    """Raises Problems if there are any."""
    if texts:
        raise Problems(texts)
