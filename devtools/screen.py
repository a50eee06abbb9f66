"""What the demo prints: steps with their timings and progress, live on a terminal and plain elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

Advance = Callable[[int], None]
"""Called with the bytes that are done so far; from any thread."""

STYLES = {"event": "cyan", "work": "dim", "good": "green", "bad": "bold red"}


class Screen:
    """Numbered steps. On a terminal progress is a bar; elsewhere only what has ended is printed."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._console = Console(file=file, highlight=False, soft_wrap=True)
        self._begun = time.monotonic()
        self._steps = 0

    @property
    def seconds(self) -> float:
        """Since this screen was made."""
        return time.monotonic() - self._begun

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step that worked ends with its time."""
        self._steps += 1
        self._console.print(
            f"[bold]{self._steps}. {title}[/bold]" if self._steps == 1 else f"\n[bold]{self._steps}. {title}[/bold]"
        )
        begun = time.monotonic()
        yield
        self.say(f"{time.monotonic() - begun:.1f} s", "work")

    @contextmanager
    def bar(self, what: str, total: int) -> Iterator[Advance]:
        """Progress in bytes up to `total`."""
        if not self._console.is_terminal:
            yield lambda _: None
            return
        columns = (TextColumn("   {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(what, total=total)
            yield lambda done: progress.update(task, completed=done)

    def say(self, text: str, mark: str = "") -> None:
        """Below the step that runs."""
        self._console.print(f"   {text}", style=STYLES.get(mark, ""), markup=False)

    def text(self, text: str, mark: str = "") -> None:
        """At the left edge."""
        self._console.print(text, style=STYLES.get(mark, ""), markup=False)
