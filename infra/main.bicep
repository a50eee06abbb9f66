// Everything that one mirror of one registry needs. docs/deploy.md describes each parameter, docs/deployed.md draws it.
targetScope = 'subscription'

import { subnetsOf, tagsOf, zoneIdsOf } from 'types.bicep'

@description('Names the deployment. Resource names are derived from it, so the same name updates what is there.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Region of the function app and of its own storage. The registry\'s region keeps copies short and free of egress.')
@minLength(3)
param location string

@description('ARM id of the registry to mirror. It may be in another resource group or subscription of the same tenant.')
@minLength(80)
param registryId string

@description('How the app signs in at the registry: with its identity, or not at all where anyone may pull.')
@allowed(['identity', 'anonymous'])
param registryAuth string = 'identity'

@description('Who may pull from the mirror through the app itself: nobody, who signs in with a pull credential, or everybody who reaches it.')
@allowed(['off', 'credentials', 'anonymous'])
param mirrorServe string = 'credentials'

@description('Audience of the tokens that the registry takes.')
param registryAudience string = 'https://containerregistry.azure.net'

@description('Region of the mirror. Another region than the registry\'s is the point of a mirror: it survives the loss of the registry\'s region. Copies then cross regions, which costs bandwidth and a few milliseconds.')
param mirrorLocation string = location

@description('Redundancy of the mirror within and beyond its region.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS', 'Standard_RAGRS', 'Standard_RAGZRS'])
param mirrorRedundancy string = 'Standard_LRS'

@description('ARM id of a storage account that already holds a mirror: this registry is then mirrored into it as well. Empty makes an account.')
param existingMirrorAccountId string = ''

@description('Keeps the mirror\'s resource group from being deleted: by azd down, by mistake, by a script. Takes the right to make locks (Owner or User Access Administrator). Switching it off does not take a lock away that is there.')
param lockMirror bool = true

@description('Gives the app a role of its own at the mirror, which writes and can\'t delete, instead of Storage Blob Data Contributor. Takes the right to define roles.')
param writeOnlyRole bool = false

@description('Which calls to the mirror\'s storage the workspace keeps: none, deletes, or reads as well.')
@allowed(['none', 'deletes', 'reads'])
param mirrorLogs string = 'deletes'

@description('Container of the mirror.')
@minLength(3)
@maxLength(63)
param mirrorContainer string = 'mirror'

@description('First path components before every repository name in the mirror. Give each registry its own if several share one mirror.')
@maxLength(128)
param mirrorPrefix string = ''

@description('Days for which deleted blobs and containers of the mirror can be recovered.')
@minValue(1)
@maxValue(365)
param softDeleteDays int = 30

@description('Days for which every version in the mirror is immutable; 0 leaves immutability off. It can only be switched on for a new container.')
@minValue(0)
@maxValue(36500)
param immutabilityDays int = 0

@description('Days without a change after which layers and manifests go to the cool tier; 0 is never.')
@minValue(0)
@maxValue(3650)
param coolAfterDays int = 0

@description('Days without a change after which layers and manifests go to the cold tier, above coolAfterDays; 0 is never.')
@minValue(0)
@maxValue(3650)
param coldAfterDays int = 0

@description('Days after which archives that were requested are removed; 0 is never. Of an account that was there before, its owner removes them.')
@minValue(0)
@maxValue(365)
param archiveDays int = 7

