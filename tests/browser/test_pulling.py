"""Asking for images on the page."""

import uuid

import pytest
from playwright.sync_api import expect

from testkit.images import multi_arch, oci_image
from testkit.reader import verify_tag
from tests.browser.watching import Watched
from tests.integration.mirroring import Mirroring

pytestmark = pytest.mark.browser


@pytest.fixture
def repository() -> str:
    return f"pulling/{uuid.uuid4().hex[:12]}"


def test_an_image_is_asked_for_from_the_list_of_jobs(status: Watched, mirror: Mirroring, repository: str) -> None:
    mirror.push(repository, oci_image(repository, tag="1.2"))
    page = status.page
    status.go("#/jobs")
    page.get_by_label("Pull an image").fill(f"{repository}:1.2")
    page.get_by_role("button", name="Pull").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{repository}:1.2")
    expect(page.locator(".badge")).to_have_text("done")
    assert verify_tag(mirror.reader, repository, "1.2").is_whole


def test_a_reference_that_makes_no_sense_is_said_where_it_was_typed(status: Watched) -> None:
    page = status.page
    status.go("#/jobs")
    for text, told in (
        ("Team/App:1", "Team/App"),
        ("example.org/a/b:1", "example.org"),
        ("nowhere/to/be:found", "nowhere"),
    ):
        field = page.get_by_label("Pull an image")
        field.fill(text)
        page.keyboard.press("Enter")
        alert = page.get_by_role("alert").filter(has_text=told)
        expect(alert).to_contain_text("What to do:")
        expect(field).to_be_focused()
        expect(field).to_have_value(text)
        assert field.get_attribute("aria-invalid") == "true"
    assert page.url.endswith("#/jobs")


def test_some_platforms_are_asked_for(status: Watched, mirror: Mirroring, repository: str) -> None:
    mirror.push(repository, multi_arch(repository, 2))
    page = status.page
    status.go("#/jobs")
    page.get_by_role("link", name="Many, or some platforms").click()
    page.get_by_label("Image", exact=True).fill(repository)
    page.get_by_label("Only these platforms").fill("linux/arm64, linux/amd64")
    page.get_by_label("Look at everything again").check()
    page.get_by_role("button", name="Pull").click()
    expect(page.locator(".badge")).to_have_text("done")
    facts = page.locator("dl").first
    expect(facts).to_contain_text("linux/amd64, linux/arm64")
    expect(facts).to_contain_text("Forced")


def test_patterns_are_tried_dry_and_then_asked_for(status: Watched, mirror: Mirroring, repository: str) -> None:
    for name in ("one", "two", "tmp"):
        mirror.push(f"{repository}/{name}", oci_image(f"{repository}/{name}"))
    page = status.page
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Pull").click()
    page.get_by_label("Patterns, one a line").fill(f"{repository}/*\n!{repository}/tmp")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".badge").first).to_have_text("done")
    expect(page.get_by_role("heading", name="What would be requested")).to_be_visible()
    expect(page.locator(".names li")).to_have_text([f"{repository}/one:latest", f"{repository}/two:latest"])
    assert mirror.tagged(f"{repository}/one", "latest") is None
    page.get_by_role("button", name="Pull these 2 now").click()
    expect(page.get_by_role("heading", name="What was requested")).to_be_visible()
    expect(page.locator(".counts li")).to_have_text([" done 2"], use_inner_text=False)
    assert mirror.tagged(f"{repository}/tmp", "latest") is None
    assert verify_tag(mirror.reader, f"{repository}/two", "latest").is_whole
