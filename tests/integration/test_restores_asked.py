"""Restores as a person asks for them: by the command line and the API, of the app in a Functions host."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from standins.stack import Stack
from testkit.images import oci_image, signature, together
from tests.integration.command import Command
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring, mirroring
from tests.integration.restoring import held, registry_at


@pytest.fixture
def mirror(make_stack: Callable[..., Stack]) -> Iterator[Mirroring]:
    with mirroring(make_stack(target=True)) as opened:
        yield opened


def test_a_restore_is_followed_to_its_end_by_api_and_command_line(mirror: Mirroring, tmp_path: Path) -> None:
    stack = mirror.stack
    image = oci_image("asked", layers=[100_000])
    signed = together(image, signature("asked", image.root))
    mirror.push("team/app", signed)
    mirror.push("team/other", oci_image("other"))
    mirror.wait_for(3)
    stack.stop_registry()
    run, call = Command.of(stack, tmp_path), Caller.of(stack)

    told = json.loads(run.inside("restore", "team/app", "--dry-run", "--output", "json").stdout)
    assert (told["state"], told["requested_images"], told["bytes"] > 100_000) == ("done", 1, True)
    done = run.inside("restore", "team/*", "--to", stack.target.host, "--wait")
    assert "2 of 2 images restored" in " ".join(done.stderr.split())
    with registry_at(stack, stack.target) as registry:
        there = held(registry)
    assert there["team/app"].tags == {"latest": image.root.digest}
    assert len(there["team/app"].referrers[image.root.digest]) == 1
    again = json.loads(run.inside("restore", "team/*", "--wait", "--output", "json").stdout)
    assert (again["restored"], again["present"], again["bytes"]) == (0, 2, 0)

    shown = call("GET", f"restores/{again['id']}")
    assert (shown.status, shown.json["jobs"]) == (200, {"done": 2})
    assert call("DELETE", f"restores/{again['id']}").status == 409
    assert call("GET", "restores/none").status == 404
    wrong = call("POST", "restores", {"patterns": ["*"], "target": "elsewhere.azurecr.io"})
    assert (wrong.status, wrong.json["code"]) == (400, "refused")
    run.inside("restore", "*", "--to", "elsewhere.azurecr.io", code=2)
