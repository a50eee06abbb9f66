# Before provisioning: finds the registry by its name, and the system topic that it may have already.
# Reads MIRROR_REGISTRY_NAME or MIRROR_REGISTRY_ID. Sets, in azd's environment if there is one and on standard output:
# MIRROR_REGISTRY_ID, MIRROR_EXISTING_TOPIC_NAME, MIRROR_EXISTING_TOPIC_RESOURCE_GROUP.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

function Keep([string] $Name, [string] $Value) {
    Write-Output "$Name=$Value"
    if ($env:AZURE_ENV_NAME -and (Get-Command azd -ErrorAction SilentlyContinue)) {
        azd env set $Name $Value
        if ($LASTEXITCODE -ne 0) { throw "azd could not set $Name." }
    }
}

$registryId = $env:MIRROR_REGISTRY_ID
if (-not $registryId) {
    if (-not $env:MIRROR_REGISTRY_NAME) {
        throw 'Which registry? Run: azd env set MIRROR_REGISTRY_NAME <name>, or MIRROR_REGISTRY_ID <ARM id> if it is in another subscription.'
    }
    $registryId = az acr show --name $env:MIRROR_REGISTRY_NAME --query id --output tsv
    if ($LASTEXITCODE -ne 0) { throw "There is no registry $env:MIRROR_REGISTRY_NAME that you may see." }
    Keep 'MIRROR_REGISTRY_ID' $registryId
}
$parts = $registryId.Split('/')
if ($registryId -notlike '/subscriptions/*/resourceGroups/*/providers/Microsoft.ContainerRegistry/registries/*') {
    throw "MIRROR_REGISTRY_ID is '$registryId', and has to be /subscriptions/…/resourceGroups/…/providers/Microsoft.ContainerRegistry/registries/<name>."
}
$subscription = $parts[2]
$resourceGroup = $parts[4]
$registryName = $parts[8]

# A registry can have one system topic only. One that another deployment made is used as it is.
$topics = az eventgrid system-topic list --subscription $subscription --output json --query "[].{name: name, group: resourceGroup, identity: identity.type, source: source}"
if ($LASTEXITCODE -ne 0) { throw "The system topics of subscription $subscription could not be listed." }
$found = @(($topics | Out-String | ConvertFrom-Json) | Where-Object { $_.source -eq $registryId })
if ($found.Count -eq 0) {
    Keep 'MIRROR_EXISTING_TOPIC_NAME' ''
    Keep 'MIRROR_EXISTING_TOPIC_RESOURCE_GROUP' ''
    exit 0
}
$topic = $found[0]
if ($topic.name -eq "evgt-$registryName" -and $topic.group -eq $resourceGroup -and $topic.identity -eq 'SystemAssigned') {
    # This deployment's own, from an earlier run.
    Keep 'MIRROR_EXISTING_TOPIC_NAME' ''
    Keep 'MIRROR_EXISTING_TOPIC_RESOURCE_GROUP' ''
    exit 0
}
if (-not $topic.identity -or $topic.identity -eq 'None') {
    Write-Warning "The registry's topic $($topic.name) gets an identity, with which Event Grid writes dead letters."
    az eventgrid system-topic update --subscription $subscription --resource-group $topic.group --name $topic.name --mi-system-assigned --output none
    if ($LASTEXITCODE -ne 0) { throw "The topic $($topic.name) could not be given an identity." }
}
elseif ($topic.identity -notmatch 'SystemAssigned') {
    throw "The registry's topic $($topic.name) has user-assigned identities only. Add a system-assigned one (Identity page of the topic), then run this again."
}
Keep 'MIRROR_EXISTING_TOPIC_NAME' $topic.name
Keep 'MIRROR_EXISTING_TOPIC_RESOURCE_GROUP' $topic.group
