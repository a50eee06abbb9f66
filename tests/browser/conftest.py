"""Chromium, and pages in it on the local stack. A machine without Chromium fails; nothing is skipped."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from standins.stack import Stack
from testkit.stack import ROOT
from tests.browser.watching import Open, Watched, Windows
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring, mirroring

SCREENSHOTS_VARIABLE = "SCREENSHOTS"
# What keeps it from asking anyone else.
ARGUMENTS = ["--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]

expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.fail("chromium is missing: .ci/browser-tools installs it")
    with sync_playwright() as playwright:
        fonts = str(Path(__file__).with_name("fonts.conf"))
        started = playwright.chromium.launch(
            executable_path=program,
            args=ARGUMENTS,
            chromium_sandbox=os.geteuid() != 0,
            env={**os.environ, "FONTCONFIG_FILE": fonts},
        )
        yield started
        started.close()


@pytest.fixture
def windows(browser: Browser) -> Iterator[Windows]:
    """However a test goes on with its pages, none of them may have broken the policy, or asked anyone else."""
    opened = Windows(browser)
    yield opened
    try:
        for watched in opened.watched:
            watched.is_clean()
    finally:
        opened.close()


@pytest.fixture
def window(windows: Windows, stack: Stack) -> Open:
    """`window(color_scheme="dark")` opens a tab of its own browser profile on the shared stack."""
    return partial(windows.open, stack)


@pytest.fixture
def status(window: Open) -> Watched:
    """The page with the key given, at the jobs."""
    return window().unlock()


@pytest.fixture
def mirror(stack: Stack) -> Iterator[Mirroring]:
    """With events held back: what is in the mirror came by a pull."""
    with mirroring(stack) as opened:
        stack.registry.set_event_manner(hold=True)
        yield opened


@pytest.fixture
def call(stack: Stack) -> Caller:
    return Caller.of(stack)


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures are kept for whoever looks at the run."""
    folder = Path(os.environ.get(SCREENSHOTS_VARIABLE) or ROOT / ".tools" / "ci" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
