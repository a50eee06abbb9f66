# After the code is deployed: waits until the platform lists the function, then subscribes it to the registry's events.
# Reads what main.bicep puts out. No key is involved: Event Grid and Functions know each other by the function's ARM id.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$names = 'AZURE_SUBSCRIPTION_ID', 'AZURE_RESOURCE_GROUP', 'MIRROR_FUNCTION_APP', 'MIRROR_FUNCTION_APP_ID', 'MIRROR_HOST_ACCOUNT_ID',
    'MIRROR_DEAD_LETTER_CONTAINER', 'MIRROR_TOPIC_NAME', 'MIRROR_TOPIC_RESOURCE_GROUP', 'MIRROR_TOPIC_SUBSCRIPTION_ID'
foreach ($name in $names) {
    if (-not [Environment]::GetEnvironmentVariable($name)) {
        throw "$name is not set. Run this with the outputs of main.bicep in the environment."
    }
}
$template = Join-Path $PSScriptRoot '..' 'subscription.bicep'
$prefixes = if ($env:MIRROR_REPOSITORY_PREFIXES) { $env:MIRROR_REPOSITORY_PREFIXES } else { '[]' }

$tries = 0
while ($true) {
    az functionapp function show --subscription $env:AZURE_SUBSCRIPTION_ID --resource-group $env:AZURE_RESOURCE_GROUP --name $env:MIRROR_FUNCTION_APP --function-name on_registry_event --output none 2>$null
    if ($LASTEXITCODE -eq 0) { break }
    $tries += 1
    if ($tries -ge 60) {
        throw "$env:MIRROR_FUNCTION_APP does not list on_registry_event after ten minutes: the package did not start. Look at its log stream, then run this again."
    }
    Write-Output 'Waiting for the function on_registry_event …'
    Start-Sleep -Seconds 10
}

az deployment group create --subscription $env:MIRROR_TOPIC_SUBSCRIPTION_ID --resource-group $env:MIRROR_TOPIC_RESOURCE_GROUP --name "$env:MIRROR_FUNCTION_APP-events" --template-file $template --output none --parameters topicName=$env:MIRROR_TOPIC_NAME subscriptionName=$env:MIRROR_FUNCTION_APP functionAppId=$env:MIRROR_FUNCTION_APP_ID deadLetterAccountId=$env:MIRROR_HOST_ACCOUNT_ID deadLetterContainer=$env:MIRROR_DEAD_LETTER_CONTAINER "repositoryPrefixes=$prefixes"
if ($LASTEXITCODE -ne 0) { throw 'The event subscription could not be made.' }
Write-Output 'Pushes to the registry are mirrored from now on. For what it held before: docs/deploy.md#what-was-there-before.'
