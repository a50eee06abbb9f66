// Lets the app push to a registry that may be restored into. A registry in ABAC mode does not honour AcrPush.

@description('Name of the registry in this resource group.')
param registryName string

@description('Whether the registry takes roles with conditions, as it says itself.')
param abac bool

@description('Principal of the app\'s identity.')
param principalId string

var acrPush = '8311e382-0749-4cb8-b61a-304f252e45ec'
var repositoryWriter = '2a1e307c-b015-4ebd-883e-5b7698a07328'

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: registryName
}

resource push 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!abac) {
  name: guid(registry.id, principalId, acrPush)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPush)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource write 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (abac) {
  name: guid(registry.id, principalId, repositoryWriter)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', repositoryWriter)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
