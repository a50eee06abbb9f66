"""Names by the distribution grammar: what passes, what does not, and that parsing never lets anything else through."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrmirror.errors import InvalidReference, Refused
from acrmirror.reference import Digest, Reference, check_repository, check_tag

HEX = "0123456789abcdef" * 4
SHA256 = f"sha256:{HEX}"
SHA512 = f"sha512:{HEX}{HEX}"


@pytest.mark.parametrize(
    "name",
    ["a", "0", "team/app", "a.b_c__d-e---f/g", "my.app/x", "a" * 255, "/".join(["a"] * 128)],
)
def test_a_repository_of_the_grammar_passes(name: str) -> None:
    assert check_repository(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "../x",
        "a/../b",
        "a/./b",
        ".",
        "Team/app",
        "team/app\n",
        "\nteam/app",
        "team/app\0",
        "é",
        "٣",
        "ａ",
        "a___b",
        "a..b",
        "a._b",
        "-a",
        "a-",
        "_a",
        "a_",
        "a b",
        "a%2fb",
        "a\\b",
        "a:b",
        "a@b",
        "a?b",
        "a" * 256,
        "a" * 300,
    ],
)
def test_any_other_repository_is_refused(name: str) -> None:
    with pytest.raises(InvalidReference):
        check_repository(name)


def test_the_limit_leaves_room_for_a_prefix() -> None:
    assert check_repository("a" * 200, limit=200)
    with pytest.raises(InvalidReference, match="at most 200"):
        check_repository("a" * 201, limit=200)


@pytest.mark.parametrize("tag", ["latest", "1.2", "_x", "A" * 128, "v1..2", "a.", "sha256-" + "a" * 64])
def test_a_tag_of_the_grammar_passes(tag: str) -> None:
    assert check_tag(tag) == tag


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a/b", "a:b", "a\n", "é", "a b", "A" * 129, "a@b", "٣"])
def test_any_other_tag_is_refused(tag: str) -> None:
    with pytest.raises(InvalidReference):
        check_tag(tag)


@pytest.mark.parametrize("text", [SHA256, SHA512])
def test_a_known_digest_passes(text: str) -> None:
    assert str(Digest.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
        f"sha256:{HEX.upper()}",
        f"SHA256:{HEX}",
        f"sha256:{HEX}\n",
        f"sha512:{HEX}",
        f"sha384:{'a' * 96}",
        f"md5:{'a' * 32}",
        f"sha256+b64:{HEX}",
        f"sha256:{HEX[:-1]}٣",
        f":{HEX}",
        f" sha256:{HEX}",
    ],
)
def test_any_other_digest_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        Digest.parse(text)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_digest_is_that_of_the_bytes(algorithm: str) -> None:
    digest = Digest.of(b"layer", algorithm)
    assert digest.encoded == hashlib.new(algorithm, b"layer").hexdigest()
    hasher = digest.hasher()
    hasher.update(b"lay")
    hasher.update(memoryview(b"er"))
    assert hasher.hexdigest() == digest.encoded
    assert digest.matches(b"layer")
    assert not digest.matches(b"liar")


def test_the_referrers_tag_is_cut_to_what_a_tag_may_have() -> None:
    assert Digest.parse(SHA256).referrers_tag == f"sha256-{HEX}"
    assert Digest.parse(SHA512).referrers_tag == f"sha512-{HEX}"
    assert check_tag(Digest.parse(SHA512).referrers_tag)


@pytest.mark.parametrize(
    ("text", "repository", "tag", "digest"),
    [
        ("team/app:1.2", "team/app", "1.2", None),
        ("team/app", "team/app", "latest", None),
        (f"team/app@{SHA256}", "team/app", None, SHA256),
        (f"team/app:1.2@{SHA512}", "team/app", "1.2", SHA512),
        ("demo.azurecr.io/team/app:1.2", "team/app", "1.2", None),
        ("DEMO.azurecr.io/team/app:1.2", "team/app", "1.2", None),
        ("demo.azurecr.io/my.app/x", "my.app/x", "latest", None),
        ("app:1", "app", "1", None),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(
    text: str, repository: str, tag: str | None, digest: str | None
) -> None:
    reference = Reference.parse(text, registry="demo.azurecr.io")
    assert (reference.repository, reference.tag) == (repository, tag)
    assert (str(reference.digest) if reference.digest else None) == digest
    assert Reference.parse(f"demo.azurecr.io/{reference}", registry="demo.azurecr.io") == reference


def test_a_registry_with_a_port_is_recognised() -> None:
    assert Reference.parse("localhost:5000/app:1", registry="localhost:5000") == Reference("app", "1")
    with pytest.raises(Refused):
        Reference.parse("localhost:5001/app:1", registry="localhost:5000")


@pytest.mark.parametrize("name", ["docker.io/library/nginx", "ghcr.io/a/b", "localhost/app", "10.0.0.1/app", "a.b/c"])
@pytest.mark.parametrize("ending", ["", ":1", f"@{SHA256}", f":1@{SHA256}"])
def test_a_name_that_begins_like_a_host_is_a_repository(name: str, ending: str) -> None:
    """Registries have such repositories: copies of others' images, under the name that they have there."""
    reference = Reference.parse(f"{name}{ending}", registry="demo.azurecr.io")
    assert reference.repository == name
    assert Reference.parse(f"demo.azurecr.io/{name}{ending}", registry="demo.azurecr.io") == reference


