"""What must hold of the network, its private endpoints and their names."""

import ipaddress

from devtools.bicep.settled import at
from devtools.deployment import SITE
from devtools.deployment.scenarios import REGISTRY
from tests.infra.requirements.view import View


def network(view: View) -> None:
    """With private networking the app's calls stay inside, as far as they can."""
    site = view.one(SITE)
    subnet = at(site.body, "properties/virtualNetworkSubnetId")
    zones = {item.name: item for item in view.deployment.of("Microsoft.Network/privateDnsZones")}
    endpoints = view.deployment.of("Microsoft.Network/privateEndpoints")
    if not (view.private or view.option("registryPrivateEndpoint", False)):
        view.holds(subnet is None and not zones and not endpoints, "no network unless requested")
        return
    net = view.one("Microsoft.Network/virtualNetworks")
    prefix = view.option("networkPrefix", "10.80.0.0/24")
    view.is_(net, "properties/addressSpace/addressPrefixes", [prefix], "as set")
    subnets = {item["name"]: item["properties"] for item in at(net.body, "properties/subnets")}
    view.holds(set(subnets) == {"app", "endpoints", "serve"}, "one subnet for each of the three")
    parts = list(ipaddress.ip_network(prefix).subnets(new_prefix=26))
    for name, part in zip(("app", "endpoints", "serve"), parts, strict=False):
        view.holds(subnets.get(name, {}).get("addressPrefix") == str(part), f"the subnet {name} has its own range")
    for name, label in (("app", "flex"), ("serve", "container-apps")):
        delegation = {"name": label, "properties": {"serviceName": "Microsoft.App/environments"}}
        view.holds(subnets.get(name, {}).get("delegations") == [delegation], f"{name} needs its delegation")
    view.holds(subnets.get("endpoints", {}).get("privateEndpointNetworkPolicies") == "Disabled", "as endpoints want it")
    view.holds(subnet == f"{net.id}/subnets/app", "the app's calls leave from its subnet")
    links = view.deployment.of("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    view.holds(len(links) == len(zones) == 4, "each zone is linked to the network")
    for link in links:
        view.is_(link, "properties/registrationEnabled", False, "nothing registers itself")
        view.is_(link, "properties/virtualNetwork/id", net.id, "the network of the app")
        view.holds(link.id.rpartition("/virtualNetworkLinks/")[0] in {zone.id for zone in zones.values()}, "its zone")
        view.is_(
            link, "properties/resolutionPolicy", "NxDomainRedirect", "other accounts and registries stay reachable"
        )
    targets = []
    if view.private:
        targets += [(view.host.id, service, service) for service in ("blob", "queue", "table")]
        targets.append((view.mirror_account, "blob", "blob"))
    if view.option("registryPrivateEndpoint", False):
        targets.append((REGISTRY, "registry", "registry"))
    found = []
    for endpoint in endpoints:
        view.is_(endpoint, "properties/subnet/id", f"{net.id}/subnets/endpoints", "endpoints have their own subnet")
        by_hand = view.option("registryEndpointByHand", False) and endpoint.name.endswith("-registry")
        kinds = ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"]
        wanted_kind, other_kind = reversed(kinds) if by_hand else kinds
        connections = at(endpoint.body, f"properties/{wanted_kind}")
        others = at(endpoint.body, f"properties/{other_kind}")
        view.holds(
            others == ([] if endpoint.name.endswith("-registry") else None),
            "a connection is approved, or requested, and not both",
        )
        service = at(connections, "0/properties/groupIds/0")
        view.holds(len(connections) == 1 and connections[0].get("name") == service, "one connection, named")
        view.holds(len(at(connections, "0/properties/groupIds") or []) == 1, "one service an endpoint")
        groups = view.deployment.of("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
        group = [item for item in groups if item.id.startswith(f"{endpoint.id}/")]
        configs = at(group[0].body, "properties/privateDnsZoneConfigs") if len(group) == 1 else []
        zone = "privatelink.azurecr.io" if service == "registry" else f"privatelink.{service}.core.windows.net"
        view.holds(len(configs) == 1 and configs[0].get("name") == service, "its name is entered once")
        wanted = zones[zone].id if zone in zones else ""
        view.holds(at(configs, "0/properties/privateDnsZoneId") == wanted, f"in {zone}")
        view.holds(endpoint.name.endswith(f"-{service}"), "an endpoint is named after its service")
        found.append((at(connections, "0/properties/privateLinkServiceId"), service, service))
    view.holds(sorted(found) == sorted(targets), f"endpoints for {targets}, not {found}")
