// A system topic that the registry had before. The hook before provisioning sees to it that it has an identity.

@description('Name of the topic in this resource group.')
param name string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: name
}

output principalId string = topic.identity.principalId
