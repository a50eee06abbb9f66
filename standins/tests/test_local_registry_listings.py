"""Listings of the local registry by pages, its referrers, and its metadata as the real SDK reads it."""

import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from azure.containerregistry import ArtifactManifestOrder, ArtifactTagOrder, ContainerRegistryClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport

from standins.tests.registry_process import (
    OCI_INDEX,
    OCI_MANIFEST,
    Answer,
    RegistryProcess,
    descriptor,
    digest_of,
    image_manifest,
)


def pages(registry: RegistryProcess, path: str) -> Iterator[Answer]:
    """Follows Link from page to page, as a client has to."""
    following: str | None = path
    while following:
        answer = registry.ask("GET", following)
        assert answer.status == 200, answer.body
        yield answer
        link = answer.header("Link")
        assert link is None or (link.startswith("<") and link.endswith('>; rel="next"'))
        following = link[1 : link.index(">")] if link else None


@pytest.fixture
def tagged(local_registry: RegistryProcess, repository: str) -> str:
    """A repository whose one manifest has seven tags."""
    local_registry.push_image(repository, "t0")
    raw = local_registry.ask("GET", f"/v2/{repository}/manifests/t0").body
    for number in range(1, 7):
        local_registry.put_manifest(repository, raw, f"t{number}")
    return repository


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 100])
def test_tags_come_whole_in_pages_of_any_size(local_registry: RegistryProcess, tagged: str, size: int) -> None:
    expected = [f"t{number}" for number in range(7)]
    found = [answer.json() for answer in pages(local_registry, f"/v2/{tagged}/tags/list?n={size}")]
    assert [tag for one in found for tag in one["tags"]] == expected
    assert {one["name"] for one in found} == {tagged}
    assert len(found) == -(-7 // size)
    path = f"/acr/v1/{quote(tagged, safe='')}/_tags?n={size}"
    assert [tag["name"] for one in pages(local_registry, path) for tag in one.json()["tags"]] == expected


def test_a_page_goes_on_behind_a_name_that_is_gone(local_registry: RegistryProcess, tagged: str) -> None:
    answer = local_registry.ask("GET", f"/v2/{tagged}/tags/list?last=t2.5&n=2")
    assert answer.json()["tags"] == ["t3", "t4"]
    assert local_registry.ask("GET", f"/v2/{tagged}/tags/list?n=x").status == 400
    assert local_registry.ask("GET", f"/v2/{tagged}/tags/list?n=0").json()["tags"] == []


def test_pages_stop_at_a_hundred_unless_asked(start_registry: Callable[..., RegistryProcess]) -> None:
    registry = start_registry()
    registry.push_blob("base", b"{}")
    registry.push_blob("base", b"layer")
    for number in range(103):
        for data in (b"{}", b"layer"):
            registry.ask("POST", f"/v2/r{number:03}/blobs/uploads/?mount={quote(digest_of(data))}&from=base")
        registry.put_manifest(f"r{number:03}", image_manifest(b"{}", b"layer"), "v1")
    for path in ("/v2/_catalog", "/acr/v1/_catalog"):
        found = [answer.json()["repositories"] for answer in pages(registry, path)]
        assert [len(one) for one in found] == [100, 3]
        assert len(registry.ask("GET", f"{path}?n=1000").json()["repositories"]) == 103


# Referrers


@pytest.fixture
def subject(local_registry: RegistryProcess, repository: str) -> str:
    """An image with five referrers, two of the type x/sbom; its digest."""
    digest = local_registry.push_image(repository, "v1")
    raw = local_registry.ask("GET", f"/v2/{repository}/manifests/v1").body
    wanted = descriptor(OCI_MANIFEST, raw)
    for number in range(5):
        kind = "x/sbom" if number < 2 else "x/signature"
        value = image_manifest(b"{}", b"%d" % number, subject=wanted, artifactType=kind, annotations={"n": str(number)})
        local_registry.push_blob(repository, b"{}")
        local_registry.push_blob(repository, b"%d" % number)
        local_registry.put_manifest(repository, value)
    return digest


def test_referrers_come_by_pages_and_by_type(local_registry: RegistryProcess, repository: str, subject: str) -> None:
    path = f"/v2/{repository}/referrers/{subject}"
    whole = local_registry.ask("GET", path)
    assert whole.header("Content-Type") == OCI_INDEX
    assert whole.header("OCI-Filters-Applied") is None
    assert (whole.json()["schemaVersion"], whole.json()["mediaType"]) == (2, OCI_INDEX)
    assert sorted(one["annotations"]["n"] for one in whole.json()["manifests"]) == list("01234")
    local_registry.control.set_faults([{"match": {"kind": "referrers"}, "do": {"page_size": 2}}])
    found = [answer.json()["manifests"] for answer in pages(local_registry, path)]
    assert [len(one) for one in found] == [2, 2, 1]
    filtered = list(pages(local_registry, f"{path}?artifactType=x/signature"))
    assert {answer.header("OCI-Filters-Applied") for answer in filtered} == {"artifactType"}
    kinds = [one["artifactType"] for answer in filtered for one in answer.json()["manifests"]]
    assert kinds == ["x/signature"] * 3


def test_a_referrer_says_whom_it_refers_to_and_may_come_first(local_registry: RegistryProcess, repository: str) -> None:
    for data in (b"{}", b"sbom"):
        local_registry.push_blob(repository, data)
    absent = digest_of(b"not there yet")
    wanted = {"mediaType": OCI_MANIFEST, "digest": absent, "size": 13}
    digest = local_registry.put_manifest(repository, image_manifest(b"{}", b"sbom", subject=wanted))
    raw = local_registry.ask("GET", f"/v2/{repository}/manifests/{digest}").body
    path = f"/v2/{repository}/manifests/{digest}"
    again = local_registry.ask("PUT", path, body=raw, headers={"Content-Type": OCI_MANIFEST})
    assert (again.status, again.header("OCI-Subject")) == (201, absent)
    listed = local_registry.ask("GET", f"/v2/{repository}/referrers/{absent}").json()["manifests"]
    assert [one["digest"] for one in listed] == [digest]
    # The config's media type stands in for an artifactType that is not there.
    assert listed[0]["artifactType"] == "application/vnd.oci.image.config.v1+json"
    assert local_registry.ask("DELETE", path).status == 202
    assert local_registry.ask("GET", f"/v2/{repository}/referrers/{absent}").json()["manifests"] == []


def test_of_nothing_there_are_no_referrers(local_registry: RegistryProcess) -> None:
    answer = local_registry.ask("GET", f"/v2/nothing/here/referrers/{digest_of(b'')}")
    assert (answer.status, answer.json()["manifests"]) == (200, [])
    assert local_registry.ask("GET", "/v2/nothing/here/referrers/nonsense").status == 400


# The real SDK


class Credential:
    def __init__(self, registry: RegistryProcess, audience: str | None = None) -> None:
        self.registry = registry
        self.audience = audience

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        audience = self.audience or scopes[0].removesuffix("/.default")
        return AccessToken(self.registry.entra(audience), int(time.time()) + 3600)


@pytest.fixture
def client(local_registry: RegistryProcess) -> Iterator[ContainerRegistryClient]:
    with ContainerRegistryClient(
        f"https://{local_registry.host}",
        Credential(local_registry),
        transport=RequestsTransport(connection_verify=str(local_registry.certificates.ca)),
    ) as made:
        yield made


def test_the_sdk_lists_what_was_pushed(client: ContainerRegistryClient, tagged: str) -> None:
    assert tagged in list(client.list_repository_names(results_per_page=2))
    properties = client.get_repository_properties(tagged)
    assert (properties.name, properties.manifest_count, properties.tag_count) == (tagged, 1, 7)
    assert properties.can_delete
    assert properties.created_on <= properties.last_updated_on
    tags = list(client.list_tag_properties(tagged, results_per_page=3))
    assert [one.name for one in tags] == [f"t{number}" for number in range(7)]
    newest = client.list_tag_properties(tagged, order_by=ArtifactTagOrder.LAST_UPDATED_ON_DESCENDING)
    assert next(iter(newest)).name == "t6"
    manifest = client.get_manifest_properties(tagged, "t3")
    assert (manifest.digest, manifest.tags) == (tags[0].digest, [f"t{number}" for number in range(7)])
    assert (manifest.architecture, manifest.operating_system) == ("arm64", "linux")
    assert client.get_tag_properties(tagged, "t3").digest == manifest.digest


def test_the_sdk_pages_through_manifests_in_any_order(
    client: ContainerRegistryClient, local_registry: RegistryProcess, repository: str
) -> None:
    pushed = [local_registry.push_image(repository) for _ in range(5)]

    def listed(**how: object) -> list[str]:
        return [one.digest for one in client.list_manifest_properties(repository, results_per_page=2, **how)]

    assert listed() == sorted(pushed)
    assert listed(order_by=ArtifactManifestOrder.LAST_UPDATED_ON_ASCENDING) == pushed
    assert listed(order_by=ArtifactManifestOrder.LAST_UPDATED_ON_DESCENDING) == pushed[::-1]


def test_the_sdk_reads_and_changes_attributes(client: ContainerRegistryClient, tagged: str) -> None:
    assert client.update_tag_properties(tagged, "t1", can_write=False).can_write is False
    assert client.get_tag_properties(tagged, "t1").can_write is False
    assert client.get_tag_properties(tagged, "t2").can_write is True
    digest = client.get_tag_properties(tagged, "t1").digest
    assert client.update_manifest_properties(tagged, digest, can_delete=False).can_delete is False
    assert client.update_repository_properties(tagged, can_list=False).can_list is False


def test_the_sdk_pushes_pulls_and_deletes(client: ContainerRegistryClient, repository: str) -> None:
    from io import BytesIO

    config, layer = b"{}", b"a layer" * 1_000_000
    client.upload_blob(repository, BytesIO(config))
    digest, size = client.upload_blob(repository, BytesIO(layer))
    assert (digest, size) == (digest_of(layer), len(layer))
    manifest = image_manifest(config, layer)
    pushed = client.set_manifest(repository, manifest, tag="v1")
    assert client.get_manifest(repository, "v1").manifest == manifest
    assert b"".join(client.download_blob(repository, digest)) == layer
    client.delete_tag(repository, "v1")
    with pytest.raises(ResourceNotFoundError):
        client.get_manifest(repository, "v1")
    client.delete_manifest(repository, pushed)
    client.delete_blob(repository, digest)
    with pytest.raises(ResourceNotFoundError):
        client.get_repository_properties(repository)
    client.delete_repository(repository)  # what is gone already is no failure


def test_the_sdk_deletes_a_repository_with_all_that_is_in_it(client: ContainerRegistryClient, tagged: str) -> None:
    client.delete_repository(tagged)
    assert tagged not in list(client.list_repository_names())


def test_the_sdk_is_refused_with_a_token_for_another_audience(local_registry: RegistryProcess) -> None:
    with ContainerRegistryClient(
        f"https://{local_registry.host}",
        Credential(local_registry, "https://management.azure.com"),
        transport=RequestsTransport(connection_verify=str(local_registry.certificates.ca)),
        retry_total=0,
    ) as client:
        with pytest.raises(ClientAuthenticationError):
            list(client.list_repository_names())
