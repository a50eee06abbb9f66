// What was deleted from the mirror, and by whom; if asked for, what was read, too.

@description('Account of the mirror in this resource group.')
param accountName string

@description('Which calls are kept: deletes, or reads as well.')
@allowed(['deletes', 'reads'])
param kept string

@description('ARM id of the workspace.')
param workspaceId string

var categories = kept == 'reads' ? ['StorageDelete', 'StorageRead'] : ['StorageDelete']

resource account 'Microsoft.Storage/storageAccounts@2026-04-01' existing = {
  name: accountName
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2026-04-01' existing = {
  parent: account
  name: 'default'
}

#disable-next-line use-recent-api-versions // the newest that there is of diagnostic settings
resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'mirror'
  scope: blobService
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      for category in categories: {
        category: category
        enabled: true
      }
    ]
  }
}
