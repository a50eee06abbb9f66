// The event subscription. It can only be made once its function is deployed, which is why a hook deploys this file,
// after the code, into the resource group of the topic.

@description('System topic of the registry in this resource group.')
param topicName string

@description('Name of the subscription.')
@minLength(3)
@maxLength(64)
param subscriptionName string

@description('ARM id of the function app.')
param functionAppId string

@description('ARM id of the account that dead letters go to.')
param deadLetterAccountId string

@description('Container that dead letters go to.')
param deadLetterContainer string

@description('Only repositories that begin with one of these; none means all.')
@maxLength(25)
param repositoryPrefixes string[] = []

var app = split(functionAppId, '/')
var byPrefix = [
  {
    operatorType: 'StringBeginsWith'
    key: 'data.target.repository'
    values: repositoryPrefixes
  }
]

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: app[8]
  scope: resourceGroup(app[2], app[4])
}

resource onEvent 'Microsoft.Web/sites/functions@2025-03-01' existing = {
  parent: site
  name: 'on_registry_event'
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: subscriptionName
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: onEvent.id
        // One event a call: the worker's decoder refuses arrays of several before the app sees them.
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: [
        'Microsoft.ContainerRegistry.ImagePushed'
        'Microsoft.ContainerRegistry.ImageDeleted'
        'Microsoft.ContainerRegistry.ChartPushed'
        'Microsoft.ContainerRegistry.ChartDeleted'
      ]
      enableAdvancedFilteringOnArrays: false
      advancedFilters: empty(repositoryPrefixes) ? [] : byPrefix
    }
    // Both at their most: a day, in which Event Grid backs off to once in twelve hours.
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
    deadLetterWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: deadLetterAccountId
          blobContainerName: deadLetterContainer
        }
      }
    }
  }
}
