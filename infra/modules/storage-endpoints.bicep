// Private endpoints of an account, one for each of its services that is used.
import { tagsOf, zones } from '../types.bicep'

@description('ARM id of the account, which may be in another resource group or subscription.')
param accountId string

@description('Which of blob, queue and table.')
param services string[]

@description('Subnet of the endpoints.')
param subnetId string

@description('Whether names are entered in these zones; otherwise somebody else does, such as a policy.')
param entersNames bool

@description('ARM ids of the DNS zones by service.')
param zoneIds zones

@description('Region of the network.')
param location string

@description('Tags.')
param tags tagsOf

resource endpoints 'Microsoft.Network/privateEndpoints@2025-07-01' = [
  for service in services: {
    name: 'pep-${last(split(accountId, '/'))}-${service}'
    location: location
    tags: tags
    properties: {
      subnet: {
        id: subnetId
      }
      privateLinkServiceConnections: [
        {
          name: service
          properties: {
            privateLinkServiceId: accountId
            groupIds: [service]
          }
        }
      ]
    }
  }
]

var named = entersNames ? services : []

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-07-01' = [
  for (service, index) in named: {
    parent: endpoints[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: service
          properties: {
            privateDnsZoneId: zoneIds[service]
          }
        }
      ]
    }
  }
]
