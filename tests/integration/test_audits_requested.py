"""An audit that a person requests, by the HTTP API and from the command line, on a whole stack."""

import json
from pathlib import Path
from typing import Any

from acrmirror.mirror import Layout
from standins.stack import Stack
from testkit.images import oci_image
from tests.integration.command import Command
from tests.integration.http_api import Caller
from tests.integration.mirroring import mirroring


def test_it_is_followed_to_its_report_which_is_in_the_api_the_image_and_health(make_stack: Any, tmp_path: Path) -> None:
    stack: Stack = make_stack()
    call, run = Caller.of(stack), Command.of(stack, tmp_path)
    with mirroring(stack) as mirror:
        image = mirror.push("team/app", oci_image("requested", tag="v1"))
        mirror.wait_for(1, "team/app")
        asked = call("POST", "audits")
        assert asked.status == 202
        identity = asked.json["id"]
        assert asked.headers["Location"] == f"/api/v1/audits/{identity}"
        mirror.wait(lambda: call("GET", f"audits/{identity}").json["state"] == "done", what="the end of the audit")
        found = call("GET", f"audits/{identity}").json
        assert found["proven"] is True
        assert found["checked"]["blobs"] == len(image.blobs) + 1
        assert found["report"]["before"] is None
        shown = call("GET", "images/team/app:v1").json["proof"]
        assert (shown["audit"], shown["proven"], shown["wrong"]) == (identity, True, [])
        # Its registry forgets it, and a layer is lost.
        stack.registry.set_faults([{"match": {"kind": it}, "do": {"status": 404}} for it in ("manifest", "blob")])
        mirror.container.delete_blob(Layout().blob_data(image.blobs[-1].descriptor.digest))
        run.inside("audit", "--wait", "--timeout", "0", code=6)
        # What is gone at the registry is asked for again for half an hour: the audit goes on meanwhile.
        second = call("POST", "audits").json["id"]
        assert second != identity
        mirror.wait(lambda: call("GET", f"audits/{second}").json["phase"] == "mending", what="a pull of what is lost")
        (fault, *_) = [it for it in call("GET", f"audits/{second}").json["faults"] if it["job"]]
        assert fault["what"] == f"team/app@{image.root.digest}"
        assert json.loads(run.inside("audit", "cancel", second, "--output", "json").stdout)["state"] == "cancelled"
        again = call("DELETE", f"audits/{second}")
        assert (again.status, again.json["state"], again.json["proven"]) == (200, "cancelled", None)
        assert call("DELETE", f"audits/{identity}").status == 409
        assert call("DELETE", "audits/none").status == 404
        cancelled, second = second, call("POST", "audits").json["id"]
        assert second != cancelled
        stack.registry.clear_faults()
        mirror.wait(lambda: call("GET", f"audits/{second}").json["state"] == "done", 120, "the end of the audit")
        found = json.loads(run.inside("audit", "show", "--output", "json").stdout)
        assert (found["id"], found["proven"]) == (second, True)
        assert all(it["mended"] for it in found["faults"])
        assert found["report"]["before"] == identity
        assert run.inside("audit", "verify").stdout == "Each report is there, and as it was written.\n"
        mirror.container.delete_blob(Layout().audit_report(identity))
        assert "removed" in run.inside("audit", "verify", code=1).stdout
        listed = call("GET", "audits?n=1")
        assert [it["id"] for it in listed.json["audits"]] == [second]
        assert listed.json["chain"]
        assert f"last={second}" in listed.headers["Link"]
        health = call("GET", "health").json
        assert (health["audited"], health["faults_left"]) == (found["started"], 0)
        assert call("GET", "audits/0000000000000-0123456789ab").status == 404
