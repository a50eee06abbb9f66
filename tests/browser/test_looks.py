"""How the page looks, and whom it keeps out: pictures, narrow screens, and axe-core's rules."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe, AxeResults
from playwright.sync_api import Page, ViewportSize, expect

from standins.foundation import Foundation
from testkit.stack import mirror_stack
from tests.browser.showcase import IMAGE, Showcase, showcase
from tests.browser.watching import Watched, Windows

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1180, "height": 820}
PHONE: ViewportSize = {"width": 390, "height": 844}
NARROWEST: ViewportSize = {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def scene(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    with mirror_stack(foundation=foundation, folder=tmp_path_factory.mktemp("showcase")) as stack:
        with showcase(stack) as shown:
            yield shown


def views(scene: Showcase) -> dict[str, str]:
    return {
        "status": "#/",
        "jobs": "#/jobs",
        "running": f"#/job/{scene.running}",
        "failed": f"#/job/{scene.failed}",
        "many": f"#/job/{scene.many}",
        "images": "#/images",
        "tags": "#/images/shop/checkout",
        "image": f"#/image/{IMAGE}",
        "pull": "#/pull",
        "access": "#/access",
        "health": "#/health",
        "nothing": "#/image/nowhere/app:1",
    }


def settle(it: Watched, address: str) -> None:
    """What is shown there is there, and not still on its way."""
    it.go(address)
    expect(it.page.locator("h1")).to_be_focused()
    it.page.wait_for_load_state("networkidle")
    shown = it.page.locator("main").locator(
        "tbody tr, .facts div, .names li, form.card, .checks li, .trouble, .attention li"
    )
    expect(shown.first).to_be_attached()


def violations(found: dict[str, AxeResults]) -> dict[str, str]:
    return {name: result.generate_report() for name, result in found.items() if result.violations_count}


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_either_scheme(windows: Windows, scene: Showcase, screenshots: Path, scheme: str) -> None:
    it = windows.open(scene.stack, color_scheme=scheme, viewport=DESKTOP, device_scale_factor=2).open()
    axe = Axe()
    found = {"key": axe.run(it.page)}
    it.page.screenshot(path=screenshots / f"{scheme}-key.png")
    it.unlock()
    for name, address in views(scene).items():
        settle(it, address)
        if name == "image":
            it.page.locator("summary").first.click()
        found[name] = axe.run(it.page)
        it.page.screenshot(path=screenshots / f"{scheme}-{name}.png", full_page=True)
    assert violations(found) == {}


def test_nothing_is_wider_than_a_phone_or_out_of_reach_on_it(
    windows: Windows, scene: Showcase, screenshots: Path
) -> None:
    it = windows.open(scene.stack, viewport=PHONE, device_scale_factor=2, is_mobile=True, has_touch=True).open()
    wide, found, axe = {}, {}, Axe()
    it.unlock()
    for name, address in views(scene).items():
        settle(it, address)
        it.page.screenshot(path=screenshots / f"phone-{name}.png")
        found[name] = axe.run(it.page)
        it.page.set_viewport_size(NARROWEST)
        wide[name] = overflow(it.page)
        it.page.set_viewport_size(PHONE)
    assert {name: pixels for name, pixels in wide.items() if pixels > 0} == {}
    assert violations(found) == {}


def test_nothing_moves_where_motion_is_not_wanted(windows: Windows, scene: Showcase) -> None:
    moving = """() => [...document.querySelectorAll("*")].filter((it) => {
        const style = getComputedStyle(it);
        const lasts = style.transitionDuration.split(", ").some((part) => parseFloat(part) > 0);
        return lasts || style.animationName !== "none";
    }).length"""
    it = windows.open(scene.stack, reduced_motion="reduce").unlock()
    assert it.page.evaluate(moving) == 0
    other = windows.open(scene.stack, reduced_motion="no-preference").unlock()
    assert other.page.evaluate(moving) > 0
