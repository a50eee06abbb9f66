"""A mirror with something of everything in it, for pictures and for looking at the page as a whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from standins.stack import Stack
from testkit.images import attestation, helm_chart, multi_arch, oci_image, sbom, signature, together
from tests.integration.http_api import Caller
from tests.integration.mirroring import mirroring

KIB, MIB = 1024, 1024 * 1024
IMAGE = "shop/checkout:2.14.1"


@dataclass(frozen=True, slots=True)
class Showcase:
    """`failed` and `running` are ids of jobs in these states; the running one is slow until the registry recovers."""

    stack: Stack
    failed: str
    running: str
    many: str


@contextmanager
def showcase(stack: Stack) -> Iterator[Showcase]:
    call = Caller.of(stack)

    def pull(image: str, wait: int = 30, **more: object) -> str:
        got = call("POST", "pulls", {"image": image, "wait": wait, **more})
        assert got.status in (200, 202), got.json
        return str(got.json["id"])

    with mirroring(stack) as mirror:
        registry = stack.registry
        registry.set_event_manner(hold=True)
        mirror.push("base/debian", multi_arch("debian", 4, (900 * KIB,), tag="12.7"))
        mirror.push("base/python", multi_arch("python", 2, (300 * KIB, 1200 * KIB), tag="3.13"))
        mirror.push("charts/shop", helm_chart("shop"))
        for version in ("2.13.0", "2.14.0"):
            mirror.push("shop/checkout", oci_image(f"checkout {version}", (400 * KIB, 700 * KIB), tag=version))
        mirror.push("shop/checkout", oci_image("checkout early", (400 * KIB,), tag="2.14.1"))
        pull(IMAGE)
        checkout = multi_arch("checkout", 3, (400 * KIB, 700 * KIB), (900 * KIB,), tag="2.14.1")
        root = checkout.root
        mirror.push(
            "shop/checkout",
            together(checkout, signature("shop", root), sbom("shop", root), attestation("shop", root)),
        )
        many = call("POST", "pulls", {"match": ["base/*", "charts/*", "shop/*", "!shop/tmp-*"]}).json["id"]
        mirror.wait(lambda: call("GET", f"pulls/{many}").json["match"]["jobs"] == {"done": 6}, what="the pull of many")
        mirror.push("team/reports", multi_arch("reports", 2, (500 * KIB,), tag="7"))
        mirror.push("team/search", oci_image("search", (500 * KIB,), tag="0.9-rc1"))
        mirror.push("team/models", oci_image("models", (44 * MIB, 5 * MIB, 2 * MIB, 800 * KIB), tag="2026-11"))
        mirror.push("team/web", oci_image("web", (500 * KIB,), tag="41"))
        mirror.push("team/billing", oci_image("billing", (500 * KIB,), tag="3.2"))
        busy = {"match": {"kind": "manifest", "method": "GET", "path": "team/billing"}}
        slow = {"match": {"kind": "data"}, "do": {"bandwidth_mbps": 0.15}}
        registry.set_faults([busy | {"do": {"status": 429, "retry_after": 300}}, slow])
        failed = pull("team/reports:7", platforms=["windows/amd64"])
        waiting = pull("team/billing:3.2", 0)
        mirror.wait(lambda: call("GET", f"pulls/{waiting}").json["state"] == "waiting")
        running = pull("team/models:2026-11", 0)
        mirror.wait(lambda: call("GET", f"pulls/{running}").json["progress"]["bytes_done"] > 6 * MIB)
        cancelled = pull("team/search:0.9-rc1", 0)
        assert call("DELETE", f"pulls/{cancelled}").status == 200
        pull("team/web:41", 0)
        yield Showcase(stack, failed, running, many)
        registry.clear_faults()
