// A network, and private endpoints in it for what is named.

@description('Name of the network.')
param name string

@description('Region.')
param location string

@description('Address range; /24 or larger.')
param prefix string

@description('The app\'s own account in this resource group; empty leaves it public.')
param hostAccount string

@description('Account of the mirror in this resource group; empty leaves it as it is.')
param mirrorAccount string

@description('ARM id of the registry, which has to be Premium; empty leaves it as it is.')
param registryId string

@description('Tags.')
param tags object

module network 'network.bicep' = {
  name: '${name}-network'
  params: {
    name: name
    location: location
    prefix: prefix
    tags: tags
  }
}

module hostEndpoints 'storage-endpoints.bicep' = if (!empty(hostAccount)) {
  name: '${name}-host'
  params: {
    accountName: hostAccount
    services: ['blob', 'queue', 'table']
    subnetId: network.outputs.endpointSubnetId
    zoneIds: network.outputs.zoneIds
    location: location
    tags: tags
  }
}

module mirrorEndpoints 'storage-endpoints.bicep' = if (!empty(mirrorAccount)) {
  name: '${name}-mirror'
  params: {
    accountName: mirrorAccount
    services: ['blob']
    subnetId: network.outputs.endpointSubnetId
    zoneIds: network.outputs.zoneIds
    location: location
    tags: tags
  }
}

module registryEndpoint 'registry-endpoint.bicep' = if (!empty(registryId)) {
  name: '${name}-registry'
  params: {
    registryId: registryId
    subnetId: network.outputs.endpointSubnetId
    zoneIds: network.outputs.zoneIds
    location: location
    tags: tags
  }
}

output appSubnetId string = network.outputs.appSubnetId
output serveSubnetId string = network.outputs.serveSubnetId
