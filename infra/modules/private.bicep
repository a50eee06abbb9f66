// A network, and private endpoints in it for what is named.
import { tagsOf } from '../types.bicep'

@description('Name of the network.')
param name string

@description('Region.')
param location string

@description('Address range; /24 or larger.')
param prefix string

@description('Whether both accounts get endpoints.')
param accounts bool

@description('ARM id of the app\'s own account.')
param hostAccountId string

@description('ARM id of the mirror\'s account, wherever it is.')
param mirrorAccountId string

@description('ARM id of the registry, which has to be Premium; empty leaves it as it is.')
param registryId string

@description('Whether somebody else approves the registry\'s endpoint.')
param registryApprovedByHand bool

@description('Tags.')
param tags tagsOf

module network 'network.bicep' = {
  name: '${name}-network'
  params: {
    name: name
    location: location
    prefix: prefix
    tags: tags
  }
}

module hostEndpoints 'storage-endpoints.bicep' = if (accounts) {
  name: '${name}-host'
  params: {
    accountId: hostAccountId
    services: ['blob', 'queue', 'table']
    subnetId: network.outputs.endpointSubnetId
    zoneIds: network.outputs.zoneIds
    location: location
    tags: tags
  }
}

module mirrorEndpoints 'storage-endpoints.bicep' = if (accounts) {
  name: '${name}-mirror'
  params: {
    accountId: mirrorAccountId
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
    approvedByHand: registryApprovedByHand
    subnetId: network.outputs.endpointSubnetId
    zoneIds: network.outputs.zoneIds
    location: location
    tags: tags
  }
}

output appSubnetId string = network.outputs.appSubnetId
output serveSubnetId string = network.outputs.serveSubnetId
