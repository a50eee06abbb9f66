// Reaches the registry privately. One endpoint covers its login server and its dedicated data endpoints.
import { tagsOf, zones } from '../types.bicep'

@description('ARM id of the registry, which has to be Premium.')
param registryId string

@description('Subnet of the endpoint.')
param subnetId string

@description('Whether names are entered in these zones; otherwise somebody else does, such as a policy.')
param entersNames bool

@description('ARM ids of the DNS zones by service.')
param zoneIds zones

@description('Whether the endpoint is only requested, and somebody who may approves it at the registry.')
param approvedByHand bool

@description('Region of the network.')
param location string

@description('Tags.')
param tags tagsOf

var connections = [
  {
    name: 'registry'
    properties: {
      privateLinkServiceId: registryId
      groupIds: ['registry']
    }
  }
]

resource endpoint 'Microsoft.Network/privateEndpoints@2025-07-01' = {
  name: 'pep-${last(split(registryId, '/'))}-registry'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: approvedByHand ? [] : connections
    manualPrivateLinkServiceConnections: approvedByHand ? connections : []
  }
}

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-07-01' = if (entersNames) {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: 'registry'
        properties: {
          privateDnsZoneId: zoneIds.registry
        }
      }
    ]
  }
}