@description('Memory of an instance in MB. Processor and bandwidth grow with it.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('How many instances may run at once. Bounds the load on the registry as well as the bill. Some regions may refuse less than 40.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that always wait for events. With 0 the first event after a pause waits for a cold start.')
@minValue(0)
@maxValue(20)
param alwaysReadyEvents int = 1

@description('Instances that always wait for copy jobs. With 0 the first copy after a pause waits for a cold start.')
@minValue(0)
@maxValue(20)
param alwaysReadyJobs int = 1

@description('How a deployment replaces running instances. Recreate ends them at once, and copies resume from what is staged. RollingUpdate, a preview that is not meant for production, lets copies finish for up to an hour.')
@allowed(['Recreate', 'RollingUpdate'])
param siteUpdateStrategy string = 'Recreate'

@description('Copy threads of a process, which its jobs share.')
@minValue(1)
@maxValue(64)
param copyThreads int = 11

@description('Seconds after which a claim on a layer may be taken over if it did not move.')
@minValue(1)
@maxValue(3600)
param claimStaleSeconds int = 60

@description('Seconds for which a 404 of the registry is waited out: replicas lag, and images can be in quarantine.')
@minValue(1)
@maxValue(86400)
param notFoundSeconds int = 1800

@description('Seconds for which every other failure that may go away is waited out.')
@minValue(1)
@maxValue(86400)
param retrySeconds int = 21600

@description('How many seconds old a push is when the registry is asked again, one after the other; the last is how long replicas may lag.')
param recheckSeconds string = '60,600,1800'

@description('Hours between two comparisons of the whole registry with the mirror, which copy what events missed; 0 is never.')
@minValue(0)
@maxValue(720)
param compareHours int = 24

@description('ARM id of a registry that images of the mirror may be restored into; its identity gets the role to push there. Empty for none.')
param restoreTargetId string = ''

@description('Days between two audits, which read again all that is in the mirror; 0 is never.')
@minValue(0)
@maxValue(365)
param auditDays int = 30

@description('Name of the system topic that the registry already has; a registry can have only one. Empty makes it.')
param existingTopicName string = ''

@description('Resource group of that topic.')
param existingTopicResourceGroup string = ''

@description('Repository prefixes whose pushes and deletions are mirrored, and which are compared, such as team/. None means all.')
@maxLength(25)
param repositoryPrefixes string[] = []

@description('Puts the app into a virtual network and storage behind private endpoints.')
param privateNetworking bool = false

@description('Address range of that network; /24 or larger.')
param networkPrefix string = '10.80.0.0/24'

@description('ARM ids of subnets to use in place of a network of its own: app (delegated to Microsoft.App/environments, /26 or larger), endpoints, and serve with the stock registry. All of one network, in the region of the app.')
param subnetIds subnetsOf = {}

@description('Lets calls to the internet leave from one address, which stays, for a registry whose firewall admits addresses by name. Of a network of its own only; what goes through a NAT gateway is billed by the GB.')
param natGateway bool = false

@description('ARM ids of private DNS zones to use in place of zones of its own: blob, queue, table, registry.')
param dnsZoneIds zoneIdsOf = {}

@description('Leaves it to somebody else, such as a policy, to enter the names of private endpoints.')
param dnsByPolicy bool = false

@description('Reaches the registry by a private endpoint, for a registry with public access off (Premium).')
param registryPrivateEndpoint bool = false

@description('Only requests that endpoint, for whoever may not approve it: somebody who may does so at the registry.')
param registryEndpointByHand bool = false

@description('Address ranges that may call the app over HTTP, beside Event Grid. None means everyone who has a key.')
param allowedCallers string[] = []

@description('Runs a stock registry, read-only, on the mirror.')
param serveMirror bool = false

@description('Image of that registry. 3.0.0 does not sign in with managed identities.')
param serveImage string = 'docker.io/library/registry:3.1.2'

@description('Users of that registry: lines of an htpasswd file with bcrypt hashes.')
@secure()
param serveUsers string = ''

@description('Addresses that alerts are sent to. With none the alerts only show in Azure Monitor.')
param alertEmails string[] = []

@description('Minutes from a push to its image in the mirror, beyond which an alert is raised.')
@minValue(1)
@maxValue(1440)
param lagMinutes int = 15

@description('Hours without any event beyond which an alert is raised; 0 compares with what is usual instead.')
@minValue(0)
@maxValue(48)
param quietHours int = 0

@description('Minutes for which the next message of a queue may wait before an alert is raised. A message that was sent with a delay waits for that, too.')
@minValue(10)
@maxValue(1440)
param waitMinutes int = 60

@description('Messages in the queue of comparisons, and of what they request, that may be there for two hours before an alert is raised.')
@minValue(0)
@maxValue(1000000)
param backfillMessages int = 1000

@description('Hours since the last complete comparison of everything beyond which an alert is raised; 0 is two periods of compareHours and an hour.')
@minValue(0)
@maxValue(1440)
param comparedHours int = 0

@description('Pushes in a quarter of an hour that may end without their image in the mirror, for each cause, before an alert is raised.')
@minValue(0)
@maxValue(1000)
param lostPushes int = 0

@description('Runs of functions in a quarter of an hour that may end in an exception before an alert is raised.')
@minValue(0)
@maxValue(1000)
param failedRuns int = 5

@description('Runs in a quarter of an hour that may end in another attempt, for each cause, before an alert is raised.')
@minValue(0)
@maxValue(10000)
param retriedRuns int = 20

@description('Deliveries of events in a quarter of an hour that may fail before an alert is raised.')
@minValue(0)
@maxValue(10000)
param deliveryFailures int = 5

@description('Seconds between two questions to /api/live from each of three places in the world, beyond whose failure an alert is raised; 0 asks nothing.')
@allowed([0, 300, 600, 900])
param liveSeconds int = 900

@description('ARM id of a Log Analytics workspace to use in place of one of its own. It keeps what comes in for as long as it is set to.')
param existingWorkspaceId string = ''

@description('Days for which the workspace keeps what comes in. The tables of Application Insights keep 90 days at least.')
@minValue(30)
@maxValue(730)
param telemetryDays int = 30

@description('Tags for every resource.')
param tags tagsOf = {}

var allTags = union(tags, { 'azd-env-name': environmentName })
// 'West Europe' and 'westeurope' are one region, and must not come to two deployments.
var region = toLower(replace(location, ' ', ''))
var mirrorRegion = toLower(replace(mirrorLocation, ' ', ''))
var token = toLower(uniqueString(subscription().id, environmentName, region))
// A Container Apps environment keeps its region and its kind of network: with others it is another one.
var serveRegion = privateNetworking ? region : mirrorRegion
var serveToken = toLower(uniqueString(token, serveRegion, privateNetworking ? 'private' : 'public'))
var registryParts = split(registryId, '/')
var registrySubscription = registryParts[2]
var registryResourceGroup = registryParts[4]
var registryName = registryParts[8]
var restores = !empty(restoreTargetId)
var targetParts = split(restores ? restoreTargetId : registryId, '/')
var ownsMirror = empty(existingMirrorAccountId)
var mirrorParts = split(existingMirrorAccountId, '/')
var mirrorSubscription = ownsMirror ? subscription().subscriptionId : mirrorParts[2]
// A group of its own: a deployment goes with its group, and the mirror stays.
var mirrorResourceGroup = ownsMirror ? 'rg-${environmentName}-mirror' : mirrorParts[4]
var mirrorAccount = ownsMirror ? 'stmirror${token}' : last(mirrorParts)
var hostAccount = 'sthost${token}'
var appName = 'func-mirror-${token}'
var ownsTopic = empty(existingTopicName)
var topicName = ownsTopic ? 'evgt-${registryName}' : existingTopicName
var topicResourceGroup = ownsTopic ? registryResourceGroup : existingTopicResourceGroup
var needsNetwork = privateNetworking || registryPrivateEndpoint || natGateway || !empty(subnetIds)

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: region
  tags: allTags
}

