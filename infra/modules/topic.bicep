// The registry's system topic: where its events come from. It lies beside the registry; there can be only one.
import { tagsOf } from '../types.bicep'

@description('Name of the topic.')
@minLength(3)
@maxLength(128)
param name string

@description('ARM id of the registry.')
param registryId string

@description('The registry\'s region.')
param location string

@description('Tags.')
param tags tagsOf

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  // System-assigned: a user-assigned identity cannot dead-letter to an account behind a firewall.
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: registryId
    topicType: 'Microsoft.ContainerRegistry.Registries'
  }
}

output principalId string = topic.identity.principalId
