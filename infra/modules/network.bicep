// A network for the app, with room for private endpoints and for the serving registry.
import { tagsOf, zones } from '../types.bicep'

@description('Name of the network.')
param name string

@description('Region.')
param location string

@description('Address range; /24 or larger.')
param prefix string

@description('Tags.')
param tags tagsOf

// Three subnets of /26.
var range = int(last(split(prefix, '/'))) <= 24 ? prefix : fail('networkPrefix ${prefix} is too small: /24 or larger.')
var zoneNames = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  registry: 'privatelink${environment().suffixes.acrLoginServer}'
}

resource network 'Microsoft.Network/virtualNetworks@2025-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [range]
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(range, 26, 0)
          // Flex Consumption asks for this delegation, unlike other plans.
          delegations: [
            {
              name: 'flex'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(range, 26, 1)
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
      {
        name: 'serve'
        properties: {
          addressPrefix: cidrSubnet(range, 26, 2)
          delegations: [
            {
              name: 'container-apps'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
    ]
  }
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
      id: network.id
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
      id: network.id
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
      id: network.id
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
      id: network.id
    }
  }
}

output appSubnetId string = '${network.id}/subnets/app'
output endpointSubnetId string = '${network.id}/subnets/endpoints'
output serveSubnetId string = '${network.id}/subnets/serve'
@description('By service: blob, queue, table and registry.')
output zoneIds zones = {
  blob: blobZone.id
  queue: queueZone.id
  table: tableZone.id
  registry: registryZone.id
}
