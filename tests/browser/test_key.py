"""The key: without it there is nothing, and it goes where it should and nowhere else."""

import pytest
from playwright.sync_api import expect

from tests.browser.watching import Open, Watched

pytestmark = pytest.mark.browser


def test_without_a_key_nothing_is_shown_and_nobody_is_asked(window: Open) -> None:
    for address in ("", "#/job/8204456366608-76ad9328fefb", "#/images"):
        it = window().open(address)
        expect(it.page.get_by_label("Function key")).to_be_focused()
        expect(it.page.get_by_role("heading")).to_have_text("Status of the mirror")
        expect(it.page.get_by_role("navigation")).to_have_count(0)
        it.page.wait_for_load_state("networkidle")
        assert it.calls == []


def test_a_wrong_key_is_refused_and_not_kept(window: Open) -> None:
    it = window().open()
    it.page.get_by_label("Function key").fill("not-the-key")
    it.page.get_by_role("button", name="Open").click()
    expect(it.page.get_by_role("alert")).to_contain_text("did not take this key")
    expect(it.page.get_by_label("Function key")).to_be_focused()
    expect(it.page.get_by_role("navigation")).to_have_count(0)
    assert it.page.evaluate("sessionStorage.length") == 0


def test_the_key_is_kept_in_the_tab_alone_and_gone_with_it(window: Open) -> None:
    it = window().unlock()
    asked = [request for request in it.requests if "/api/v1/pulls" in request.url]
    assert asked
    assert all(request.headers["x-functions-key"] == it.key for request in asked)
    it.page.reload()
    expect(it.page.get_by_role("heading", name="Newest jobs")).to_be_visible()
    assert it.page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    context = it.page.context
    it.page.close()
    other = window(context=context).open()
    expect(other.page.get_by_label("Function key")).to_be_visible()
    assert other.calls == []


def test_the_key_can_be_forgotten(status: Watched) -> None:
    status.page.get_by_role("button", name="Forget the key").click()
    expect(status.page.get_by_label("Function key")).to_be_focused()
    assert status.page.evaluate("sessionStorage.length") == 0
    expect(status.page.get_by_role("table")).to_have_count(0)


def test_a_key_that_is_renewed_meanwhile_is_asked_for_again(status: Watched) -> None:
    status.go("#/pull")
    expect(status.page.get_by_role("heading", name="Pull")).to_be_focused()
    status.page.evaluate("sessionStorage.setItem('acrmirror-key', 'an-older-one')")
    status.page.get_by_role("link", name="Images", exact=True).click()
    expect(status.page.get_by_role("alert")).to_contain_text("did not take this key")
    expect(status.page.get_by_role("searchbox")).to_have_count(0)
    status.page.get_by_label("Function key").fill(status.key)
    status.page.keyboard.press("Enter")
    expect(status.page.get_by_role("heading", name="Images")).to_be_visible()
