// Private endpoints of an account, one for each of its services that is used.

@description('Name of the account in this resource group.')
param accountName string

@description('Which of blob, queue and table.')
param services array

@description('Subnet of the endpoints.')
param subnetId string

@description('ARM ids of the DNS zones by service.')
param zoneIds object

@description('Region of the network.')
param location string

@description('Tags.')
param tags object

resource account 'Microsoft.Storage/storageAccounts@2026-04-01' existing = {
  name: accountName
}

resource endpoints 'Microsoft.Network/privateEndpoints@2025-07-01' = [for service in services: {
  name: 'pep-${accountName}-${service}'
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
          privateLinkServiceId: account.id
          groupIds: [service]
        }
      }
    ]
  }
}]

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-07-01' = [for (service, index) in services: {
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
}]
