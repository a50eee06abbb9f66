// A network, or subnets that are there already, and private endpoints in it for what is named.
import { subnetsOf, tagsOf, zoneIdsOf } from '../types.bicep'

@description('Name of the network.')
param name string

@description('Region.')
param location string

@description('Address range; /24 or larger.')
param prefix string

@description('ARM ids of subnets to use in place of a network of its own.')
param subnets subnetsOf

@description('Whether calls to the internet leave from one address of that network, which stays.')
param natGateway bool

@description('ARM ids of DNS zones to use in place of zones of its own.')
param zoneIds zoneIdsOf

@description('Whether somebody else, such as a policy, enters the names of the endpoints.')
param namesByPolicy bool

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

var makesNetwork = empty(subnets)
var given = {
  blob: zoneIds.?blob ?? ''
  queue: zoneIds.?queue ?? ''
  table: zoneIds.?table ?? ''
  registry: zoneIds.?registry ?? ''
}
var makesZones = empty(zoneIds) && !namesByPolicy && (accounts || !empty(registryId))
var endpointSubnetId = makesNetwork ? network.?outputs.endpointSubnetId ?? '' : subnets.?endpoints ?? ''

module network 'network.bicep' = if (makesNetwork) {
  name: '${name}-network'
  params: {
    name: name
    location: location
    prefix: prefix
    natGateway: natGateway
    tags: tags
  }
}

module zones 'zones.bicep' = if (makesZones) {
  name: '${name}-zones'
  params: {
    networkId: makesNetwork ? network.?outputs.networkId ?? '' : split(subnets.?app ?? '', '/subnets/')[0]
    tags: tags
  }
}

module hostEndpoints 'storage-endpoints.bicep' = if (accounts) {
  name: '${name}-host'
  params: {
    accountId: hostAccountId
    services: ['blob', 'queue', 'table']
    subnetId: endpointSubnetId
    entersNames: !namesByPolicy
    zoneIds: makesZones ? zones.?outputs.zoneIds ?? given : given
    location: location
    tags: tags
  }
}

module mirrorEndpoints 'storage-endpoints.bicep' = if (accounts) {
  name: '${name}-mirror'
  params: {
    accountId: mirrorAccountId
    services: ['blob']
    subnetId: endpointSubnetId
    entersNames: !namesByPolicy
    zoneIds: makesZones ? zones.?outputs.zoneIds ?? given : given
    location: location
    tags: tags
  }
}

module registryEndpoint 'registry-endpoint.bicep' = if (!empty(registryId)) {
  name: '${name}-registry'
  params: {
    registryId: registryId
    approvedByHand: registryApprovedByHand
    subnetId: endpointSubnetId
    entersNames: !namesByPolicy
    zoneIds: makesZones ? zones.?outputs.zoneIds ?? given : given
    location: location
    tags: tags
  }
}

output appSubnetId string = makesNetwork ? network.?outputs.appSubnetId ?? '' : subnets.?app ?? ''
output serveSubnetId string = makesNetwork ? network.?outputs.serveSubnetId ?? '' : subnets.?serve ?? ''
output outgoingAddress string = network.?outputs.outgoingAddress ?? ''
