// The function app, on Flex Consumption.
import { tagsOf } from '../types.bicep'

@description('Name of the app.')
@minLength(2)
@maxLength(60)
param appName string

@description('Name of its plan.')
param planName string

@description('Region.')
param location string

@description('ARM id of the app\'s identity.')
param identityId string

@description('Client id of the app\'s identity.')
param identityClientId string

@description('The app\'s own account in this resource group.')
param hostAccount string

@description('Container of the package.')
param packageContainer string

@description('Where telemetry goes. It names a place and lets nobody in: signing in there is by identity.')
param connectionString string

@description('Login server of the registry.')
param registryLoginServer string

@description('ARM id of the registry.')
param registryId string

@description('identity or anonymous.')
param registryAuth string

@description('Audience of the registry\'s tokens.')
param registryAudience string

@description('Blob endpoint of the mirror.')
param mirrorBlobEndpoint string

@description('Region of the registry.')
param registryRegion string

@description('Region of the mirror.')
param mirrorRegion string

@description('Redundancy of the mirror\'s account.')
param mirrorRedundancy string

@description('Container of the mirror.')
param mirrorContainer string

@description('Container for archives that are requested.')
param archivesContainer string

@description('First path components before every repository name.')
param mirrorPrefix string

@description('Table of the job records.')
param jobsTable string

@description('Copy threads of a process, which its jobs share.')
param copyThreads int

@description('Seconds after which a claim may be taken over.')
param claimStaleSeconds int

@description('Seconds for which a 404 is waited out.')
param notFoundSeconds int

@description('Seconds for which other failures are waited out.')
param retrySeconds int

@description('Seconds after which a tag is asked about again, separated by commas.')
param recheckSeconds string

@description('Hours between two comparisons of everything; 0 is never.')
param compareHours int

@description('What the names of the repositories that belong in the mirror begin with; none means all.')
param repositoryPrefixes string[]

@description('Who may pull through the app: off, credentials or anonymous.')
param mirrorServe string

@description('Login server of the registry that may be restored into; empty for none.')
param restoreTargets string

@description('Days between two audits of all that is in the mirror; 0 is never.')
param auditDays int

@description('Memory of an instance in MB.')
param instanceMemoryMB int

@description('How many instances may run at once.')
param maximumInstanceCount int

@description('Instances that always wait for events.')
param alwaysReadyEvents int

@description('Instances that always wait for jobs.')
param alwaysReadyJobs int

@description('How a deployment replaces running instances.')
@allowed(['RollingUpdate', 'Recreate'])
param siteUpdateStrategy string

@description('Subnet that the app\'s calls leave from; empty is the public network.')
param subnetId string

@description('Address ranges that may call the app, beside Event Grid; none is no restriction.')
param allowedCallers string[]

@description('Whether Application Insights asks the app if it answers.')
param isAskedWhetherItLives bool

@description('Tags.')
param tags tagsOf

var storageSuffix = environment().suffixes.storage
var hostBlobs = 'https://${hostAccount}.blob.${storageSuffix}'
var hostQueues = 'https://${hostAccount}.queue.${storageSuffix}'
var hostTables = 'https://${hostAccount}.table.${storageSuffix}'
var eventGrid = [
  {
    name: 'event-grid'
    description: 'Event Grid delivers from its own public addresses.'
    priority: 100
    action: 'Allow'
    tag: 'ServiceTag'
    ipAddress: 'AzureEventGrid'
  }
]
// Who asks for /api/live asks from public addresses, too.
var availability = [
  {
    name: 'availability'
    description: 'Application Insights asks whether the app answers.'
    priority: 110
    action: 'Allow'
    tag: 'ServiceTag'
    ipAddress: 'ApplicationInsightsAvailability'
  }
]
var callers = [
  for (range, index) in allowedCallers: {
    name: 'caller-${index}'
    priority: 200 + index
    action: 'Allow'
    ipAddress: range
  }
]
// HTTP requests that an instance works on at once. Of an app in Python the platform would let it take one.
var httpConcurrency = 16
var readyEvents = [
  {
    name: 'function:on_registry_event'
    instanceCount: alwaysReadyEvents
  }
]
var readyJobs = [
  {
    name: 'function:run_mirror_job'
    instanceCount: alwaysReadyJobs
  }
]