// Without azd's tag: by that tag azd finds what it may deploy to and delete.
resource mirrorGroup 'Microsoft.Resources/resourceGroups@2025-04-01' = if (ownsMirror) {
  name: mirrorResourceGroup
  location: mirrorRegion
  tags: tags
}

module registry 'modules/registry.bicep' = {
  name: 'registry-${token}'
  scope: resourceGroup(registrySubscription, registryResourceGroup)
  params: {
    registryName: registryName
  }
}

module identity 'modules/identity.bicep' = {
  name: 'identity-${token}'
  scope: group
  params: {
    name: 'id-mirror-${token}'
    location: region
    tags: allTags
  }
}

module registryRoles 'modules/registry-roles.bicep' = if (registryAuth == 'identity') {
  name: 'registry-roles-${token}'
  scope: resourceGroup(registrySubscription, registryResourceGroup)
  params: {
    registryName: registryName
    abac: registry.outputs.abac
    principalId: identity.outputs.principalId
  }
}

module restoreTarget 'modules/registry.bicep' = if (restores) {
  name: 'restore-target-${token}'
  scope: resourceGroup(targetParts[2], targetParts[4])
  params: {
    registryName: targetParts[8]
  }
}

module restoreRole 'modules/restore-role.bicep' = if (restores) {
  name: 'restore-role-${token}'
  scope: resourceGroup(targetParts[2], targetParts[4])
  params: {
    registryName: targetParts[8]
    abac: restoreTarget.?outputs.abac ?? false
    principalId: identity.outputs.principalId
  }
}

module hostStorage 'modules/host-storage.bicep' = {
  name: 'host-storage-${token}'
  scope: group
  params: {
    accountName: hostAccount
    location: region
    private: privateNetworking
    principalId: identity.outputs.principalId
    tags: allTags
  }
}

// Beside the mirror's own: what is in it may be removed.
var archivesContainer = 'archives'

