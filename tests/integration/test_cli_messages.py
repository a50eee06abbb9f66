"""What a person types, mistakes among it, and what they are told: against the shared stack."""

import json

from testkit.images import oci_image
from tests.integration.command import Command
from tests.integration.mirroring import Mirroring


def brought(mirror: Mirroring, run: Command, repository: str, *tags: str) -> None:
    for tag in tags:
        mirror.push(repository, oci_image(f"{repository}{tag}", tag=tag))
        run.inside("pull", f"{repository}:{tag}", "--wait")


def test_a_name_that_is_not_there_is_told_first_and_what_to_type_next(
    mirror: Mirroring, run: Command, repository: str
) -> None:
    brought(mirror, run, repository, "1.2", "1.3")
    assert json.loads(run.inside("-o", "json", "ls", f"{repository}:1.2").stdout)[0]["tag"] == "1.2"
    for command in (
        ("inspect", f"{repository}x:1"),
        ("export", f"{repository}:9", "--to", "x.tar"),
        ("ls", "team/none"),
    ):
        told = run.inside(*command, code=3).stderr
        assert told.startswith(f"No such repository or tag: {command[1]} is missing in the mirror. "), told
        assert f"acrmirror pull {command[1]}." in told
        assert "/api/" not in told
    assert "acrmirror pull" in run.inside("inspect", f"{repository}:9", code=3).stderr
    told = run.inside("pull", f"{repository}:none", code=3).stderr
    assert told.startswith(f"No such repository or tag: the registry has no {repository}:none. "), told
    told = run.inside("inspect", f"{repository}:1.2", "--at", "2020-01-01", code=3).stderr
    assert told.startswith(f"No such repository or tag: {repository}:1.2 as it was at 2020-01-01"), told
    told = run.inside("inspect", repository, code=3).stderr
    assert "it has no tag latest, but 1.2, 1.3" in told
    assert f"acrmirror inspect {repository}:1.2" in told


def test_a_listing_takes_a_tag_a_pattern_a_url_and_a_limit(mirror: Mirroring, run: Command, repository: str) -> None:
    brought(mirror, run, repository, "1.2", "1.3", "old")

    def listed(*line: str) -> list[str]:
        return [it.split("\t")[0] for it in run.inside(*line).stdout.splitlines()]

    assert listed("ls", f"{repository}:1.3") == ["1.3"]
    assert listed("list", f"{repository}:1.*") == ["1.2", "1.3"]
    assert listed("ls", f"https://{mirror.stack.registry.host}/{repository}") == ["1.2", "1.3", "old"]
    assert listed("ls", repository, "--limit", "2") == ["1.2", "1.3"]
    assert listed("ls", f"*{repository[-8:]}") == [repository]
    assert json.loads(run.inside("ls", f"{repository}:old", "-o", "json").stdout)[0]["tag"] == "old"
    for none in (f"{repository}:9*", "none/*"):
        assert "nothing there has such a name" in run.inside("ls", none, code=3).stderr
    host = mirror.stack.registry.host
    assert "linux/amd64" in run.inside("inspect", f"docker://{host}/{repository}:1.2").stdout
    assert "1.2" in run.inside("history", f"https://{host}/{repository}").stdout


def test_patterns_that_match_nothing_end_as_not_found(mirror: Mirroring, run: Command, repository: str) -> None:
    for pattern in (f"{repository}/*", f"{repository}:v*"):
        for way in ((), ("--wait",)):
            told = run.inside("pull", pattern, *way, code=3).stderr
            assert "the registry has nothing that matches" in told
    mirror.push(repository, oci_image(repository, tag="v1"))
    first = run.inside("pull", f"{repository}:v*").stdout
    assert "0 images in" not in first, "counts before anything was listed"
    waited = run.inside("pull", f"{repository}:v*", "--wait").stdout
    assert "1 images in" in waited
    run.inside("pull", f"{repository}:w*", "--dry-run", code=3)


def test_while_the_registry_is_away_a_pull_says_how_to_get_the_image_out(
    mirror: Mirroring, run: Command, repository: str
) -> None:
    brought(mirror, run, repository, "1")
    mirror.stack.registry.set_faults([{"match": {"kind": "manifest"}, "do": {"status": 503}}])
    told = run.inside("pull", f"{repository}:1", code=5).stderr
    assert f"acrmirror export {repository}:1 --to FILE" in told
    mirror.stack.registry.clear_faults()
    run.inside("export", f"{repository}:1", "--to", str(run.folder / "x.tar"))
