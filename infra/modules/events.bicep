// The registry's topic, and what it needs to keep what it cannot deliver.
import { tagsOf } from '../types.bicep'

@description('ARM id of the registry.')
param registryId string

@description('Region of the registry.')
param registryLocation string

@description('Name of the topic.')
param topicName string

@description('Resource group of the topic, in the registry\'s subscription.')
param topicResourceGroup string

@description('Whether the topic is made here, or there already.')
param makesTopic bool

@description('The app\'s own account in this resource group.')
param hostAccount string

@description('Its container of dead letters.')
param deadLetterContainer string

@description('Tags.')
param tags tagsOf

var subscriptionId = split(registryId, '/')[2]

module newTopic 'topic.bicep' = if (makesTopic) {
  name: '${hostAccount}-topic'
  scope: resourceGroup(subscriptionId, topicResourceGroup)
  params: {
    name: topicName
    registryId: registryId
    location: registryLocation
    tags: tags
  }
}

module foundTopic 'topic-existing.bicep' = if (!makesTopic) {
  // Not the other's name: of two deployments with one name Resource Manager leaves one out, whatever their conditions say.
  name: '${hostAccount}-topic-existing'
  scope: resourceGroup(subscriptionId, topicResourceGroup)
  params: {
    name: topicName
  }
}

module deadLetterRole 'dead-letter-role.bicep' = {
  name: '${hostAccount}-dead-letters'
  params: {
    accountName: hostAccount
    containerName: deadLetterContainer
    principalId: makesTopic ? newTopic.?outputs.principalId ?? '' : foundTopic.?outputs.principalId ?? ''
  }
}