module mirrorStorage 'modules/mirror-storage.bicep' = if (ownsMirror) {
  name: 'mirror-storage-${token}'
  scope: resourceGroup(mirrorResourceGroup)
  params: {
    accountName: mirrorAccount
    containerName: mirrorContainer
    location: mirrorRegion
    redundancy: mirrorRedundancy
    private: privateNetworking
    softDeleteDays: softDeleteDays
    immutabilityDays: immutabilityDays
    coolAfterDays: coolAfterDays
    coldAfterDays: coldAfterDays
    archivesContainer: archivesContainer
    archiveDays: archiveDays
    locked: lockMirror
    tags: tags
  }
  dependsOn: [mirrorGroup]
}

module mirrorRoles 'modules/mirror-roles.bicep' = {
  name: 'mirror-roles-${token}'
  scope: resourceGroup(mirrorSubscription, mirrorResourceGroup)
  params: {
    accountName: mirrorAccount
    containerName: mirrorContainer
    archivesContainer: archivesContainer
    writeOnly: writeOnlyRole
    principalId: identity.outputs.principalId
  }
  dependsOn: [mirrorStorage]
}

var mirrorAccountId = ownsMirror ? mirrorStorage.?outputs.accountId ?? '' : existingMirrorAccountId

module private 'modules/private.bicep' = if (needsNetwork) {
  name: 'private-${token}'
  scope: group
  params: {
    name: 'vnet-mirror-${token}'
    location: region
    prefix: networkPrefix
    subnets: subnetIds
    natGateway: natGateway
    zoneIds: dnsZoneIds
    namesByPolicy: dnsByPolicy
    accounts: privateNetworking
    hostAccountId: hostStorage.outputs.accountId
    mirrorAccountId: mirrorAccountId
    registryId: registryPrivateEndpoint ? registryId : ''
    registryApprovedByHand: registryEndpointByHand
    tags: allTags
  }
}

module telemetry 'modules/telemetry.bicep' = {
  name: 'telemetry-${token}'
  scope: group
  params: {
    existingWorkspaceId: existingWorkspaceId
    workspaceName: 'log-mirror-${token}'
    componentName: 'appi-mirror-${token}'
    location: region
    retentionDays: telemetryDays
    workbookTitle: 'Mirror of ${registryName}'
    principalId: identity.outputs.principalId
    tags: allTags
  }
}

module functions 'modules/functions.bicep' = {
  name: 'functions-${token}'
  scope: group
  params: {
    appName: appName
    planName: 'plan-mirror-${token}'
    location: region
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    hostAccount: hostAccount
    packageContainer: hostStorage.outputs.packageContainer
    connectionString: telemetry.outputs.connectionString
    registryLoginServer: registry.outputs.loginServer
    registryId: registryId
    registryAuth: registryAuth
    registryAudience: registryAudience
    registryRegion: registry.outputs.location
    mirrorRegion: ownsMirror ? mirrorRegion : mirrorRoles.outputs.location
    mirrorRedundancy: ownsMirror ? mirrorRedundancy : mirrorRoles.outputs.redundancy
    mirrorBlobEndpoint: 'https://${mirrorAccount}.blob.${environment().suffixes.storage}'
    mirrorContainer: mirrorContainer
    archivesContainer: archivesContainer
    mirrorPrefix: mirrorPrefix
    jobsTable: hostStorage.outputs.jobsTable
    copyThreads: copyThreads
    claimStaleSeconds: claimStaleSeconds
    notFoundSeconds: notFoundSeconds
    retrySeconds: retrySeconds
    recheckSeconds: recheckSeconds
    compareHours: compareHours
    repositoryPrefixes: repositoryPrefixes
    mirrorServe: mirrorServe
    restoreTargets: restoreTarget.?outputs.loginServer ?? ''
    auditDays: auditDays
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyEvents: alwaysReadyEvents
    alwaysReadyJobs: alwaysReadyJobs
    siteUpdateStrategy: siteUpdateStrategy
    subnetId: needsNetwork ? private.?outputs.appSubnetId ?? '' : ''
    allowedCallers: allowedCallers
    isAskedWhetherItLives: liveSeconds > 0
    tags: allTags
  }
  dependsOn: [mirrorRoles, registryRoles, restoreRole]
}

