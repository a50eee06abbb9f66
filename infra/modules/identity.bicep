// The one identity of the app: at the registry, at storage and for telemetry.
import { tagsOf } from '../types.bicep'

@description('Name of the identity.')
param name string

@description('Region.')
param location string

@description('Tags.')
param tags tagsOf

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

output id string = identity.id
output principalId string = identity.properties.principalId
output clientId string = identity.properties.clientId
