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
    endpoints = view.deployment.of("Microsoft.Network/privateEndpoints")
    given = view.option("subnetIds", {})
    wants_endpoints = view.private or view.option("registryPrivateEndpoint", False)
    nets = view.deployment.of("Microsoft.Network/virtualNetworks")
    if not (wants_endpoints or view.option("natGateway", False) or given):
        view.holds(subnet is None and not endpoints and not nets, "no network unless requested")
    elif given:
        view.holds(not nets, "the network is there already")
        view.holds(subnet == given["app"], "the app's calls leave from the subnet that is given")
        _zones(view, given["app"].partition("/subnets/")[0], given.get("endpoints", ""), wants_endpoints)
    else:
        net = _own_network(view)
        view.holds(subnet == f"{net}/subnets/app", "the app's calls leave from its subnet")
        _zones(view, net, f"{net}/subnets/endpoints", wants_endpoints)
    _way_out(view)


def _own_network(view: View) -> str:
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
    gateway = view.one("Microsoft.Network/natGateways").id if view.option("natGateway", False) else None
    for name, properties in subnets.items():
        wanted = gateway if name == "app" else None
        view.holds((properties.get("natGateway") or {}).get("id") == wanted, f"{name}: only the app calls the internet")
    return net.id


def _way_out(view: View) -> None:
    """One address that stays, or none of one's own."""
    gateways = view.deployment.of("Microsoft.Network/natGateways")
    addresses = view.deployment.of("Microsoft.Network/publicIPAddresses")
    put_out = view.deployment.outputs.get("MIRROR_OUTGOING_ADDRESS")
    if not view.option("natGateway", False):
        view.holds(put_out == "", "where calls come from is not known")
        view.holds(not gateways and not addresses, "nobody pays for a way out that was not requested")
        return
    gateway, address = view.one("Microsoft.Network/natGateways"), view.one("Microsoft.Network/publicIPAddresses")
    view.holds(put_out == f"{address.id}.properties.ipAddress", f"the address is put out, and not {put_out}")
    for item in (gateway, address):
        view.is_(item, "sku/name", "Standard", "the two have to be of one kind")
    view.is_(address, "properties/publicIPAllocationMethod", "Static", "it stays")
    view.is_(address, "properties/publicIPAddressVersion", "IPv4", "what a registry's firewall takes")
    view.is_(gateway, "properties/publicIpAddresses", [{"id": address.id}], "that address")
    view.is_(gateway, "properties/idleTimeoutInMinutes", 4, "the least")


def _zones(view: View, network_id: str, endpoint_subnet: str, wants_endpoints: bool) -> None:
    endpoints = view.deployment.of("Microsoft.Network/privateEndpoints")
    made = {item.name: item.id for item in view.deployment.of("Microsoft.Network/privateDnsZones")}
    links = view.deployment.of("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    given, by_policy = view.option("dnsZoneIds", {}), view.option("dnsByPolicy", False)
    wanted_zones = 4 if wants_endpoints and not given and not by_policy else 0
    view.holds(len(links) == len(made) == wanted_zones, "each zone is linked to the network")
    for link in links:
        view.is_(link, "properties/registrationEnabled", False, "nothing registers itself")
        view.is_(link, "properties/virtualNetwork/id", network_id, "the network of the app")
        view.holds(link.id.rpartition("/virtualNetworkLinks/")[0] in made.values(), "its zone")
        view.is_(
            link, "properties/resolutionPolicy", "NxDomainRedirect", "other accounts and registries stay reachable"
        )
    zones = made | {zone.rpartition("/")[2]: zone for zone in given.values()}
    targets = []
    if view.private:
        targets += [(view.host.id, service, service) for service in ("blob", "queue", "table")]
        targets.append((view.mirror_account, "blob", "blob"))
    if view.option("registryPrivateEndpoint", False):
        targets.append((REGISTRY, "registry", "registry"))
    found = []
    for endpoint in endpoints:
        view.is_(endpoint, "properties/subnet/id", endpoint_subnet, "endpoints have their own subnet")
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
        if by_policy:
            view.holds(not group, "a policy enters its name")
            found.append((at(connections, "0/properties/privateLinkServiceId"), service, service))
            continue
        configs = at(group[0].body, "properties/privateDnsZoneConfigs") if len(group) == 1 else []
        zone = "privatelink.azurecr.io" if service == "registry" else f"privatelink.{service}.core.windows.net"
        view.holds(len(configs) == 1 and configs[0].get("name") == service, "its name is entered once")
        view.holds(at(configs, "0/properties/privateDnsZoneId") == zones.get(zone, ""), f"in {zone}")
        view.holds(endpoint.name.endswith(f"-{service}"), "an endpoint is named after its service")
        found.append((at(connections, "0/properties/privateLinkServiceId"), service, service))
    view.holds(sorted(found) == sorted(targets), f"endpoints for {targets}, not {found}")