@pytest.mark.parametrize("text", ["localhost:5001/app:1", "docker.io:443/x:1", "Docker.io/x", "[::1]:5000/app"])
def test_a_host_that_no_repository_begins_with_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="registry"):
        Reference.parse(text, registry="demo.azurecr.io")
    with pytest.raises(Refused):
        Reference.parse(text)


@pytest.mark.parametrize("text", ["", ":1", "a:", "a@", "a:1@", "a:1:2", "a@sha256:x", "A:1", "../x:1", "./x", "a../b"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        Reference.parse(text, registry="demo.azurecr.io")


def test_a_reference_can_not_be_made_of_unchecked_parts() -> None:
    with pytest.raises(InvalidReference):
        Reference("../x", "1")
    with pytest.raises(InvalidReference):
        Reference("x", "a/b")
    with pytest.raises(InvalidReference, match="neither"):
        Reference("x")


def test_messages_quote_and_cut_what_came_from_outside() -> None:
    with pytest.raises(InvalidReference) as caught:
        check_repository("x\r\nfake log line" + "y" * 10_000)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@given(st.text(max_size=300))
def test_whatever_passes_is_safe_in_a_path(text: str) -> None:
    try:
        reference = Reference.parse(text, registry="demo.azurecr.io")
    except (InvalidReference, Refused):
        return
    assert re.fullmatch(r"[a-z0-9]+([._/-]+[a-z0-9]+)*", reference.repository)
    assert ".." not in reference.repository.split("/")
    assert "//" not in reference.repository


@given(
    st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,2})[a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,5}){0,3}", fullmatch=True),
    st.one_of(st.none(), st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True)),
    st.one_of(st.none(), st.binary().map(Digest.of), st.binary().map(lambda data: Digest.of(data, "sha512"))),
)
def test_parsing_undoes_writing(repository: str, tag: str | None, digest: Digest | None) -> None:
    reference = Reference(repository, tag or (None if digest else "latest"), digest)
    assert Reference.parse(f"demo.azurecr.io/{reference}", registry="demo.azurecr.io") == reference


@pytest.mark.parametrize(
    ("registry", "serves"), [("demo.azurecr.io", "serves demo.azurecr.io"), (None, "serves none by")]
)
def test_another_registry_is_told_with_the_one_that_this_is(registry: str | None, serves: str) -> None:
    with pytest.raises(Refused, match=f"other.azurecr.io.*{serves}"):
        Reference.parse("other.azurecr.io:443/team/app", registry)
