"""Settings are read once, and everything wrong with them is said at once."""

import dataclasses
from pathlib import Path

import pytest

from acrmirror.copying.lagging import WINDOW
from acrmirror.credentials import make_credential, registry_credential
from acrmirror.errors import Misconfigured
from acrmirror.retrying import RetryPolicy
from acrmirror.settings import DEFAULT_REDIRECT_HOSTS, Settings

LEAST = {
    "MIRROR_REGISTRY": "demo.azurecr.io",
    "MIRROR_BLOB_ENDPOINT": "https://account.blob.core.windows.net",
    "MIRROR_TABLE_ENDPOINT": "https://account.table.core.windows.net",
    "MIRROR_QUEUE__queueServiceUri": "https://account.queue.core.windows.net",
}


def test_four_settings_are_enough() -> None:
    settings = Settings.from_environment(LEAST)
    assert settings == Settings(
        registry="demo.azurecr.io",
        blob_endpoint="https://account.blob.core.windows.net",
        table_endpoint="https://account.table.core.windows.net",
        queue_endpoint="https://account.queue.core.windows.net",
    )
    assert not settings.anonymous
    assert not settings.redirect_local
    assert settings.registry_audience == "https://containerregistry.azure.net"
    assert settings.redirect_hosts == DEFAULT_REDIRECT_HOSTS
    assert (settings.container, settings.table, settings.prefix) == ("mirror", "mirrorjobs", "")
    assert (settings.threads, settings.claim_stale_seconds) == (11, 60)
    assert settings.repository_limit == 255


