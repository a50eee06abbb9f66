// The mirror's account. It holds the mirror and nothing else, so that it can be locked, moved and restored by itself.
import { tagsOf } from '../types.bicep'

@description('Name of the account.')
@minLength(3)
@maxLength(24)
param accountName string

@description('Container of the mirror.')
param containerName string

@description('Region. Another one than the registry\'s survives the loss of the registry\'s.')
param location string

@description('Redundancy.')
param redundancy string

@description('Whether only private endpoints may reach it.')
param private bool

@description('Days for which what was deleted can be recovered.')
param softDeleteDays int

@description('Days of version-level immutability; 0 is off.')
param immutabilityDays int

@description('Days until the cool tier; 0 is never.')
param coolAfterDays int

@description('Days until the cold tier; 0 is never.')
param coldAfterDays int

@description('Whether nothing in this resource group may be deleted.')
param locked bool

@description('Container for archives that are requested.')
param archivesContainer string

@description('Days until these are removed; 0 is never.')
param archiveDays int

@description('Tags.')
param tags tagsOf

var toCool = coolAfterDays > 0 ? { tierToCool: { daysAfterModificationGreaterThan: coolAfterDays } } : {}
// Of two tiers that are due the cheaper one wins, so that cool would never apply.
var tooEarly = coldAfterDays > 0 && coldAfterDays <= coolAfterDays
var cold = { tierToCold: { daysAfterModificationGreaterThan: coldAfterDays } }
var toCold = tooEarly ? fail('coldAfterDays has to be above coolAfterDays.') : coldAfterDays > 0 ? cold : {}

// On the group, so that it holds for the group itself, too. It does not hold for the data: what protects blobs is below.
resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (locked) {
  name: 'keep-the-mirror'
  properties: {
    level: 'CanNotDelete'
    notes: 'The mirror outlives the deployment that fills it. docs/upgrade.md#uninstall says how it goes.'
  }
}

resource account 'Microsoft.Storage/storageAccounts@2026-04-01' = {
  name: accountName
  location: location
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  tags: tags
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // With a hierarchical namespace, versions and immutability are not to be had.
    isHnsEnabled: false
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: private ? 'Deny' : 'Allow'
    }
  }
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2026-04-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: true
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' = {
  parent: blobService
  name: containerName
  properties: {
    publicAccess: 'None'
    // Left out rather than false: it can't be switched off again, and an update that says false is refused.
    immutableStorageWithVersioning: immutabilityDays > 0 ? { enabled: true } : null
  }
}

// Version-level: tags can still move, each move being a new version. A policy on the container itself would freeze them.
resource immutability 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2026-04-01' = if (immutabilityDays > 0) {
  parent: container
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: immutabilityDays
  }
}

// Of the mirror tiers only, and never the archive tier, which says that a blob is there and then fails to read it. Nothing
// of it is deleted; archives that were requested are, which are in another container. With versions, the blob becomes one.
var coolerRule = {
  name: 'content-to-cooler-tiers'
  enabled: true
  type: 'Lifecycle'
  definition: {
    filters: {
      blobTypes: ['blockBlob']
      prefixMatch: ['${containerName}/docker/registry/v2/blobs/']
    }
    actions: {
      baseBlob: union(toCool, toCold)
    }
  }
}
var archiveRule = {
  name: 'remove-archives'
  enabled: true
  type: 'Lifecycle'
  definition: {
    filters: {
      blobTypes: ['blockBlob']
      prefixMatch: ['${archivesContainer}/']
    }
    actions: {
      baseBlob: { delete: { daysAfterModificationGreaterThan: archiveDays } }
      version: { delete: { daysAfterCreationGreaterThan: archiveDays } }
    }
  }
}
var coolerRules = coolAfterDays > 0 || coldAfterDays > 0 ? [coolerRule] : []
var rules = concat(coolerRules, archiveDays > 0 ? [archiveRule] : [])

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2026-04-01' = if (length(rules) > 0) {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: rules
    }
  }
  dependsOn: [
    blobService
  ]
}

output accountId string = account.id
