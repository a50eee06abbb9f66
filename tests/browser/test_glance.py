"""The strip on the first page, the clock, and jobs of every kind."""

import re
import uuid
from functools import partial

import pytest
from playwright.sync_api import expect

from acrmirror.cli.output import in_bytes
from acrmirror.http.page import FOLDER
from acrmirror.work import RecordFields, Restore
from acrmirror.work.restore import Into
from testkit.images import oci_image
from tests.browser.watching import Open, Watched
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring

pytestmark = pytest.mark.browser


def ended(call: Caller, path: str) -> bool:
    return bool(call("GET", path).json["state"] == "done")


def test_the_strip_says_what_stats_say(window: Open, mirror: Mirroring, call: Caller) -> None:
    repository = f"glance/{uuid.uuid4().hex[:12]}"
    mirror.stack.registry.set_event_manner(hold=False)
    mirror.push(repository, oci_image(repository, tag="1"))
    mirror.wait_for(1, repository)
    sweep = call("POST", "pulls", {"match": ["*"]}).json["id"]

    def counted() -> bool:
        stats = call("GET", "stats").json
        return stats["computed"] is not None and (stats["last_comparison"] or {}).get("id") == sweep

    mirror.wait(counted, 120, "figures with this comparison")
    it = window(timezone_id="UTC")
    with it.page.expect_response("**/api/v1/stats") as got:
        it.unlock()
    stats = got.value.json()
    cells = it.page.locator(".strip > div")
    expect(cells).to_have_count(10)
    cell = {
        name: cells.filter(has=it.page.get_by_text(name, exact=True)) for name in cells.locator("dt").all_inner_texts()
    }
    expect(cell["Registry"]).to_contain_text(f"{stats['registry']}acrmirror {stats['version']}")
    expect(cell["Failed in 24 h"].locator(".value")).to_have_text(f"{stats['failed_24h']:,}")
    waiting = stats["queues"]["pushes"] + stats["queues"]["backfill"]
    expect(cell["Queue"].locator(".value")).to_have_text(f"{waiting:,}")
    expect(cell["Lag"]).to_contain_text("of the newest push")
    expect(cell["Stored"].locator(".value")).to_have_text(in_bytes(stats["bytes_stored"]))
    expect(cell["Tags"]).to_contain_text(f"{stats['tags']:,}in {stats['repositories']:,} repositor")
    compared, audited = stats["last_comparison"], stats["last_audit"]
    if compared["state"] == "done":
        told = f"drift of {compared['drift']:,}" if compared["drift"] else "no drift"
        expect(cell["Last comparison"]).to_contain_text(told)
    for name, moment in (
        ("Last event", stats["last_event"]),
        ("Last comparison", compared["finished"]),
        ("Last proof", audited["finished"] if audited else None),
    ):
        if moment is None:
            expect(cell[name]).to_contain_text("not yet")
        else:
            expect(cell[name].get_by_role("time")).to_have_attribute("datetime", f"{moment[:23]}Z")
            expect(cell[name]).to_contain_text(f"{moment[11:19]} UTC")
    checks = call("GET", "health").json["checks"]
    failing = [it for it in checks if not it["ok"]]
    expect(cell["Health"]).to_contain_text(f"{len(failing)} check" if failing else f"well{len(checks)} checks")


def test_times_have_their_zone_and_are_shown_in_utc_where_that_is_wanted(
    window: Open, mirror: Mirroring, call: Caller
) -> None:
    repository = f"zone/{uuid.uuid4().hex[:12]}"
    mirror.push(repository, oci_image(repository))
    received = call("POST", "pulls", {"image": repository, "wait": 30}).json["received"]
    it = window(timezone_id="Asia/Tehran").unlock(f"#/jobs?repository={repository}")
    page = it.page
    expect(page.locator("footer")).to_contain_text("Times are in Asia/Tehran, UTC+3:30.")
    time = page.get_by_role("row").filter(has_text=repository).get_by_role("time")
    expect(time).to_contain_text("UTC+3:30")
    expect(time).to_contain_text(re.compile("just now|ago"))
    page.get_by_role("button", name="Show UTC").click()
    expect(page.locator("footer")).to_contain_text("Times are in UTC.")
    expect(time).to_contain_text(f"{received[11:19]} UTC")
    page.get_by_role("button", name="Show Asia/Tehran").click()
    expect(time).to_contain_text("UTC+3:30")


def test_each_check_of_health_is_described(status: Watched, call: Caller) -> None:
    names = [it["name"] for it in call("GET", "health").json["checks"]]
    page = status.page
    status.go("#/health")
    expect(page.locator(".check-name strong")).to_have_text(names)
    for name in names:
        check = page.get_by_role("listitem").filter(has=page.locator("strong", has_text=name))
        expect(check.first).to_contain_text("If it fails: ")
    known = (FOLDER / "checks.js").read_text("utf-8")
    assert not [it for it in names if f"{it}:" not in known and f'"{it}":' not in known]


def test_restores_archives_and_rebuilds_are_told_from_each_other(
    status: Watched, mirror: Mirroring, call: Caller
) -> None:
    repository = f"kinds/{uuid.uuid4().hex[:12]}"
    image = mirror.push(repository, oci_image(repository, tag="1"))
    assert call("POST", "pulls", {"image": f"{repository}:1", "wait": 30}).json["state"] == "done"
    archive = call("POST", "archives", {"images": [f"{repository}:1"]}).json["id"]
    rebuild = call("POST", "rebuilds", {"match": [repository], "dry_run": True}).json["id"]
    for task in (f"archives/{archive}", f"rebuilds/{rebuild}"):
        mirror.wait(partial(ended, call, task), what=task)
    # Where no registry is to be restored into: as records tell of it.
    restore = Restore.now(("kinds/*", "!kinds/tmp"), Into("spare.azurecr.io", "old/"), repository)
    mirror.records.add(restore)
    mirror.records.change(restore.id, {"state": "incomplete", "match_requested": 1, "match_listed": 1})
    one = restore.image(repository, "1", image.root.digest)
    mirror.records.add(one)
    refused: RecordFields = {"error_code": "denied", "error_asked": "push it", "error_answered": "it answered 403"}
    mirror.records.change(one.id, refused | {"state": "failed", "error_remedy": "Give it AcrPush."})

    page = status.page
    status.go("#/jobs")
    rows = page.get_by_role("row")
    expect(rows.filter(has_text="kinds/* !kinds/tmp → spare.azurecr.io")).to_contain_text("a restore")
    status.go(f"#/jobs?repository={repository}")
    expect(rows.filter(has_text=f"{repository}:1@")).to_have_count(2)
    expect(rows.filter(has_text="→ spare.azurecr.io").filter(has_text=repository)).to_contain_text("by a restore")
    status.go(f"#/job/{archive}")
    expect(page.get_by_role("link", name="Download the archive")).to_have_attribute("href", re.compile("^https://"))
    status.go(f"#/job/{rebuild}")
    expect(page.get_by_role("heading", name="Tags that would be set")).to_be_visible()
    status.go(f"#/job/{restore.id}")
    expect(page.locator("dl", has_text="Into the registry")).to_contain_text("spare.azurecr.io")
    expect(page.get_by_role("table", name="Images that were not restored")).to_contain_text("Give it AcrPush.")
