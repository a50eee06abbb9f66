"""Pull credentials on the page: listed, created, used, revoked."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.watching import Open
from tests.integration.http_api import Caller

pytestmark = pytest.mark.browser


def test_a_credential_is_created_shown_once_and_revoked(window: Open, call: Caller) -> None:
    name = f"page-{uuid.uuid4().hex[:8]}"
    it = window(permissions=["clipboard-read", "clipboard-write"]).unlock("#/access")
    page = it.page
    page.get_by_label("Name", exact=True).fill("No name")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("alert").filter(has_text="it is no name for one")).to_be_visible()
    day = (datetime.now(UTC) + timedelta(days=5)).date().isoformat()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Repositories", exact=True).fill("team/*, !team/secret*")
    page.get_by_label("Expires", exact=True).fill(day)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"The password of {name}")).to_be_focused()
    password = page.locator(".secret").inner_text()
    assert len(password) > 40
    page.get_by_role("button", name="Copy the password").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == password
    row = page.get_by_role("row").filter(has_text=name)
    expect(row.locator(".repositories code")).to_have_text(["team/*", "!team/secret*"])
    expect(row).to_contain_text("soon: ")
    found = {one["name"]: one for one in call("GET", "credentials").json["credentials"]}[name]
    assert found["expires"].startswith(day)

    it.go("#/health")
    expect(page.get_by_role("heading", name="Health")).to_be_focused()
    it.go("#/access")
    expect(row).to_be_visible()
    assert password not in page.content()
    row.get_by_role("button", name=f"Revoke {name}").click()
    expect(row.get_by_role("button", name=f"Yes, revoke {name}")).to_be_focused()
    row.get_by_role("button", name=f"Keep {name}").click()
    row.get_by_role("button", name=f"Revoke {name}").click()
    page.keyboard.press("Enter")
    expect(row).to_have_count(0)
    expect(page.get_by_text("Last revoked: ")).to_contain_text(f"{name} ")
    assert name not in {one["name"] for one in call("GET", "credentials").json["credentials"]}
