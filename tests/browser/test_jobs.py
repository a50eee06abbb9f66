"""Jobs: followed live, filtered, paged, cancelled and tried again."""

import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from acrmirror.moments import from_datetime
from acrmirror.reference import Reference
from acrmirror.work import Copy, JobId
from testkit.images import oci_image
from tests.browser.watching import Open, Watched
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring

pytestmark = pytest.mark.browser

MIB = 1024 * 1024
SLOW = [{"match": {"kind": "data"}, "do": {"bandwidth_mbps": 1}}]


@pytest.fixture
def repository() -> str:
    return f"jobs/{uuid.uuid4().hex[:12]}"


def jobs_page(it: Watched, repository: str) -> Locator:
    """The row of the one job of that repository."""
    it.go(f"#/jobs?repository={repository}")
    return it.page.get_by_role("row").filter(has_text=f"{repository}:")


def job_page(it: Watched, identity: str) -> Page:
    it.go(f"#/job/{identity}")
    expect(it.page.locator("h1")).to_be_focused()
    return it.page


def test_progress_moves_while_an_image_is_copied(
    status: Watched, mirror: Mirroring, call: Caller, repository: str
) -> None:
    mirror.push(repository, oci_image(repository, (7 * MIB, 2 * MIB)))
    mirror.stack.registry.set_faults(SLOW)
    identity = call("POST", "pulls", {"image": repository}).json["id"]
    row = jobs_page(status, repository)
    bar = row.get_by_role("progressbar")
    expect(row.get_by_role("cell", name="running")).to_be_visible()
    seen = [0.0]
    for _ in range(2):
        status.page.wait_for_function("([bar, value]) => bar.value > value", arg=[bar.element_handle(), seen[-1]])
        seen.append(bar.evaluate("it => it.value"))
    assert seen == sorted(set(seen))
    mirror.stack.registry.clear_faults()
    begun = time.monotonic()
    page = job_page(status, identity)
    expect(page.locator(".badge")).to_have_text("done")
    assert status.calls.count(f"pulls/{identity}") <= time.monotonic() - begun + 2
    expect(page.get_by_role("status")).to_have_text(f"{repository}:latest is done.")
    layers = page.get_by_role("table", name="Layers and configs").get_by_role("row")
    expect(layers).to_have_count(4)
    expect(layers.filter(has_text="7.3 MB")).to_contain_text("done")
    for fact in ("Received", "Started", "Finished", "Took", "Requests to the registry"):
        expect(page.get_by_role("term").filter(has_text=fact)).to_be_visible()


