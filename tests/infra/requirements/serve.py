"""What must hold of the stock registry that serves the mirror."""

from devtools.bicep.settled import at
from devtools.deployment import INFRA
from tests.infra.requirements.view import View


def serve(view: View) -> None:
    """A stock registry that can read the mirror, and nothing else, behind a sign-in."""
    apps = view.deployment.of("Microsoft.App/containerApps")
    wanted = bool(view.option("serveMirror", False))
    view.holds(len(apps) == (1 if wanted else 0), "only if requested")
    view.holds(bool(view.deployment.outputs["MIRROR_SERVED_AT"]) == wanted, "its address is put out")
    if not wanted or not apps:
        return
    served, environment = apps[0], view.one("Microsoft.App/managedEnvironments")
    identity = view.one("Microsoft.ManagedIdentity/userAssignedIdentities", "id-serve").id
    address = f"https://{served.id}.properties.configuration.ingress.fqdn"
    view.holds(view.deployment.outputs["MIRROR_SERVED_AT"] == address, "its address is put out")
    view.is_(served, "identity", {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}, "its own identity")
    view.is_(served, "properties/environmentId", environment.id, "in its environment")
    view.is_(served, "properties/workloadProfileName", "Consumption", "paid while it runs")
    profiles = [{"name": "Consumption", "workloadProfileType": "Consumption"}]
    view.is_(environment, "properties/workloadProfiles", profiles, "paid while it runs")
    view.is_(
        environment, "properties/appLogsConfiguration/destination", "azure-monitor", "a workspace would take a key"
    )
    network = at(environment.body, "properties/vnetConfiguration")
    if view.private:
        given = view.option("subnetIds", {}).get("serve", "")
        subnet = given or f"{view.one('Microsoft.Network/virtualNetworks').id}/subnets/serve"
        view.holds(
            network == {"infrastructureSubnetId": subnet, "internal": False}, "it reads storage from the network"
        )
    else:
        view.holds(network is None, "no network unless requested")
    configuration = at(served.body, "properties/configuration")
    ingress = {"external": True, "allowInsecure": False, "targetPort": 5000, "transport": "http"}
    view.holds(configuration["ingress"] == ingress, "HTTPS only, to the registry's port")
    view.holds(configuration["activeRevisionsMode"] == "Single", "one at a time")
    config = (INFRA / "registry" / "config.yml").read_text(encoding="utf-8")
    secrets = [{"name": "config", "value": config}, {"name": "users", "value": view.given["serveUsers"]}]
    view.holds(configuration["secrets"] == secrets, "the configuration that is tested, and the users who may pull")
    template = at(served.body, "properties/template")
    view.holds(template["scale"] == {"minReplicas": 0, "maxReplicas": 10}, "nothing runs while nobody pulls")
    files = [{"secretRef": "config", "path": "config.yml"}, {"secretRef": "users", "path": "htpasswd"}]
    volumes = [{"name": "settings", "storageType": "Secret", "secrets": files}]
    view.holds(template["volumes"] == volumes, "both as files")
    container = template["containers"][0]
    view.holds(container["image"] == "docker.io/library/registry:3.1.2", "the version that is tested")
    view.holds(container["name"] == "registry" and len(template["containers"]) == 1, "one container")
    view.holds(container["command"] == ["registry"], "the registry")
    view.holds(container["args"] == ["serve", "/etc/mirror/config.yml"], "with that configuration")
    mounts = [{"volumeName": "settings", "mountPath": "/etc/mirror"}]
    view.holds(container["volumeMounts"] == mounts, "where the configuration looks for its users")
    view.holds("path: /etc/mirror/htpasswd" in config, "where the configuration looks for its users")
    environment_variables = {item["name"]: item["value"] for item in container["env"]}
    view.holds(
        environment_variables
        == {
            "AZURE_CLIENT_ID": f"{identity}.properties.clientId",
            "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": view.mirror_account.rpartition("/")[2],
            "REGISTRY_STORAGE_AZURE_CONTAINER": view.option("mirrorContainer", "mirror"),
            "REGISTRY_STORAGE_REDIRECT_DISABLE": "true" if view.private else "false",
            "OTEL_TRACES_EXPORTER": "none",
        },
        "it finds the mirror, as itself",
    )
    view.holds(container["resources"] == {"cpu": 0.5, "memory": "1Gi"}, "a pair that Container Apps has")
    probe = [{"type": "Readiness", "httpGet": {"path": "/", "port": 5000, "scheme": "HTTP"}, "periodSeconds": 10}]
    view.holds(container["probes"] == probe, "it is asked whether it is ready where no sign-in is needed")
