"""What the page is served with, and that nothing which comes from elsewhere becomes a part of it."""

import re
import uuid
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Page, expect

from testkit.images import oci_image, sbom, together
from tests.browser.watching import Open, Watched
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="window.taken=1"><script>window.taken=1</script>\'"${1}'


ACTING = "a\x1b[2Jb\u202ec\u2066d\x07\n\te"
"""What does something to who reads it, without being seen."""


def untouched(page: Page) -> None:
    """The text is shown as text."""
    assert page.locator("img, iframe, main script").count() == 0
    assert page.evaluate("window.taken") is None


def test_a_record_and_a_manifest_that_are_hostile_are_shown_as_they_are(
    status: Watched, mirror: Mirroring, call: Caller
) -> None:
    repository = f"safety/{uuid.uuid4().hex[:12]}"
    image = oci_image(repository)
    mirror.push(repository, together(image, sbom(HOSTILE, image.root), sbom(ACTING, image.root)))
    job = call("POST", "pulls", {"image": repository, "wait": 30}).json
    status.go(f"#/image/{repository}:latest")
    referrers = status.page.get_by_role("table", name=re.compile("What refers to"))
    expect(referrers).to_contain_text(HOSTILE)
    expect(referrers).to_contain_text("a\ufffd[2Jb\ufffdc\ufffdd\ufffd\ufffd\ufffde")
    untouched(status.page)
    mirror.records.change(
        job["id"],
        {
            "state": "failed",
            "repository": HOSTILE,
            "tag": HOSTILE,
            "kind": HOSTILE,
            "notes": [HOSTILE],
            "left_out": {HOSTILE: HOSTILE},
            "error_code": HOSTILE,
            "error_asked": HOSTILE,
            "error_answered": HOSTILE,
            "error_remedy": HOSTILE,
        },
    )
    status.go("#/")
    expect(status.page.get_by_role("row").filter(has_text=HOSTILE).first).to_be_visible()
    expect(status.page.locator(".attention li").filter(has_text=HOSTILE).first).to_be_visible()
    untouched(status.page)
    status.go(f"#/job/{job['id']}")
    expect(status.page.locator("main .trouble")).to_contain_text(HOSTILE)
    expect(status.page.get_by_role("listitem").filter(has_text=HOSTILE).first).to_be_visible()
    untouched(status.page)


def test_what_is_typed_or_linked_is_shown_as_it_is(status: Watched) -> None:
    status.go("#/jobs")
    status.page.get_by_label("Pull an image").fill(HOSTILE)
    status.page.keyboard.press("Enter")
    expect(status.page.get_by_role("alert")).to_contain_text("<img src=x")
    for address in ("#/image/", "#/images/", "#/job/", "#/images?contains=", "#/jobs?state=", "#/?repository="):
        status.go(address + HOSTILE)
        expect(status.page.locator("main")).to_contain_text(re.compile("What to do|No repository|no such job"))
        untouched(status.page)


def test_no_script_of_the_page_could_make_markup_of_text(status: Watched) -> None:
    """The policy in force: text is no markup, no code from text, no code from elsewhere, no frame around the page."""
    refused = "text => { try { document.body.innerHTML = text; return 'made'; } catch (error) { return error.name; } }"
    assert status.page.evaluate(refused, HOSTILE) == "TypeError"
    expect(status.page.get_by_role("heading", name="Newest jobs")).to_be_visible()
    assert any("require-trusted-types-for" in it for it in status.complaints)
    status.complaints.clear()


def test_the_page_is_one_file_with_a_strict_policy_and_for_keeps(window: Open) -> None:
    it = window().open()
    icon = f"{it.page.url.partition('#')[0]}/icon.svg"
    files = {request.url.partition("#")[0] for request in it.requests}
    assert len(files - {icon}) == 1
    for url in files | {icon}:
        with urlopen(url) as got:
            policy = got.headers["Content-Security-Policy"]
            etag = got.headers["ETag"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert got.headers["X-Content-Type-Options"] == "nosniff"
            assert got.headers["Referrer-Policy"] == "no-referrer"
        with urlopen(Request(url, method="HEAD")) as head:
            assert (head.headers["ETag"], head.read()) == (etag, b"")
    loaded = len(it.requests)
    it.page.reload()
    expect(it.page.get_by_label("Function key")).to_be_visible()
    answers = [request.response() for request in it.requests[loaded:]]
    assert {answer.status for answer in answers if answer is not None} <= {200, 304}
