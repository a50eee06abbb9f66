"""Subnets, DNS zones and a workspace that a deployment is given are looked at before anything is made."""

import json

import pytest

from infra.hooks.landing_zone import READ_WORKSPACE, USE_NETWORK, USE_SUBNET, USE_ZONE
from tests.infra.cloud import THERE
from tests.infra.provisioning import RIGHT, provisioned, refused

HUB = f"/subscriptions/{THERE}/resourceGroups/rg-hub"
SUBNET = f"{HUB}/providers/Microsoft.Network/virtualNetworks/vnet-spoke/subnets/one"
ZONE = f"{HUB}/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
PRIVATE = {"MIRROR_PRIVATE_NETWORKING": "true"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"MIRROR_SUBNET_IDS": SUBNET}, "MIRROR_SUBNET_IDS is '/subscriptions/"),
        ({"MIRROR_SUBNET_IDS": '{"other": "x"}'}, "and has to be an object of app, endpoints, serve"),
        ({"MIRROR_SUBNET_IDS": '{"app": "vnet"}'}, "\"app\" in MIRROR_SUBNET_IDS is 'vnet', and has to be the id"),
        ({"MIRROR_SUBNET_IDS": '{"app": "vnet/subnets/a"}'}, "\"app\" in MIRROR_SUBNET_IDS is 'vnet', and has to"),
        ({"MIRROR_SUBNET_IDS": json.dumps({"serve": SUBNET})}, 'MIRROR_SUBNET_IDS has no "app"'),
        ({**PRIVATE, "MIRROR_SUBNET_IDS": json.dumps({"app": SUBNET})}, 'MIRROR_SUBNET_IDS has no "endpoints"'),
        (
            {"MIRROR_SUBNET_IDS": json.dumps({"app": SUBNET, "endpoints": SUBNET.replace("spoke", "other")})},
            "subnets of 2 networks",
        ),
        ({"MIRROR_SUBNET_IDS": json.dumps({"app": SUBNET}), "MIRROR_NAT_GATEWAY": "true"}, "attach a gateway"),
        ({**PRIVATE, "MIRROR_DNS_ZONE_IDS": json.dumps({"blob": ZONE})}, 'MIRROR_DNS_ZONE_IDS has no "queue"'),
        ({"MIRROR_DNS_ZONE_IDS": '{"blob": "x"}'}, "\"blob\" in MIRROR_DNS_ZONE_IDS is 'x'"),
        ({"MIRROR_DNS_ZONE_IDS": json.dumps({"blob": ZONE}), "MIRROR_DNS_BY_POLICY": "true"}, "one of the two"),
        ({"MIRROR_EXISTING_WORKSPACE_ID": "logs"}, "MIRROR_EXISTING_WORKSPACE_ID is 'logs'"),
    ],
)
def test_what_does_not_go_together_is_told_before(variables: dict[str, str], said: str) -> None:
    assert said in refused({**RIGHT, **variables})


def test_what_is_there_already_has_to_be_for_use() -> None:
    given = {
        **PRIVATE,
        "MIRROR_SUBNET_IDS": json.dumps({"app": SUBNET, "endpoints": f"{SUBNET}-2"}),
        "MIRROR_DNS_ZONE_IDS": json.dumps(dict.fromkeys(("blob", "queue", "table"), ZONE)),
        "MIRROR_EXISTING_WORKSPACE_ID": f"{HUB}/providers/Microsoft.OperationalInsights/workspaces/log-shared",
    }
    workspace, network = given["MIRROR_EXISTING_WORKSPACE_ID"], SUBNET.partition("/subnets/")[0]
    # Roles are given where they are needed, and not at the group.
    where = (HUB, SUBNET, f"{SUBNET}-2", network, ZONE, workspace)
    reader = [{"actions": ["Microsoft.Network/*/read"], "notActions": []}]
    said = refused({**RIGHT, **given}, permissions=dict.fromkeys(where, reader))
    for scope, action in (
        (SUBNET, USE_SUBNET),
        (f"{SUBNET}-2", USE_SUBNET),
        (ZONE, USE_ZONE),
        (workspace, READ_WORKSPACE),
    ):
        assert f"at {scope}: {action}. A role there" in said
    joined = [{"actions": ["Microsoft.Network/*/join/action", "*/workspaces/read"], "notActions": []}]
    there = {**dict.fromkeys(where, joined), HUB: reader}
    assert provisioned({**RIGHT, **given}, permissions=there).kept == {}
    del given["MIRROR_DNS_ZONE_IDS"]
    assert f"at {network}: {USE_NETWORK}." in refused({**RIGHT, **given}, permissions={**there, network: reader})
