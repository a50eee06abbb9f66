"""A page of the browser under watch: whatever it asks for, complains of or breaks is kept."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, expect

from standins.stack import Stack

VIOLATIONS = """
addEventListener("securitypolicyviolation", (it) => console.error(`${it.violatedDirective} forbids ${it.blockedURI}`));
"""
# The browser says so itself of every answer from 400 on; what the page makes of it is what counts.
_ANSWERED = re.compile(r"Failed to load resource: the server responded with a status of [45]\d\d")


@dataclass
class Watched:
    """`requests` are all addresses that were requested, `complaints` what no page should ever cause."""

    page: Page
    url: str
    key: str
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def over(cls, context: BrowserContext, stack: Stack) -> "Watched":
        page = context.new_page()
        watched = cls(page, f"{stack.functions.url}/api/status", stack.functions.function_key)
        page.on("request", lambda request: watched.requests.append(request))
        page.on("console", watched._listen)
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("dialog", watched._dismiss)
        return watched

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _ANSWERED.match(message.text):
            self.complaints.append(f"{message.type}: {message.text}")

    @property
    def calls(self) -> list[str]:
        """Paths of the API that were requested: all but the page's own files."""
        paths = [
            it.url.partition("/api/")[2].removeprefix("v1/")
            for it in self.requests
            if it.url.startswith(self.url.removesuffix("status"))
        ]
        return [it for it in paths if it != "status" and not it.startswith("status/")]

    def open(self, address: str = "#/") -> "Watched":
        """Without a key."""
        self.page.goto(self.url + address)
        return self

    def unlock(self, address: str = "#/") -> "Watched":
        """As a person would: the key is typed in."""
        self.open(address)
        self.page.get_by_label("Function key").fill(self.key)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("navigation", name="Pages")).to_be_visible()
        return self

    def go(self, address: str) -> None:
        self.page.evaluate("hash => { location.hash = hash; }", address)

    def is_clean(self) -> None:
        """Nothing was refused by the policy, nothing went wrong in a script, nothing left this origin, and no address
        had the key in it."""
        assert self.complaints == []
        origin = self.url.removesuffix("/api/status")
        assert [it.url for it in self.requests if not it.url.startswith(f"{origin}/")] == []
        assert [it.url for it in self.requests if self.key in it.url] == []


class Windows:
    """Opens pages, each in a context of its own unless one is given."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.watched: list[Watched] = []

    def open(self, stack: Stack, context: BrowserContext | None = None, **options: Any) -> Watched:
        if context is None:
            context = self._browser.new_context(**{"locale": "en-GB", "reduced_motion": "reduce", **options})
            context.set_default_timeout(20_000)
            context.add_init_script(VIOLATIONS)
            self._contexts.append(context)
        watched = Watched.over(context, stack)
        self.watched.append(watched)
        return watched

    def close(self) -> None:
        for context in self._contexts:
            context.close()


Open = Callable[..., Watched]
