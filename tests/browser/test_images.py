"""What is in the mirror, on the page."""

import re
import uuid
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from testkit.images import Image, multi_arch, oci_image, sbom, signature, together
from tests.browser.watching import Open, Watched
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring

pytestmark = pytest.mark.browser


@pytest.fixture
def repository() -> str:
    return f"images/{uuid.uuid4().hex[:12]}"


def bring(mirror: Mirroring, call: Caller, repository: str, image: Image, tag: str = "latest") -> Image:
    mirror.push(repository, image)
    got = call("POST", "pulls", {"image": f"{repository}:{tag}", "wait": 30})
    assert (got.status, got.json["state"]) == (200, "done"), got.json
    return image


def test_repositories_are_found_by_a_part_of_their_names(
    status: Watched, mirror: Mirroring, call: Caller, repository: str
) -> None:
    for name in ("kitchen", "kitchen-sink", "garden"):
        bring(mirror, call, f"{repository}/{name}", oci_image(f"{repository}/{name}"))
    page = status.page
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Images").click()
    page.get_by_role("searchbox").fill(f"{repository[7:]}/kitch")
    page.keyboard.press("Enter")
    names = page.locator(".names a")
    expect(names).to_have_text([f"{repository}/kitchen", f"{repository}/kitchen-sink"])
    expect(page.get_by_role("status")).to_have_text("2 repositories.")
    expect(page.get_by_role("searchbox")).to_be_focused()
    names.first.click()
    expect(page.get_by_role("table").get_by_role("link", name="latest")).to_be_visible()
    page.go_back()
    page.get_by_role("searchbox").fill("nothing-is-named-so")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No repository's name has that in it.")).to_be_visible()
    page.get_by_role("searchbox").fill(f"{repository}/garden:latest")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{repository}/garden:latest")


def test_an_image_shows_platforms_layers_referrers_and_history(
    window: Open, mirror: Mirroring, call: Caller, repository: str
) -> None:
    older = bring(mirror, call, repository, oci_image(repository, tag="1.2"), "1.2")
    image = multi_arch(f"{repository}/newer", 3, tag="1.2")
    notes = (signature(repository, image.root), sbom(repository, image.root))
    bring(mirror, call, repository, together(image, *notes), "1.2")
    page = window().unlock(f"#/image/{repository}:1.2").page
    expect(page.locator(".facts")).to_contain_text(str(image.root.digest))
    variants = page.locator("details.variant")
    expect(variants).to_have_count(3)
    variants.filter(has_text="linux/arm64").locator("summary").click()
    layers = page.get_by_role("table", name="Layers of linux/arm64").get_by_role("row")
    expect(layers).to_have_count(1 + 1 + 2)
    expect(layers.last).to_contain_text("application/vnd.oci.image.layer.v1.tar+gzip")
    referrers = page.get_by_role("table", name=re.compile("What refers to")).get_by_role("rowheader")
    expect(referrers).to_have_count(2)
    expect(referrers.filter(has_text="spdx")).to_be_visible()
    history = page.get_by_role("table", name=re.compile("Where 1.2 has been")).locator("tbody tr")
    expect(history.first).to_contain_text("this one")
    history.filter(has_text=str(older.root.digest)[:19]).get_by_role("link").click()
    expect(page.locator(".facts")).to_contain_text(str(older.root.digest))
    page.go_back()
    referrers.filter(has_text="spdx").get_by_role("link").click()
    expect(page.locator(".facts")).to_contain_text(str(notes[1].root.digest))


def test_a_link_to_what_is_not_there_says_so(status: Watched) -> None:
    for address, told in (
        ("#/image/nowhere/app:1", "is missing there"),
        ("#/image/..%2Fpulls", "it is no image"),
        ("#/images/nowhere/app", "is missing there"),
        ("#/job/8204456366608-76ad9328fefb", "no record"),
    ):
        status.go(address)
        expect(status.page.get_by_role("alert")).to_contain_text(told, ignore_case=True)
    status.go("#/elsewhere")
    expect(status.page.get_by_role("heading", name="Nothing here")).to_be_visible()


def test_what_does_not_stand_yet_is_pulled_from_there(status: Watched, mirror: Mirroring, repository: str) -> None:
    mirror.push(repository, oci_image(repository))
    status.go(f"#/image/{repository}:latest")
    status.page.get_by_role("button", name="Pull it").click()
    expect(status.page.locator(".badge")).to_have_text("done")
    status.page.get_by_role("link", name="See the image").click()
    expect(status.page.locator("details.variant")).to_have_count(1)


def test_tags_are_paged(status: Watched, mirror: Mirroring, call: Caller, repository: str) -> None:
    image = bring(mirror, call, repository, oci_image(repository))
    root = image.manifest(image.root.digest)
    for number in range(52):
        mirror.pusher.stored(repository, replace(root, tag=f"v{number:02}"))
    many = call("POST", "pulls", {"match": [repository]}).json["id"]
    mirror.wait(lambda: call("GET", f"pulls/{many}").json["match"]["jobs"] == {"done": 52})
    status.go(f"#/images/{repository}")
    rows = status.page.locator("tbody tr")
    expect(rows.first).to_contain_text("latest")
    seen = rows.count()
    status.page.get_by_role("link", name="More tags").click()
    expect(rows.last).to_contain_text("v51")
    assert seen + rows.count() == 53
