// What somebody should be told of. docs/troubleshooting.md says for each what to do.
import { limitsOf, tagsOf } from '../types.bicep'

@description('Begins the names of the rules.')
param namePrefix string

@description('Region of the workspace.')
param location string

@description('ARM id of the workspace.')
param workspaceId string

@description('Name of the registry\'s topic.')
param topicName string

@description('Subscription of the topic.')
param topicSubscription string

@description('Resource group of the topic.')
param topicResourceGroup string

@description('Name of the app, by which it is known in telemetry.')
param appName string

@description('Who is told.')
param emails string[]

@description('Beyond what somebody is told.')
param limits limitsOf

@description('Hours between two comparisons of everything; 0 is never, and then nobody is told of their age.')
param compareHours int

@description('Days between two audits; 0 is never, and then nobody is told of their age.')
param auditDays int

@description('Tags.')
param tags tagsOf

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${namePrefix}-people'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'mirror'
    enabled: true
    emailReceivers: [
      for (email, index) in emails: {
        name: 'person-${index}'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

var comparedHours = limits.comparedHours > 0 ? limits.comparedHours : 2 * compareHours + 1
// `column` is what is summed up, for each `cause` apart; without one, rows are counted. `window` is how far back it looks.
var logAlerts = [
  {
    name: 'dead-job'
    displayName: 'The platform gave up on a copy job'
    description: 'Its message came to the poison queue: it crashed its worker too often, or can not be read. Its record says what was asked; docs/troubleshooting.md#a-job-is-dead says what to do.'
    query: loadTextContent('../alerts/dead-jobs.kql')
    column: ''
    threshold: 0
    severity: 1
    every: 'PT5M'
    window: 'PT5M'
  }
  {
    name: 'failing-runs'
    displayName: 'Functions of the mirror fail'
    description: 'Runs end in an exception, so the platform repeats them. docs/troubleshooting.md#functions-fail says what to do.'
    query: loadTextContent('../alerts/failing-runs.kql')
    column: ''
    threshold: limits.failedRuns
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
  }
  {
    name: 'late-pushes'
    displayName: 'Pushes arrive late in the mirror'
    description: 'From push to mirror took longer than the deployment allows. docs/troubleshooting.md#pushes-are-late says what to do.'
    query: replace(loadTextContent('../alerts/late-pushes.kql'), '{minutes}', string(limits.lagMinutes))
    column: ''
    threshold: 0
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
  }
  {
    name: 'failed-jobs'
    displayName: 'Copy jobs fail'
    description: 'Jobs other than pushes ended as failed; an alert for each cause. docs/troubleshooting.md#jobs-fail says what to do.'
    query: loadTextContent('../alerts/failed-jobs.kql')
    column: 'jobs'
    threshold: 0
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
  }
  {
    name: 'retries'
    displayName: 'Copy jobs are tried again and again'
    description: 'Runs end in another attempt; an alert for each cause. docs/troubleshooting.md#jobs-fail says what to do.'
    query: loadTextContent('../alerts/retries.kql')
    column: 'runs'
    threshold: limits.retriedRuns
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
  }
  {
    name: 'lost-pushes'
    displayName: 'A push ended without its image in the mirror'
    description: 'It was gone at the registry before it was copied, or its job failed for good; an alert for each cause. docs/troubleshooting.md#a-push-is-lost says what to do.'
    query: loadTextContent('../alerts/lost-pushes.kql')
    column: 'pushes'
    threshold: limits.lostPushes
    severity: 1
    every: 'PT15M'
    window: 'PT15M'
  }
  {
    name: 'refused-events'
    displayName: 'Events are refused'
    description: 'Events are of another registry than the settings name, or can not be read; an alert for each cause. docs/troubleshooting.md#events-are-refused says what to do.'
    query: loadTextContent('../alerts/refused-events.kql')
    column: 'events'
    threshold: 0
    severity: 1
    every: 'PT15M'
    window: 'PT15M'
  }
  {
    name: 'quiet'
    displayName: 'No event for longer than usual'
    description: 'Nothing is pushed, or events no longer arrive. docs/troubleshooting.md#no-events says how to tell.'
    query: replace(loadTextContent('../alerts/quiet.kql'), '{hours}', string(limits.quietHours))
    column: ''
    threshold: 0
    severity: 3
    every: 'PT1H'
    window: 'P2D'
  }
  {
    name: 'not-compared'
    displayName: 'The registry and the mirror were not compared for too long'
    description: 'What events missed is not found meanwhile. docs/troubleshooting.md#not-compared says what to do.'
    query: replace(loadTextContent('../alerts/not-compared.kql'), '{limit}', string(comparedHours))
    column: ''
    threshold: 0
    severity: 2
    every: 'PT1H'
    window: 'P2D'
  }
  {
    name: 'not-proven'
    displayName: 'What is in the mirror is damaged, or was not audited for too long'
    description: 'Something in the mirror is damaged or missing, could not be read, or was not read again in time. docs/troubleshooting.md#not-proven says what to do.'
    query: replace(loadTextContent('../alerts/not-proven.kql'), '{days}', string(2 * auditDays + 1))
    column: ''
    threshold: 0
    severity: 1
    every: 'PT1H'
    window: 'P2D'
  }
  {
    name: 'backlog'
    displayName: 'Jobs wait for too long'
    description: 'The next message of a queue is not taken; an alert for each queue. docs/troubleshooting.md#jobs-pile-up says what to do.'
    query: replace(loadTextContent('../alerts/backlog.kql'), '{minutes}', string(limits.waitMinutes))
    column: 'looks'
    threshold: 0
    severity: 2
    every: 'PT15M'
    window: 'PT30M'
  }
  {
    name: 'backfill'
    displayName: 'Too much waits in the queue of comparisons'
    description: 'What comparisons request is not done in time. docs/troubleshooting.md#jobs-pile-up says what to do.'
    query: replace(loadTextContent('../alerts/backfill.kql'), '{messages}', string(limits.backfillMessages))
    column: ''
    threshold: 0
    severity: 3
    every: 'PT1H'
    window: 'PT2H'
  }
]
var byCause = [
  {
    name: 'cause'
    operator: 'Include'
    values: ['*']
  }
]

resource rules 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alert in logAlerts: {
    name: '${namePrefix}-${alert.name}'
    location: location
    kind: 'LogAlert'
    tags: tags
    properties: {
      displayName: alert.displayName
      description: alert.description
      severity: alert.severity
      enabled: alert.name == 'not-compared' ? compareHours > 0 : alert.name == 'not-proven' ? auditDays > 0 : true
      scopes: [workspaceId]
      evaluationFrequency: alert.every
      windowSize: alert.window == 'P2D' ? alert.every : alert.window
      // What is usual shows in days.
      overrideQueryTimeRange: alert.window == 'P2D' ? alert.window : null
      autoMitigate: true
      // A new workspace has a table once its first row has come: Azure would refuse the rule, and with it the first
      // deployment. What Azure would check, the tests check of each query, by Kusto's own language service.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: replace(alert.query, '{app}', appName)
            metricMeasureColumn: empty(alert.column) ? null : alert.column
            dimensions: empty(alert.column) ? [] : byCause
            timeAggregation: empty(alert.column) ? 'Count' : 'Total'
            operator: 'GreaterThan'
            threshold: alert.threshold
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: [people.id]
      }
    }
  }
]

module onTopic 'topic-alerts.bicep' = {
  name: '${namePrefix}-topic-alerts'
  scope: resourceGroup(topicSubscription, topicResourceGroup)
  params: {
    namePrefix: namePrefix
    topicName: topicName
    subscriptionName: appName
    deliveryFailures: limits.deliveryFailures
    actionGroupId: people.id
    tags: tags
  }
}

output actionGroupId string = people.id
