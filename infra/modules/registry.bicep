// What the rest has to know of a registry that is there already.

@description('Name of the registry in this resource group.')
param registryName string

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: registryName
}

output loginServer string = registry.properties.loginServer
output location string = registry.location
@description('Whether the registry takes roles with conditions, which decides which roles it honours. An older one does not say.')
output abac bool = registry.properties.?roleAssignmentMode == 'AbacRepositoryPermissions'
