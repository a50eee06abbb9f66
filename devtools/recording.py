"""The recording of the demo that README shows: an SVG that plays what `python3 dev.py demo` printed, as it was printed.

    python -m devtools.recording            # runs the demo, and writes docs/images/demo.svg
    python -m devtools.recording --check    # runs it, and says whether its words are still those of the recording

The picture needs nothing else: no script, no font or file from elsewhere. Where motion is not wanted, or not played, it
shows the end.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devtools import demo
from devtools.screen import Screen

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "demo.svg"
COMMAND = "$ python3 dev.py demo"
ROWS, COLUMNS = 30, 116
LINE, CHARACTER, TOP, SIDE = 18.0, 7.25, 40, 16
LONGEST_PAUSE, SHORTEST_PAUSE, LAST_PAUSE = 1.2, 0.06, 6.0
"""Seconds between two lines, and before it begins anew."""
COLOURS = {
    "": "#d7dde5",
    "title": "#ffffff",
    "event": "#67d4e8",
    "work": "#8b97a7",
    "good": "#7ee08a",
    "bad": "#ff8f8f",
}
STYLE = (
    "text{{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}}"
    "{colours}.title{{font-weight:bold}}"
    "#lines{{transform:translateY({scrolled}px)}}#cover{{transform:translateY({shown}px)}}"
    "@media (prefers-reduced-motion:no-preference){{#lines{{animation:scroll {seconds}s step-end infinite}}"
    "#cover{{animation:show {seconds}s step-end infinite}}}}"
    "@keyframes show{{{show}}}@keyframes scroll{{{scroll}}}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """What was printed, and when, in seconds from the beginning."""

    at: float
    text: str
    mark: str = ""


class Recorder(Screen):
    """A screen that also keeps each line with its time."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.lines = [Line(0.0, COMMAND, "title")]

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        if self._steps:
            self._keep("")
        self._keep(f"{self._steps + 1}. {title}", "title")
        with super().step(title):
            yield

    def say(self, text: str, mark: str = "") -> None:
        self._keep(f"   {text}", mark)
        super().say(text, mark)

    def text(self, text: str, mark: str = "") -> None:
        if text != demo.NEXT:
            for line in text.rstrip("\n").split("\n"):
                self._keep(line, mark)
        super().text(text, mark)

    def _keep(self, text: str, mark: str = "") -> None:
        self.lines.append(Line(self.seconds, text, mark))


def record() -> list[Line]:
    """Runs the demo. Raises what it raises."""
    screen = Recorder()
    demo.run(demo.parse([]), screen)
    return screen.lines


def drawn(lines: Sequence[Line]) -> str:
    """The SVG. Pauses are cut, so that it plays for some twenty seconds."""
    at, total = [], 0.0
    for before, line in zip([lines[0], *lines], lines, strict=False):
        total += min(LONGEST_PAUSE, max(SHORTEST_PAUSE, line.at - before.at))
        at.append(total)
    seconds = total + LAST_PAUSE
    show, scroll = [], []
    for number, moment in enumerate(at, 1):
        share = f"{0.0 if number == 1 else 100 * moment / seconds:.2f}%"
        show.append(f"{share}{{transform:translateY({number * LINE:g}px)}}")
        if number == 1 or number > ROWS:
            scroll.append(f"{share}{{transform:translateY({-max(0, number - ROWS) * LINE:g}px)}}")
    width, height = COLUMNS * CHARACTER + 2 * SIDE, TOP + ROWS * LINE + SIDE
    style = STYLE.format(
        colours="".join(f".{mark or 'plain'}{{fill:{colour}}}" for mark, colour in COLOURS.items()),
        scrolled=f"{-max(0, len(lines) - ROWS) * LINE:g}",
        shown=f"{len(lines) * LINE:g}",
        seconds=f"{seconds:.1f}",
        show="".join(show),
        scroll="".join(scroll),
    )
    size = f'viewBox="0 0 {width:g} {height:g}"'
    inside = f'x="{SIDE}" y="{TOP}" width="{width - 2 * SIDE:g}" height="{ROWS * LINE:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
            '<title id="title">A terminal that runs python3 dev.py demo</title>',
            f"<style>{style}</style>",
            f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#161b22"/>',
            *(f'<circle cx="{20 + 18 * it}" cy="18" r="5.5" fill="#3b4350"/>' for it in range(3)),
            f'<svg {inside}><g id="lines">',
            *(_text(number, it) for number, it in enumerate(lines, 1)),
            f'<rect id="cover" width="{width:g}" height="{len(lines) * LINE:g}" fill="#161b22"/>',
            "</g></svg>",
            "</svg>",
            "",
        ]
    )


def _text(number: int, line: Line) -> str:
    shown = html.escape(line.text[:COLUMNS], quote=False)
    return f'<text class="{line.mark or "plain"}" y="{number * LINE - 5:g}">{shown}</text>'


def texts_of(picture: str) -> list[str]:
    """The lines of a recording."""
    return [html.unescape(it) for it in re.findall(r"<text [^>]*>(.*)</text>", picture)]


def words(lines: Sequence[str]) -> set[str]:
    """The lines without what differs from run to run: times, ports, digests, figures, the order of events and jobs."""
    found = set()
    for line in lines:
        text = re.sub(r"^\d+\. ", "", line.strip()) if line != COMMAND else ""
        if happened := re.match(r"\d\d:\d\d:\d\d +(\w+)", text):
            text = happened[1] if happened[1] in ("event", "done") else ""
        text = re.sub(r"\d{4}-\d\d-\d\dt[\d.]+z|sha256:[0-9a-f]+", "…", text)
        found.add(re.sub(r"(?<!@)\d+(\.\d+)*", "#", text)[:80])
    return found - {""}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m devtools.recording", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the words have changed")
    check = parser.parse_args(argv).check
    lines = record()
    if check:
        now, then = words([it.text for it in lines]), words(texts_of(PICTURE.read_text(encoding="utf-8")))
        for line in sorted(now ^ then):
            print(f"{'new' if line in now else 'gone'}: {line}")
        return 1 if now != then else 0
    PICTURE.write_text(drawn(lines), encoding="utf-8")
    print(f"{PICTURE}: {PICTURE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
