// Lets the app read the registry. A registry in ABAC mode does not honour AcrPull.

@description('Name of the registry in this resource group.')
param registryName string

@description('Whether the registry takes roles with conditions, as it says itself.')
param abac bool

@description('Principal of the app\'s identity.')
param principalId string

var acrPull = '7f951dda-4ed3-4680-a7ca-43fe172d538d'
var repositoryReader = 'b93aa761-3e63-49ed-ac28-beffa264f7ac'
var catalogLister = 'bfdb9389-c9a5-478a-bb2f-ba9ca092c3c7'

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: registryName
}

resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!abac) {
  name: guid(registry.id, principalId, acrPull)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource read 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (abac) {
  name: guid(registry.id, principalId, repositoryReader)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', repositoryReader)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource catalog 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (abac) {
  name: guid(registry.id, principalId, catalogLister)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', catalogLister)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
