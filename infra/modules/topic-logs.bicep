// What Event Grid could not deliver, with its reasons. Only of a topic that this deployment made.

@description('System topic of the registry in this resource group.')
param topicName string

@description('ARM id of the workspace.')
param workspaceId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

#disable-next-line use-recent-api-versions // the newest that there is of diagnostic settings
resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'mirror'
  scope: topic
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'DeliveryFailures'
        enabled: true
      }
    ]
  }
}
