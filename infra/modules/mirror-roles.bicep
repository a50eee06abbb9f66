// Lets the app write the mirror and the archives that are requested, and sign short-lived links to single blobs of these.
// The container of the archives is made here, since it is wanted in an account that was there before, too.

@description('Account of the mirror in this resource group.')
param accountName string

@description('Container of the mirror.')
param containerName string

@description('Container for archives that are requested.')
param archivesContainer string

@description('Whether the role at the mirror writes and can\'t delete.')
param writeOnly bool

@description('Principal of the app\'s identity.')
param principalId string

var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var storageBlobDelegator = 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'

resource account 'Microsoft.Storage/storageAccounts@2026-04-01' existing = {
  name: accountName
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2026-04-01' existing = {
  parent: account
  name: 'default'
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' existing = {
  parent: blobService
  name: containerName
}

// Without deleting: of a blob, of a version, of the container. Overwriting is left, which makes a version.
var writerName = guid(account.id, 'mirror-writer')
var writeRole = writeOnly ? writerName : storageBlobDataContributor

resource writer 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (writeOnly) {
  name: writerName
  properties: {
    roleName: 'Mirror writer of ${accountName}'
    description: 'Reads and writes blobs, and can\'t delete any.'
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: ['Microsoft.Storage/storageAccounts/blobServices/containers/read']
        notActions: []
        dataActions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action'
        ]
        notDataActions: []
      }
    ]
  }
}

resource write 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(container.id, principalId, writeRole)
  scope: container
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', writeRole)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
  dependsOn: [writer]
}

resource archives 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' = {
  parent: blobService
  name: archivesContainer
  properties: {
    publicAccess: 'None'
  }
}

resource assemble 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(archives.id, principalId, storageBlobDataContributor)
  scope: archives
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// A user delegation key is the account's: a role at the container does not cover it.
resource sign 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, principalId, storageBlobDelegator)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDelegator)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output location string = account.location
output redundancy string = account.sku.name
