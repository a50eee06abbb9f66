"""Health on the page: what is wrong, and what to do about it."""

import pytest
from playwright.sync_api import expect

from standins.stack import Stack
from tests.browser.watching import Watched
from tests.integration.http_api import Caller

pytestmark = pytest.mark.browser


def test_all_is_well_and_what_takes_long_is_said_to_be_on_its_way(status: Watched, stack: Stack, call: Caller) -> None:
    stack.registry.set_faults([{"match": {"kind": "catalog"}, "do": {"latency_ms": 2500}}])
    page = status.page
    page.get_by_role("link", name="Health").click()
    expect(page.get_by_text("Asking…")).to_be_visible()
    expect(page.locator(".verdict")).to_have_text("All is well.")
    expect(page.get_by_role("status")).to_have_text("All is well.")
    expect(page.get_by_text("Asking…")).to_be_hidden()
    names = [it["name"] for it in call("GET", "health").json["checks"]]
    expect(page.locator(".check-name strong")).to_have_text(names)


def test_what_is_wrong_is_named_with_its_remedy(status: Watched, stack: Stack, call: Caller) -> None:
    stack.registry.set_faults([{"match": {"kind": "catalog"}, "do": {"status": 403}}])
    report = call("GET", "health")
    assert report.status == 503
    (error,) = [it["error"] for it in report.json["checks"] if not it["ok"]]
    page = status.page
    page.get_by_role("link", name="Health").click()
    expect(page.locator(".verdict")).to_have_text("Something is wrong.")
    check = page.get_by_role("listitem").filter(has_text="It answered 403")
    expect(check).to_contain_text("registry")
    expect(check).to_contain_text("failed")
    expect(check).to_contain_text(f"What to do: {error['remedy']}")
    expect(page.get_by_role("listitem").filter(has_text="What to do")).to_have_count(1)
