"""Audits on the page: each with what it found, and an image with when it was proven."""

import pytest
from playwright.sync_api import expect

from acrmirror.mirror import Layout
from testkit.images import oci_image
from tests.browser.watching import Watched
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring

pytestmark = pytest.mark.browser


def test_what_an_audit_found_is_on_the_page(status: Watched, mirror: Mirroring, call: Caller) -> None:
    repository = "audits/shown"
    image = mirror.push(repository, oci_image(repository, tag="1"))
    assert call("POST", "pulls", {"image": f"{repository}:1", "wait": 30}).json["state"] == "done"
    name = Layout().blob_data(image.blobs[-1].descriptor.digest)
    body = mirror.container.download_blob(name).readall()
    mirror.container.upload_blob(name, body[:-1] + bytes([body[-1] ^ 1]), overwrite=True)
    audit = call("POST", "audits").json["id"]
    mirror.wait(lambda: call("GET", f"audits/{audit}").json["state"] == "done", 120, "the end of the audit")
    page = status.page
    page.get_by_role("link", name="Health").click()
    page.get_by_role("definition").filter(has=page.get_by_role("time")).get_by_role("link").click()
    expect(page.get_by_role("heading", name="Audits", level=1)).to_be_visible()
    page.get_by_role("table").get_by_role("link").first.click()
    expect(page.get_by_role("row").filter(has_text=str(image.blobs[-1].descriptor.digest)).first).to_contain_text(
        "mended"
    )
    status.go("#/jobs")
    row = page.get_by_role("row").filter(has_text="all that is in the mirror").first
    expect(row).to_contain_text("an audit")
    row.get_by_role("link", name="all that is in the mirror").click()
    expect(page.get_by_role("heading", name="Audit", level=1)).to_be_focused()


def test_an_audit_that_is_under_way_is_cancelled_from_the_list(
    status: Watched, mirror: Mirroring, call: Caller
) -> None:
    repository = "audits/cancelled"
    image = mirror.push(repository, oci_image(repository, tag="1"))
    assert call("POST", "pulls", {"image": f"{repository}:1", "wait": 30}).json["state"] == "done"
    faults = [{"match": {"kind": it, "path": repository}, "do": {"status": 404}} for it in ("manifest", "blob")]
    mirror.stack.registry.set_faults(faults)
    mirror.container.delete_blob(Layout().blob_data(image.blobs[-1].descriptor.digest))
    audit = call("POST", "audits").json["id"]
    mirror.wait(lambda: call("GET", f"audits/{audit}").json["phase"] == "mending", 120, "a pull of what is lost")
    page = status.page
    page.goto(page.url.partition("#")[0] + "#/audits")
    page.get_by_role("button", name="Cancel the audit").click()
    expect(page.get_by_role("cell", name="cancelled", exact=True)).to_be_visible()
    assert call("GET", f"audits/{audit}").json["state"] == "cancelled"
    mirror.stack.registry.clear_faults()
