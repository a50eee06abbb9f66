// A stock registry on the mirror, read-only, for the day when the registry is gone. It costs nothing while nobody pulls.
import { tagsOf } from '../types.bicep'

@description('Name of the container app.')
@minLength(2)
@maxLength(32)
param name string

@description('Region; the mirror\'s, so that reads stay there.')
param location string

@description('Name of its own identity, which can read and nothing else.')
param identityName string

@description('Subscription of the mirror.')
param mirrorSubscription string

@description('Resource group of the mirror.')
param mirrorResourceGroup string

@description('Account of the mirror.')
param mirrorAccount string

@description('Container of the mirror.')
param mirrorContainer string

@description('Image of the registry.')
param image string

@description('Users: lines of an htpasswd file with bcrypt hashes.')
@secure()
@minLength(1)
param users string

@description('Whether clients fetch layers from storage by signed links. Not possible where storage is private.')
param redirect bool

@description('Subnet; empty is a network of its own.')
param subnetId string

@description('Tags.')
param tags tagsOf

var network = {
  infrastructureSubnetId: subnetId
  internal: false
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: identityName
  location: location
  tags: tags
}

resource environmentOfApps 'Microsoft.App/managedEnvironments@2026-01-01' = {
  name: '${name}-env'
  location: location
  tags: tags
  properties: {
    // Not into a workspace, which would take a key: `az containerapp logs show` reads them.
    appLogsConfiguration: {
      destination: 'azure-monitor'
    }
    vnetConfiguration: empty(subnetId) ? null : network
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
  }
}

resource app 'Microsoft.App/containerApps@2026-01-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    environmentId: environmentOfApps.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      ingress: {
        external: true
        allowInsecure: false
        targetPort: 5000
        transport: 'http'
      }
      secrets: [
        {
          name: 'config'
          #disable-next-line use-secure-value-for-secure-inputs // the registry's settings: nothing in them is secret
          value: loadTextContent('../registry/config.yml')
        }
        {
          name: 'users'
          value: users
        }
      ]
    }
    template: {
      containers: [
        {
          name: 'registry'
          image: image
          command: ['registry']
          args: ['serve', '/etc/mirror/config.yml']
          env: [
            { name: 'AZURE_CLIENT_ID', value: identity.properties.clientId }
            { name: 'REGISTRY_STORAGE_AZURE_ACCOUNTNAME', value: mirrorAccount }
            { name: 'REGISTRY_STORAGE_AZURE_CONTAINER', value: mirrorContainer }
            { name: 'REGISTRY_STORAGE_REDIRECT_DISABLE', value: redirect ? 'false' : 'true' }
            // It would send traces to its own port 4318, where nobody listens.
            { name: 'OTEL_TRACES_EXPORTER', value: 'none' }
          ]
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          probes: [
            {
              type: 'Readiness'
              httpGet: {
                path: '/'
                port: 5000
                scheme: 'HTTP'
              }
              periodSeconds: 10
            }
          ]
          volumeMounts: [
            {
              volumeName: 'settings'
              mountPath: '/etc/mirror'
            }
          ]
        }
      ]
      scale: {
        minReplicas: 0
        maxReplicas: 10
      }
      volumes: [
        {
          name: 'settings'
          storageType: 'Secret'
          secrets: [
            {
              secretRef: 'config'
              path: 'config.yml'
            }
            {
              secretRef: 'users'
              path: 'htpasswd'
            }
          ]
        }
      ]
    }
  }
}

module roles 'serve-roles.bicep' = {
  name: '${name}-roles'
  scope: resourceGroup(mirrorSubscription, mirrorResourceGroup)
  params: {
    accountName: mirrorAccount
    containerName: mirrorContainer
    principalId: identity.properties.principalId
  }
}

output url string = 'https://${app.properties.configuration.ingress.fqdn}'