// 2025-03-01 is the newest version that the compiler has types for; with a newer one it would check nothing here.
resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  tags: tags
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: appName
  location: location
  kind: 'functionapp,linux'
  tags: union(tags, { 'azd-service-name': 'mirror' })
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostBlobs}/${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: concat(alwaysReadyEvents > 0 ? readyEvents : [], alwaysReadyJobs > 0 ? readyJobs : [])
        triggers: { http: { perInstanceConcurrency: httpConcurrency } }
      }
      #disable-next-line BCP037 // documented, and in the specification's preview; no version's types have it yet
      siteUpdateStrategy: siteUpdateStrategy == 'RollingUpdate' ? { type: 'RollingUpdate' } : null
    }
    siteConfig: {
      minTlsVersion: '1.2'
      ipSecurityRestrictionsDefaultAction: empty(allowedCallers) ? 'Allow' : 'Deny'
      ipSecurityRestrictions: empty(allowedCallers) ? [] : concat(eventGrid, isAskedWhetherItLives ? availability : [], callers)
      appSettings: [
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: identityClientId }
        { name: 'AzureWebJobsStorage__blobServiceUri', value: hostBlobs }
        { name: 'AzureWebJobsStorage__queueServiceUri', value: hostQueues }
        { name: 'AzureWebJobsStorage__tableServiceUri', value: hostTables }
        { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: connectionString }
        { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${identityClientId};Authorization=AAD' }
        // Azure's exporter would otherwise tell its makers and this workspace how it is used, and ask them for settings.
        { name: 'APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL', value: 'true' }
        { name: 'APPLICATIONINSIGHTS_SDKSTATS_DISABLED', value: 'true' }
        { name: 'APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED', value: 'true' }
        // The host's exporter would otherwise keep five requests a second, and not say how many it left out.
        { name: 'OTEL_TRACES_SAMPLER', value: 'microsoft.fixed_percentage' }
        { name: 'OTEL_TRACES_SAMPLER_ARG', value: '1.0' }
        // The name under which host and app are found in telemetry.
        { name: 'OTEL_SERVICE_NAME', value: appName }
        // Threads of the worker, in which functions run: a request, an event or a job each.
        { name: 'PYTHON_THREADPOOL_THREAD_COUNT', value: string(2 * httpConcurrency) }
        { name: 'AZURE_CLIENT_ID', value: identityClientId }
        { name: 'MIRROR_REGISTRY', value: registryLoginServer }
        { name: 'MIRROR_REGISTRY_RESOURCE_ID', value: registryId }
        { name: 'MIRROR_REGISTRY_AUTH', value: registryAuth }
        { name: 'MIRROR_REGISTRY_AUDIENCE', value: registryAudience }
        { name: 'MIRROR_REDIRECT_HOSTS', value: '.blob.${storageSuffix},.data${environment().suffixes.acrLoginServer}' }
        { name: 'MIRROR_BLOB_ENDPOINT', value: mirrorBlobEndpoint }
        { name: 'MIRROR_REGISTRY_REGION', value: registryRegion }
        { name: 'MIRROR_REGION', value: mirrorRegion }
        { name: 'MIRROR_REDUNDANCY', value: mirrorRedundancy }
        { name: 'MIRROR_CONTAINER', value: mirrorContainer }
        { name: 'MIRROR_ARCHIVES_CONTAINER', value: archivesContainer }
        { name: 'MIRROR_PREFIX', value: mirrorPrefix }
        { name: 'MIRROR_TABLE_ENDPOINT', value: hostTables }
        { name: 'MIRROR_TABLE', value: jobsTable }
        { name: 'MIRROR_QUEUE__queueServiceUri', value: hostQueues }
        { name: 'MIRROR_QUEUE__credential', value: 'managedidentity' }
        { name: 'MIRROR_QUEUE__clientId', value: identityClientId }
        { name: 'MIRROR_THREADS', value: string(copyThreads) }
        { name: 'MIRROR_CLAIM_STALE_SECONDS', value: string(claimStaleSeconds) }
        { name: 'MIRROR_NOT_FOUND_SECONDS', value: string(notFoundSeconds) }
        { name: 'MIRROR_RETRY_SECONDS', value: string(retrySeconds) }
        { name: 'MIRROR_RECHECK_SECONDS', value: recheckSeconds }
        { name: 'MIRROR_COMPARE_HOURS', value: string(compareHours) }
        { name: 'MIRROR_REPOSITORY_PREFIXES', value: join(repositoryPrefixes, ',') }
        { name: 'MIRROR_SERVE', value: mirrorServe }
        { name: 'MIRROR_RESTORE_TARGETS', value: restoreTargets }
        { name: 'MIRROR_AUDIT_DAYS', value: string(auditDays) }
        { name: 'MIRROR_TELEMETRY_SECONDS', value: '15' }
      ]
    }
  }
}

// Deployments sign in with Entra ID; the passwords that every app has otherwise are switched off.
resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource noDeploymentPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

output appId string = app.id
output hostName string = app.properties.defaultHostName
