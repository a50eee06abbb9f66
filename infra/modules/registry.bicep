// What the rest has to know of a registry that is there already.

@description('Name of the registry in this resource group.')
param registryName string

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: registryName
}

output loginServer string = registry.properties.loginServer
output location string = registry.location
@description('AbacRepositoryPermissions or LegacyRegistryPermissions: which roles the registry honours.')
output roleAssignmentMode string = registry.properties.?roleAssignmentMode ?? 'LegacyRegistryPermissions'
