// Private DNS zones in which the endpoints' names are entered, linked to the network.
import { tagsOf, zones } from '../types.bicep'

@description('ARM id of the network that looks names up.')
param networkId string

@description('Tags.')
param tags tagsOf

var name = last(split(networkId, '/'))
var zoneNames = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  registry: 'privatelink${environment().suffixes.acrLoginServer}'
}

resource blobZone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: zoneNames.blob
  location: 'global'
  tags: tags
}

resource queueZone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: zoneNames.queue
  location: 'global'
  tags: tags
}

resource tableZone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: zoneNames.table
  location: 'global'
  tags: tags
}

resource registryZone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: zoneNames.registry
  location: 'global'
  tags: tags
}

// Names that a zone does not have, those of other accounts and registries, are looked up publicly.
resource blobLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: blobZone
  name: name
  location: 'global'
  properties: {
    registrationEnabled: false
    resolutionPolicy: 'NxDomainRedirect'
    virtualNetwork: {
      id: networkId
    }
  }
}

resource queueLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: queueZone
  name: name
  location: 'global'
  properties: {
    registrationEnabled: false
    resolutionPolicy: 'NxDomainRedirect'
    virtualNetwork: {
      id: networkId
    }
  }
}

resource tableLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: tableZone
  name: name
  location: 'global'
  properties: {
    registrationEnabled: false
    resolutionPolicy: 'NxDomainRedirect'
    virtualNetwork: {
      id: networkId
    }
  }
}

resource registryLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: registryZone
  name: name
  location: 'global'
  properties: {
    registrationEnabled: false
    resolutionPolicy: 'NxDomainRedirect'
    virtualNetwork: {
      id: networkId
    }
  }
}

@description('By service: blob, queue, table and registry.')
output zoneIds zones = {
  blob: blobZone.id
  queue: queueZone.id
  table: tableZone.id
  registry: registryZone.id
}
