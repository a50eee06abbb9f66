// A network for the app, with room for private endpoints and for the serving registry.
import { tagsOf } from '../types.bicep'

@description('Name of the network.')
param name string

@description('Region.')
param location string

@description('Address range; /24 or larger.')
param prefix string

@description('Whether calls to the internet leave from one address, which stays.')
param natGateway bool

@description('Tags.')
param tags tagsOf

// Three subnets of /26.
var range = int(last(split(prefix, '/'))) <= 24 ? prefix : fail('networkPrefix ${prefix} is too small: /24 or larger.')

resource address 'Microsoft.Network/publicIPAddresses@2025-07-01' = if (natGateway) {
  name: '${name}-out'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
    publicIPAddressVersion: 'IPv4'
  }
}

resource gateway 'Microsoft.Network/natGateways@2025-07-01' = if (natGateway) {
  name: '${name}-nat'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    idleTimeoutInMinutes: 4
    publicIpAddresses: [
      {
        id: address.id
      }
    ]
  }
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
          natGateway: natGateway ? { id: gateway.id } : null
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

output networkId string = network.id
output appSubnetId string = '${network.id}/subnets/app'
output endpointSubnetId string = '${network.id}/subnets/endpoints'
output serveSubnetId string = '${network.id}/subnets/serve'
@description('The address that calls to the internet come from; empty where that is not known.')
output outgoingAddress string = natGateway ? address.?properties.ipAddress ?? '' : ''
