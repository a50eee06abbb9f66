"""All of it with the keyboard alone."""

import uuid

import pytest
from playwright.sync_api import Locator, Page, expect

from testkit.images import multi_arch
from tests.browser.watching import Open
from tests.integration.mirroring import Mirroring

pytestmark = pytest.mark.browser


def tab_to(page: Page, target: Locator, key: str = "Tab", most: int = 40) -> None:
    """As many times Tab as it takes; each stop on the way has to be seen."""
    for _ in range(most):
        page.keyboard.press(key)
        if target.evaluate("it => it === document.activeElement"):
            return
        assert page.evaluate("document.activeElement === document.body || document.activeElement.checkVisibility()")
    raise AssertionError(f"{target} is out of the keyboard's reach")


def test_from_the_key_to_the_layers_of_an_image(window: Open, mirror: Mirroring) -> None:
    repository = f"keyboard/{uuid.uuid4().hex[:12]}"
    mirror.push(repository, multi_arch(repository, 2))
    it = window().open()
    page, keys = it.page, it.page.keyboard
    keys.type("wrong")
    keys.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("did not take")
    keys.type(it.key)  # the wrong one is selected: typing replaces it
    keys.press("Enter")
    expect(page.locator("h1")).to_be_focused()
    tab_to(page, page.get_by_role("link", name="Jobs", exact=True), "Shift+Tab")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Jobs")).to_be_focused()

    tab_to(page, page.get_by_label("Pull an image"))
    keys.type(f"{repository}:nope")
    keys.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("nope")
    expect(page.get_by_label("Pull an image")).to_be_focused()
    keys.press("Control+A")
    keys.type(repository)
    keys.press("Enter")
    expect(page.get_by_role("heading", name=f"{repository}:latest")).to_be_focused()
    expect(page.locator(".badge")).to_have_text("done")

    tab_to(page, page.get_by_role("link", name="See the image"))
    keys.press("Enter")
    expect(page.get_by_role("heading", name=f"{repository}:latest")).to_be_focused()
    tab_to(page, page.locator("summary").nth(1))
    keys.press("Enter")
    expect(page.get_by_role("table", name="Layers of linux/arm64")).to_be_visible()

    page.goto(f"{page.url.partition('#')[0]}#/jobs")
    expect(page.get_by_role("heading", name="Jobs")).to_be_focused()
    tab_to(page, page.get_by_role("link", name="Skip to the content"), "Shift+Tab")
    keys.press("Enter")
    expect(page.locator("main")).to_be_focused()
    failed = page.get_by_role("navigation", name="Jobs by state").get_by_role("link", name="failed", exact=True)
    tab_to(page, failed)
    keys.press("Enter")
    expect(failed).to_have_attribute("aria-current", "true")
    expect(failed).to_be_focused()
