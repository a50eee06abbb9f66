"""Figures with their spread, and how ours compares with each peer, run by run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.measure import Taken

MB = 1e6


@dataclass(frozen=True, slots=True)
class Run:
    """One copy of `size` bytes by one contender in one round."""

    contender: str
    round: int
    size: int
    taken: Taken
    registry_requests: int
    counts: dict[str, dict[str, int]]
    """What the source and the sink were asked, by their names."""
    beside: dict[str, float]
    """CPU seconds that they took, and everything else on the machine but the contender."""

    @property
    def rate(self) -> float:
        """MB/s."""
        return self.size / MB / self.taken.seconds

    @property
    def cpu_per_gb(self) -> float:
        return self.taken.cpu / (self.size / 1e9)

    @property
    def growth(self) -> int | None:
        """How far memory grew over what the process had before it began to copy, in bytes."""
        return None if self.taken.idle_rss is None else self.taken.peak_rss - self.taken.idle_rss

    def as_json(self) -> dict[str, Any]:
        return {
            "contender": self.contender,
            "round": self.round,
            "bytes": self.size,
            **self.taken.as_json(),
            "mb_per_s": round(self.rate, 2),
            "cpu_s_per_gb": round(self.cpu_per_gb, 3),
            "registry_requests": self.registry_requests,
            "counts": self.counts,
            "cpu_beside": self.beside,
        }


@dataclass(slots=True)
class Comparison:
    """All runs over one link into one kind of sink. `places` says which processes stood at both ends."""

    title: str
    size: int
    places: list[str]
    runs: list[Run] = field(default_factory=list)

    def of(self, contender: str) -> list[Run]:
        return [run for run in self.runs if run.contender == contender]

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(run.contender for run in sorted(self.runs, key=lambda run: run.round)))

    def ratios(self, ours: str, peer: str) -> list[float]:
        """Our rate over the peer's in the same round."""
        theirs = {run.round: run.rate for run in self.of(peer)}
        return [run.rate / theirs[run.round] for run in self.of(ours) if run.round in theirs]

    def beside(self, contender: str) -> dict[str, float]:
        """CPU s/GB that source and sink took while the contender ran: they share the machine with it."""
        runs = self.of(contender)
        gigabytes = self.size / 1e9
        names = runs[0].beside if runs else {}
        return {name: median(run.beside[name] for run in runs) / gigabytes for name in names}

    def as_json(self, ours: str) -> dict[str, Any]:
        return {
            "title": self.title,
            "bytes": self.size,
            "places": self.places,
            "runs": [run.as_json() for run in self.runs],
            "ratios": {peer: self.ratios(ours, peer) for peer in self.names if peer != ours},
        }


def table(comparison: Comparison, ours: str) -> str:
    """As text; each figure is min / median / max over the rounds."""
    head = ["", "MB/s", "CPU s/GB", "peak MB", "grew MB", "registry calls", f"{ours} is faster by"]
    rows = [head]
    for name in sorted(comparison.names, key=lambda name: name != ours):
        runs = comparison.of(name)
        growths = [run.growth / MB for run in runs if run.growth is not None]
        ratios = comparison.ratios(ours, name) if name != ours else []
        rows.append(
            [
                name,
                spread([run.rate for run in runs], 0),
                spread([run.cpu_per_gb for run in runs], 2),
                spread([run.taken.peak_rss / MB for run in runs], 0),
                spread(growths, 0),
                spread([run.registry_requests for run in runs], 0),
                f"{spread(ratios, 1)} ×" if ratios else "",
            ]
        )
    lines = columns(rows)
    took = ", ".join(f"{name} {cpu:.2f}" for name, cpu in comparison.beside(ours).items())
    beside = f"CPU s/GB taken on the same machine while {ours} ran: {took}"
    return "\n".join([comparison.title, *(f"  {place}" for place in (*comparison.places, beside)), *lines])


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, of which all rows have as many cells."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def spread(figures: Sequence[float], digits: int) -> str:
    """ "min / median / max", or one figure where all are equal."""
    if not figures:
        return ""
    shown = [f"{figure:.{digits}f}" for figure in (min(figures), median(figures), max(figures))]
    return shown[0] if len(set(shown)) == 1 else " / ".join(shown)