module events 'modules/events.bicep' = {
  name: 'events-${token}'
  scope: group
  params: {
    registryId: registryId
    registryLocation: registry.outputs.location
    topicName: topicName
    topicResourceGroup: topicResourceGroup
    makesTopic: ownsTopic
    hostAccount: hostAccount
    deadLetterContainer: hostStorage.outputs.deadLetterContainer
    tags: allTags
  }
}

module topicLogs 'modules/topic-logs.bicep' = if (ownsTopic) {
  name: 'topic-logs-${token}'
  scope: resourceGroup(registrySubscription, topicResourceGroup)
  params: {
    topicName: topicName
    workspaceId: telemetry.outputs.workspaceId
  }
  dependsOn: [events]
}

module logsOfMirror 'modules/mirror-logs.bicep' = if (ownsMirror && mirrorLogs != 'none') {
  name: 'mirror-logs-${token}'
  scope: resourceGroup(mirrorResourceGroup)
  params: {
    accountName: mirrorAccount
    kept: mirrorLogs == 'reads' ? 'reads' : 'deletes'
    workspaceId: telemetry.outputs.workspaceId
  }
  dependsOn: [mirrorStorage]
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts-${token}'
  scope: group
  params: {
    namePrefix: 'mirror-${token}'
    location: region
    workspaceId: telemetry.outputs.workspaceId
    topicName: topicName
    topicSubscription: registrySubscription
    topicResourceGroup: topicResourceGroup
    appName: appName
    emails: alertEmails
    limits: {
      lagMinutes: lagMinutes
      quietHours: quietHours
      comparedHours: comparedHours
      waitMinutes: waitMinutes
      backfillMessages: backfillMessages
      lostPushes: lostPushes
      failedRuns: failedRuns
      retriedRuns: retriedRuns
      deliveryFailures: deliveryFailures
    }
    compareHours: compareHours
    auditDays: auditDays
    tags: allTags
  }
  dependsOn: [events]
}

module availability 'modules/availability.bicep' = if (liveSeconds > 0) {
  name: 'availability-${token}'
  scope: group
  params: {
    name: 'mirror-${token}-live'
    location: region
    componentId: telemetry.outputs.componentId
    hostName: functions.outputs.hostName
    everySeconds: liveSeconds
    actionGroupId: alerts.outputs.actionGroupId
    tags: allTags
  }
}

module serve 'modules/serve.bicep' = if (serveMirror) {
  name: 'serve-${token}'
  scope: group
  params: {
    name: 'ca-mirror-${serveToken}'
    location: serveRegion
    identityName: 'id-serve-${serveToken}'
    mirrorSubscription: mirrorSubscription
    mirrorResourceGroup: mirrorResourceGroup
    mirrorAccount: mirrorAccount
    mirrorContainer: mirrorContainer
    image: serveImage
    users: serveUsers
    redirect: !privateNetworking
    subnetId: privateNetworking ? private.?outputs.serveSubnetId ?? '' : ''
    tags: allTags
  }
  dependsOn: [mirrorStorage]
}

// What the hooks and docs/troubleshooting.md read.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_SUBSCRIPTION_ID string = subscription().subscriptionId
output MIRROR_FUNCTION_APP string = appName
output MIRROR_FUNCTION_APP_ID string = functions.outputs.appId
output MIRROR_APP_URL string = 'https://${functions.outputs.hostName}'
output MIRROR_BLOB_ENDPOINT string = 'https://${mirrorAccount}.blob.${environment().suffixes.storage}'
output MIRROR_RESOURCE_GROUP string = mirrorResourceGroup
output MIRROR_SUBSCRIPTION_ID string = mirrorSubscription
output MIRROR_CONTAINER string = mirrorContainer
output MIRROR_HOST_ACCOUNT_ID string = hostStorage.outputs.accountId
output MIRROR_DEAD_LETTER_CONTAINER string = hostStorage.outputs.deadLetterContainer
output MIRROR_TOPIC_NAME string = topicName
output MIRROR_TOPIC_RESOURCE_GROUP string = topicResourceGroup
output MIRROR_TOPIC_SUBSCRIPTION_ID string = registrySubscription
output MIRROR_REPOSITORY_PREFIXES string[] = repositoryPrefixes
@description('Where calls to the internet come from, with a NAT gateway: what the registry\'s firewall has to admit.')
output MIRROR_OUTGOING_ADDRESS string = needsNetwork ? private.?outputs.outgoingAddress ?? '' : ''
output MIRROR_SERVED_AT string = serveMirror ? serve.?outputs.url ?? '' : ''