def test_every_setting_is_read(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("x")
    resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/demo"
    settings = Settings.from_environment(
        {
            "MIRROR_REGISTRY": " LOCALHOST:5000 ",
            "MIRROR_REGISTRY_RESOURCE_ID": resource,
            "MIRROR_REGISTRY_AUTH": "Anonymous",
            "MIRROR_REGISTRY_AUDIENCE": "https://management.azure.com/",
            "MIRROR_REDIRECT_HOSTS": ".Blob.core.windows.net, data.example.com",
            "MIRROR_REDIRECT_LOCAL": "true",
            "MIRROR_BLOB_ENDPOINT": "https://127.0.0.1:10000/devstoreaccount1/",
            "MIRROR_TABLE_ENDPOINT": "https://127.0.0.1:10002/devstoreaccount1",
            "MIRROR_QUEUE__queueServiceUri": "https://127.0.0.1:10001/devstoreaccount1",
            "MIRROR_CONTAINER": "images-1",
            "MIRROR_TABLE": "Jobs1",
            "MIRROR_PREFIX": "west/demo",
            "MIRROR_THREADS": "64",
            "MIRROR_CLAIM_STALE_SECONDS": "2.5",
            "MIRROR_TRUST_BUNDLE": str(bundle),
            "MIRROR_TELEMETRY_SECONDS": "60",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=1;IngestionEndpoint=https://somewhere/",
            "AZURE_CLIENT_ID": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
            "IDENTITY_ENDPOINT": "http://127.0.0.1:1/token",
        }
    )
    assert settings == Settings(
        registry="localhost:5000",
        blob_endpoint="https://127.0.0.1:10000/devstoreaccount1",
        table_endpoint="https://127.0.0.1:10002/devstoreaccount1",
        queue_endpoint="https://127.0.0.1:10001/devstoreaccount1",
        registry_resource_id=resource,
        anonymous=True,
        registry_audience="https://management.azure.com",
        redirect_hosts=(".blob.core.windows.net", "data.example.com"),
        redirect_local=True,
        container="images-1",
        table="Jobs1",
        prefix="west/demo",
        threads=64,
        claim_stale_seconds=2.5,
        trust_bundle=bundle,
        telemetry="InstrumentationKey=1;IngestionEndpoint=https://somewhere/",
        telemetry_seconds=60,
        client_id="7f951dda-4ed3-4680-a7ca-43fe172d538d",
        managed_identity=True,
    )
    assert settings.repository_limit == 255 - len("west/demo/")


def test_all_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(Misconfigured) as caught:
        Settings.from_environment({"MIRROR_THREADS": "many"})
    for name in (*LEAST, "MIRROR_THREADS"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MIRROR_REGISTRY", "https://demo.azurecr.io"),
        ("MIRROR_REGISTRY", "demo.azurecr.io/"),
        ("MIRROR_REGISTRY", "user@demo.azurecr.io"),
        ("MIRROR_REGISTRY", "demo azurecr.io"),
        ("MIRROR_REGISTRY", "demo.azurecr.io:0"),
        ("MIRROR_REGISTRY_RESOURCE_ID", "demo"),
        ("MIRROR_REGISTRY_AUTH", "password"),
        ("MIRROR_REGISTRY_AUDIENCE", "containerregistry"),
        ("MIRROR_REDIRECT_HOSTS", "com"),
        ("MIRROR_REDIRECT_HOSTS", "*.example.com"),
        ("MIRROR_REDIRECT_HOSTS", "https://example.com"),
        ("MIRROR_REDIRECT_HOSTS", "10.0.0.1"),
        ("MIRROR_REDIRECT_LOCAL", "yes"),
        ("MIRROR_BLOB_ENDPOINT", "http://account.blob.core.windows.net"),
        ("MIRROR_BLOB_ENDPOINT", "account.blob.core.windows.net"),
        ("MIRROR_TABLE_ENDPOINT", "https://user:pw@account.table.core.windows.net"),
        ("MIRROR_QUEUE__queueServiceUri", "https://account.queue.core.windows.net:x"),
        ("MIRROR_CONTAINER", "Mirror"),
        ("MIRROR_CONTAINER", "ab"),
        ("MIRROR_CONTAINER", "a--b"),
        ("MIRROR_TABLE", "mirror-jobs"),
        ("MIRROR_TABLE", "1table"),
        ("MIRROR_PREFIX", "../x"),
        ("MIRROR_PREFIX", "Upper"),
        ("MIRROR_PREFIX", "a" * 200),
        ("MIRROR_THREADS", "0"),
        ("MIRROR_THREADS", "65"),
        ("MIRROR_THREADS", "1.5"),
        ("MIRROR_THREADS", "٣"),
        ("MIRROR_CLAIM_STALE_SECONDS", "0"),
        ("MIRROR_CLAIM_STALE_SECONDS", "nan"),
        ("MIRROR_CLAIM_STALE_SECONDS", "-1"),
        ("MIRROR_COMPARE_HOURS", "720.1"),
        ("MIRROR_COMPARE_HOURS", "-1"),
        ("MIRROR_REPOSITORY_PREFIXES", "team/,*"),
        ("MIRROR_COMPARE_HOURS", "inf"),
        ("MIRROR_TRUST_BUNDLE", "/no/such/file.pem"),
        ("AZURE_CLIENT_ID", "a b"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=name):
        Settings.from_environment(LEAST | {name: value})


def test_a_signature_pasted_into_an_endpoint_is_not_repeated() -> None:
    with pytest.raises(Misconfigured) as caught:
        Settings.from_environment(
            LEAST | {"MIRROR_BLOB_ENDPOINT": "https://u:hunter2@a.blob.core.windows.net?sig=hush"}
        )
    assert "hush" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_settings_can_not_be_changed() -> None:
    settings = Settings.from_environment(LEAST)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.threads = 1  # type: ignore[misc]


def test_in_azure_the_managed_identity_is_used_and_elsewhere_the_default_chain() -> None:
    local = Settings.from_environment(LEAST | {"AZURE_CLIENT_ID": "x"})
    azure = Settings.from_environment(LEAST | {"AZURE_CLIENT_ID": "x", "IDENTITY_ENDPOINT": "http://127.0.0.1/"})
    for settings, name in ((local, "DefaultAzureCredential"), (azure, "ManagedIdentityCredential")):
        with make_credential(settings) as credential:
            assert type(credential.inner).__name__ == name
            assert registry_credential(settings, credential) is credential
            assert registry_credential(dataclasses.replace(settings, anonymous=True), credential) is None


def test_a_404_is_waited_out_for_as_long_as_a_replica_may_lag() -> None:
    """A 404 of a replica that is behind would end a push as gone otherwise."""
    settings = Settings.from_environment(LEAST)
    assert settings.not_found_seconds == settings.recheck_seconds[-1] == WINDOW.total_seconds()
    assert RetryPolicy().not_found == WINDOW


def test_what_belongs_in_the_mirror_is_chosen_by_prefixes() -> None:
    assert Settings.from_environment(LEAST | {"MIRROR_REPOSITORY_PREFIXES": ""}).mirrored == ("*",)
    several = Settings.from_environment(LEAST | {"MIRROR_REPOSITORY_PREFIXES": "Team/, base,,base"})
    assert several.mirrored == ("team/*", "base*")


@pytest.mark.parametrize(("text", "hours"), [("0", 0.0), ("0.5", 0.5), ("720", 720.0)])
def test_hours_between_comparisons_are_taken_up_to_a_month(text: str, hours: float) -> None:
    assert Settings.from_environment(LEAST | {"MIRROR_COMPARE_HOURS": text}).compare_hours == hours
