"""Mistakes seeded into the templates, one at a time: each property, value, reference, role and condition, once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.checks import INFRA, templates
from infra.checks.mutations import Mutation, of_file, problems
from infra.checks.parser import read


@pytest.mark.parametrize("path", templates(), ids=lambda path: path.relative_to(INFRA).as_posix())
def test_every_seeded_mistake_is_noticed(path: Path) -> None:
    assert [str(mutation) for mutation in of_file(read(path)) if not problems(mutation)] == []


def replaced(name: str, old: str, new: str) -> Mutation:
    path = INFRA / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1, f"{name} has no {old!r}"
    return Mutation(path, 0, f"{old} became {new}", text.replace(old, new, 1))


@pytest.mark.parametrize(
    "mistake",
    [
        # misspelt properties and values
        lambda: replaced("modules/mirror-storage.bicep", "isVersioningEnabled", "isVersionningEnabled"),
        lambda: replaced("modules/functions.bicep", "'UserAssignedIdentity'", "'UserAssigned'"),
        lambda: replaced("modules/functions.bicep", "version: '3.13'", "version: '3.31'"),
        lambda: replaced("subscription.bicep", "'AzureFunction'", "'WebHook'"),
        lambda: replaced("modules/host-storage.bicep", "@2026-04-01' = {", "@2026-04-31' = {"),
        # a missing role, another role, a wrong scope, a wrong principal
        lambda: replaced("modules/mirror-roles.bicep", "resource sign 'Microsoft.Auth", "resource sign 'Microsoft.Oth"),
        lambda: replaced("modules/registry-roles.bicep", "if (!abac)", "if (abac)"),
        lambda: replaced("modules/mirror-roles.bicep", "scope: container", "scope: account"),
        lambda: replaced("modules/host-storage.bicep", "scope: queues[index]", "scope: account"),
        lambda: replaced("modules/serve.bicep", "identity.properties.principalId", "identity.properties.clientId"),
        # settings: unset, unknown, refused, of another account
        lambda: replaced("modules/functions.bicep", "{ name: 'MIRROR_TABLE', value: jobsTable }\n", "\n"),
        lambda: replaced("modules/functions.bicep", "'MIRROR_THREADS'", "'MIRROR_THREAD'"),
        lambda: replaced("modules/functions.bicep", "'MIRROR_THREADS'", "'FUNCTIONS_WORKER_RUNTIME'"),
        lambda: replaced("modules/functions.bicep", "minTlsVersion:", "linuxFxVersion: 'x'\n      minTlsVersion:"),
        lambda: replaced("main.bicep", "https://${mirrorAccount}.blob", "https://${hostAccount}.blob"),
        # the serving registry's network, which is storage's and not the registry's
        lambda: replaced("main.bicep", "location: privateNetworking ?", "location: registryPrivateEndpoint ?"),
        lambda: replaced("main.bicep", "redirect: !privateNetworking", "redirect: !registryPrivateEndpoint"),
        lambda: replaced("main.bicep", "privateNetworking ? private.?outputs.s", "needsNetwork ? private.?outputs.s"),
        # keys, and the open network
        lambda: replaced("modules/host-storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
        lambda: replaced("modules/mirror-storage.bicep", "private ? 'Disabled' : 'Enabled'", "'Enabled'"),
        lambda: replaced("modules/telemetry.bicep", "DisableLocalAuth: true", "DisableLocalAuth: false"),
        # archive, and deletion by rule
        lambda: replaced("modules/mirror-storage.bicep", "tierToCold:", "tierToArchive:"),
        lambda: replaced("modules/mirror-storage.bicep", "{ tierToCold: {", "{ delete: {"),
        # modules: an input that is not there, one that is missing, an output that is not there
        lambda: replaced("main.bicep", "    packageContainer: host", "    package: host"),
        lambda: replaced("main.bicep", "    connectionString: telemetry.outputs.connectionString\n", ""),
        lambda: replaced("main.bicep", "telemetry.outputs.connectionString", "telemetry.outputs.connection"),
    ],
)  # fmt: skip
def test_the_mistakes_that_matter_are_all_noticed(mistake: Callable[[], Mutation]) -> None:
    assert problems(mistake())
