// Everything that can be switched on, and every value another one than by default.
using '../main.bicep'

param environmentName = 'check'
param location = 'westeurope'
param registryId = '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-images/providers/Microsoft.ContainerRegistry/registries/demo'
param registryAudience = 'https://registry.example'
param mirrorLocation = 'northeurope'
param mirrorRedundancy = 'Standard_GRS'
param lockMirror = false
param mirrorLogs = 'reads'
param mirrorPrefix = 'demo'
param softDeleteDays = 14
param immutabilityDays = 90
param coolAfterDays = 30
param coldAfterDays = 90
param archiveDays = 3
param instanceMemoryMB = 4096
param maximumInstanceCount = 7
param alwaysReadyEvents = 2
param alwaysReadyJobs = 3
param siteUpdateStrategy = 'RollingUpdate'
param copyThreads = 9
param claimStaleSeconds = 77
param notFoundSeconds = 78
param retrySeconds = 79
param recheckSeconds = '80,81'
param compareHours = 6
param mirrorServe = 'anonymous'
param restoreTargetId = '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-spare/providers/Microsoft.ContainerRegistry/registries/spare'
param auditDays = 7
param repositoryPrefixes = ['team/', 'base/']
param privateNetworking = true
param networkPrefix = '10.9.8.0/24'
param natGateway = true
param registryPrivateEndpoint = true
param allowedCallers = ['192.0.2.0/24', '198.51.100.7/32']
param serveMirror = true
param serveUsers = 'reader:$2y$05$hash'
param alertEmails = ['one@example.com', 'two@example.com']
param lagMinutes = 23
param quietHours = 5
param waitMinutes = 70
param backfillMessages = 71
param comparedHours = 72
param lostPushes = 73
param failedRuns = 74
param retriedRuns = 75
param deliveryFailures = 76
param liveSeconds = 300
param telemetryDays = 60
param tags = {
  owner: 'platform'
}