def test_nobody_is_asked_while_the_tab_is_hidden(window: Open) -> None:
    it = window()
    it.page.clock.install()
    it.unlock()
    expect(it.page.locator("tbody tr, .empty:not([hidden])").first).to_be_visible()

    def asked_within(minutes: int) -> int:
        before = len(it.calls)
        for _ in range(minutes * 2):
            it.page.clock.run_for(30_000)
            it.page.wait_for_load_state("networkidle")
        return len(it.calls) - before

    def hide(hidden: bool) -> None:
        it.page.evaluate(
            """hidden => {
                Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            hidden,
        )

    assert 1 <= asked_within(1) <= 30
    hide(True)
    asked_within(1)
    assert asked_within(5) == 0
    with it.page.expect_request("**/api/v1/pulls?*"):
        hide(False)


def test_a_failed_job_says_why_and_is_tried_again(
    status: Watched, mirror: Mirroring, call: Caller, repository: str
) -> None:
    mirror.push(repository, oci_image(repository))
    mirror.stack.registry.set_faults([{"match": {"kind": "blob", "path": repository}, "do": {"status": 400}}])
    failed = call("POST", "pulls", {"image": repository, "wait": 30}).json
    assert failed["state"] == "failed"
    row = jobs_page(status, repository)
    status.page.get_by_role("link", name="failed", exact=True).click()
    expect(row).to_contain_text("it answered 400 ('BAD_REQUEST', 'the registry was asked to fail')")
    expect(row).to_contain_text(failed["error"]["remedy"])
    row.get_by_role("link", name=repository).click()
    page = status.page
    expect(page.locator("main .trouble")).to_contain_text(failed["error"]["answered"], ignore_case=True)
    expect(page.locator("main .trouble")).to_contain_text(f"What to do: {failed['error']['remedy']}")
    expect(page.locator("main .trouble")).to_contain_text(failed["error"]["code"])
    mirror.stack.registry.clear_faults()
    page.get_by_role("button", name=f"Retry {repository}:latest").click()
    expect(page.locator(".badge")).to_have_text("done")
    expect(page.locator("main .trouble")).to_have_count(0)
    page.get_by_role("link", name="See the image").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{repository}:latest")


def test_a_running_job_is_cancelled_by_one_click(
    status: Watched, mirror: Mirroring, call: Caller, repository: str
) -> None:
    mirror.push(repository, oci_image(repository, (16 * MIB,)))
    mirror.stack.registry.set_faults(SLOW)
    call("POST", "pulls", {"image": repository})
    row = jobs_page(status, repository)
    expect(row).to_contain_text("running")
    row.get_by_role("button", name=f"Cancel {repository}:latest").click()
    expect(row).to_contain_text("cancelled")
    expect(row.get_by_role("button", name=f"Retry {repository}:latest")).to_be_visible()
    expect(status.page.get_by_role("status")).to_contain_text(repository)


def test_what_is_not_possible_any_more_is_said(
    status: Watched, mirror: Mirroring, call: Caller, repository: str
) -> None:
    """The page's button comes too late: somebody else has retried the job already."""
    mirror.push(repository, oci_image(repository))
    mirror.stack.registry.set_faults([{"match": {"kind": "blob", "path": repository}, "do": {"status": 400}}])
    identity = call("POST", "pulls", {"image": repository, "wait": 30}).json["id"]
    page = job_page(status, identity)
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    mirror.stack.registry.clear_faults()
    call("POST", f"pulls/{identity}/retry")
    mirror.wait(lambda: call("GET", f"pulls/{identity}").json["state"] == "done")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".badge")).to_have_text("done")
    expect(page.get_by_role("alert")).to_contain_text("It is done")


def test_jobs_are_filtered_and_paged(status: Watched, mirror: Mirroring, repository: str) -> None:
    begun = datetime.now(UTC) - timedelta(minutes=1)
    for number in range(30):
        reference = Reference(repository, f"v{number:02}")
        moment = begun + timedelta(seconds=number)
        asked = from_datetime(moment)
        job = Copy(JobId.of(moment, repository), asked, "pull", reference, asked)
        mirror.records.add(job)
        mirror.records.change(job.id, {"state": "gone" if number % 3 else "done"})
    page = status.page
    status.go("#/jobs")
    page.get_by_role("textbox", name="Repository").fill(repository)
    page.keyboard.press("Enter")
    names = page.get_by_role("rowheader").get_by_role("link")
    expect(names).to_have_count(25)
    expect(names.first).to_have_text(f"{repository}:v29")
    page.get_by_role("link", name="Older").click()
    expect(names).to_have_count(5)
    expect(names.last).to_have_text(f"{repository}:v00")
    page.get_by_role("link", name="Newest").click()
    expect(names.first).to_have_text(f"{repository}:v29")
    chip = page.get_by_role("navigation", name="Jobs by state").get_by_role("link", name="done")
    chip.click()
    expect(names).to_have_count(10)
    expect(chip).to_be_focused()
    assert chip.get_attribute("aria-current") == "true"
    page.get_by_role("navigation", name="Jobs by state").get_by_role("link", name="waiting").click()
    expect(page.get_by_text("There is no such job.")).to_be_visible()
    page.go_back()
    expect(names).to_have_count(10)
