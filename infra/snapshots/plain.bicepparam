// As it comes. plain.snapshot.json says what is deployed; CONTRIBUTING.md says how to make it anew.
using '../main.bicep'

param environmentName = 'check'
param location = 'westeurope'
param registryId = '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-images/providers/Microsoft.ContainerRegistry/registries/demo'
