"""What needs attention comes first, each cause once, with what to press."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from acrmirror.moments import from_datetime
from acrmirror.reference import Reference
from acrmirror.work import Copy, JobId
from testkit.images import oci_image
from tests.browser.watching import Watched
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring

pytestmark = pytest.mark.browser

TROUBLED = ("failed", "incomplete", "interrupted", "running")


@pytest.fixture
def cause() -> str:
    """An error code that no other test's jobs have."""
    return f"cause-{uuid.uuid4().hex[:8]}"


def calm(mirror: Mirroring) -> None:
    """What other tests left is nobody's to look after any more."""
    for state in TROUBLED:
        for record in list(mirror.records.newest(state=state)):
            mirror.records.change(record.id, {"state": "cancelled"})


def failures(mirror: Mirroring, code: str, count: int, *, days: int = 0, state: str = "failed") -> list[JobId]:
    """Records of images that are at the registry, as a registry that was closed for a while leaves them."""
    repository = f"attention/{code}"
    begun = datetime.now(UTC) - timedelta(days=days, seconds=count)
    found = []
    for number in range(count):
        reference = Reference(repository, f"v{number}")
        mirror.push(repository, oci_image(f"{repository} {number}", tag=str(reference.tag)))
        moment = begun + timedelta(seconds=number)
        asked = from_datetime(moment)
        job = Copy(JobId.of(moment, str(reference)), asked, "pull", reference, asked)
        mirror.records.add(job)
        fields: dict[str, Any] = {
            "state": state,
            "finished": asked,
            "error_code": code,
            "error_asked": f"GET mirror.example/v2/{repository}/manifests/{reference.tag}",
            "error_answered": "it answered 403 ('DENIED')",
            "error_remedy": f"Give the app the role for {repository}.",
        }
        mirror.records.change(job.id, fields)  # type: ignore[arg-type]
        found.append(job.id)
    return found


def card(it: Watched, code: str) -> Locator:
    return it.page.locator(".attention > li").filter(has_text=code)


def test_failures_are_one_thing_for_each_cause_and_are_retried_all_at_once(
    status: Watched, mirror: Mirroring, call: Caller, cause: str
) -> None:
    jobs = failures(mirror, cause, 5)
    failures(mirror, f"old-{cause}", 1, days=9)
    page = status.page
    page.reload()
    mine = card(status, cause)
    expect(mine).to_have_count(1)
    expect(mine).to_contain_text("It answered 403 ('DENIED')")
    expect(mine).to_contain_text("Asked: GET mirror.example/v2/…/manifests/…")
    expect(mine).to_contain_text("What to do: Give the app the role")
    expect(page.locator("h1")).to_contain_text("attention")
    mine.get_by_text("5 jobs").click()
    names = [f"attention/{cause}:v{number}" for number in (4, 3, 2, 1, 0)]
    expect(mine.get_by_role("listitem")).to_have_text(names)
    # Somebody else was faster with one of them.
    call("POST", f"pulls/{jobs[2]}/retry")
    mirror.wait(lambda: call("GET", f"pulls/{jobs[2]}").json["state"] == "done")
    mine.get_by_role("button", name="Retry all 5: ").click()
    expect(mine).to_contain_text("4 jobs were requested again; 1 could not be.")
    expect(mine).to_contain_text(f"attention/{cause}:v2: it is done")
    expect(page.get_by_role("status")).to_contain_text("4 jobs were requested again")
    mirror.wait(lambda: all(call("GET", f"pulls/{it}").json["state"] == "done" for it in jobs))
    page.reload()
    expect(page.locator(".banner.queued")).to_have_count(0)
    expect(mine).to_have_count(0)


def test_retries_that_nobody_answers_end_and_say_how_many_were_not_tried(
    status: Watched, mirror: Mirroring, cause: str
) -> None:
    failures(mirror, cause, 7)
    page = status.page
    page.reload()
    mine = card(status, cause)
    button = mine.get_by_role("button", name="Retry all 7: ")
    expect(button).to_be_visible()
    page.context.set_offline(True)
    button.click()
    expect(mine).to_contain_text(
        "0 jobs were requested again; 5 could not be; 2 not tried, since 5 in a row were refused."
    )
    expect(mine).to_contain_text("and 4 more: the function app can't be reached")
    page.context.set_offline(False)
    status.complaints.clear()
    mine.get_by_role("button", name="Retry all 7: ").click()
    expect(mine).to_contain_text("7 jobs were requested again.")


def test_what_is_well_is_said_in_one_line_and_what_is_not_is_named(
    status: Watched, mirror: Mirroring, call: Caller, cause: str
) -> None:
    calm(mirror)
    page = status.page
    page.reload()
    expect(page.locator("h1")).to_have_text("All is well")
    expect(page.get_by_text("Nothing needs attention.")).to_be_visible()
    expect(page).to_have_title("All is well · acrmirror")
    mirror.stack.registry.set_faults([{"match": {"kind": "catalog"}, "do": {"status": 403}}])
    failures(mirror, cause, 1, state="incomplete")
    page.reload()
    expect(page.locator("h1")).to_have_text("2 things need attention")
    check = page.locator(".attention > li").filter(has_text="Health check registry fails")
    expect(check).to_contain_text("Nothing new is copied.")
    expect(check).to_contain_text("it answered 403")
    remedy = next(it["error"]["remedy"] for it in call("GET", "health").json["checks"] if not it["ok"])
    expect(check).to_contain_text(f"What to do: {remedy}")
    expect(card(status, cause)).to_contain_text("incomplete")
    expect(card(status, cause).get_by_role("button", name="Retry: ")).to_be_visible()


def test_an_app_that_cannot_be_asked_is_not_said_to_be_well(status: Watched) -> None:
    page = status.page
    expect(page.locator(".banner.queued")).to_have_count(0)
    page.context.set_offline(True)
    page.get_by_role("link", name="Pull", exact=True).click()
    page.get_by_role("link", name="Status", exact=True).click()
    expect(page.locator("h1")).to_contain_text("attention")
    expect(page.locator(".attention")).to_contain_text("can't be reached")
    expect(page.get_by_text("Nothing needs attention.")).to_be_hidden()
    page.context.set_offline(False)
    status.complaints.clear()
