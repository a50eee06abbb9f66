// A second registry into a mirror that is there already, with a topic that is there already, and anyone may pull.
using '../main.bicep'

param environmentName = 'check'
param location = 'westeurope'
param registryId = '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-images/providers/Microsoft.ContainerRegistry/registries/demo'
param registryAuth = 'anonymous'
param existingMirrorAccountId = '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-mirrors/providers/Microsoft.Storage/storageAccounts/stother'
param mirrorContainer = 'images'
param mirrorPrefix = 'demo'
param existingTopicName = 'evgt-shared'
param existingTopicResourceGroup = 'rg-events'
param alwaysReadyEvents = 0
param alwaysReadyJobs = 0
param serveMirror = true
param serveUsers = 'reader:$2y$05$hash'
param liveSeconds = 0
