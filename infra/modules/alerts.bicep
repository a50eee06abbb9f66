// What somebody should be told of. docs/operate.md says for each what to do.
import { tagsOf } from '../types.bicep'

@description('Begins the names of the rules.')
param namePrefix string

@description('Region of the workspace.')
param location string

@description('ARM id of the workspace.')
param workspaceId string

@description('The app\'s own account in this resource group.')
param hostAccount string

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

@description('Minutes that a push may take to arrive.')
param lagMinutes int

@description('Hours that may pass without an event; 0 compares with what is usual.')
param quietHours int

@description('Hours between two comparisons of everything; 0 is never, and then nobody is told of their age.')
param compareHours int

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

// `column` is what is summed up, for each `cause` apart; without one, rows are counted.
var logAlerts = [
  {
    name: 'dead-job'
    displayName: 'A copy job crashed its worker too often'
    description: 'Its message came to the poison queue. Its record says what was asked; docs/operate.md#a-job-is-dead says what to do.'
    query: loadTextContent('../alerts/dead-jobs.kql')
    column: ''
    threshold: 0
    severity: 1
    every: 'PT5M'
  }
  {
    name: 'failing-runs'
    displayName: 'Functions of the mirror fail'
    description: 'Runs end in an exception, so the platform repeats them. docs/operate.md#functions-fail says what to do.'
    query: loadTextContent('../alerts/failing-runs.kql')
    column: ''
    threshold: 5
    severity: 2
    every: 'PT15M'
  }
  {
    name: 'late-pushes'
    displayName: 'Pushes arrive late in the mirror'
    description: 'From push to mirror took longer than the deployment allows. docs/operate.md#pushes-are-late says what to do.'
    query: loadTextContent('../alerts/late-pushes.kql')
    column: ''
    threshold: 0
    severity: 2
    every: 'PT15M'
  }
  {
    name: 'failed-jobs'
    displayName: 'Copy jobs fail'
    description: 'Jobs ended as failed; an alert for each cause. docs/operate.md#jobs-fail says what to do.'
    query: loadTextContent('../alerts/failed-jobs.kql')
    column: 'jobs'
    threshold: 0
    severity: 2
    every: 'PT15M'
  }
  {
    name: 'retries'
    displayName: 'Copy jobs are tried again and again'
    description: 'Runs end in another attempt; an alert for each cause. docs/operate.md#jobs-fail says what to do.'
    query: loadTextContent('../alerts/retries.kql')
    column: 'runs'
    threshold: 20
    severity: 2
    every: 'PT15M'
  }
  {
    name: 'lost-pushes'
    displayName: 'A push was gone before it was in the mirror'
    description: 'Its image was no longer at the registry when it was to be copied. docs/operate.md#a-push-is-lost says what to do.'
    query: loadTextContent('../alerts/lost-pushes.kql')
    column: ''
    threshold: 0
    severity: 1
    every: 'PT15M'
  }
  {
    name: 'refused-events'
    displayName: 'Events are refused'
    description: 'Events are of another registry than the settings name, or can not be read; an alert for each cause. docs/operate.md#events-are-refused says what to do.'
    query: loadTextContent('../alerts/refused-events.kql')
    column: 'events'
    threshold: 0
    severity: 1
    every: 'PT15M'
  }
  {
    name: 'quiet'
    displayName: 'No event for longer than usual'
    description: 'Nothing is pushed, or events no longer arrive. docs/operate.md#no-events says how to tell.'
    query: loadTextContent('../alerts/quiet.kql')
    column: ''
    threshold: 0
    severity: 3
    every: 'PT1H'
  }
  {
    name: 'not-compared'
    displayName: 'The registry and the mirror were not compared for too long'
    description: 'What events missed is not found meanwhile. docs/operate.md#not-compared says what to do.'
    query: loadTextContent('../alerts/not-compared.kql')
    column: ''
    threshold: 0
    severity: 2
    every: 'PT1H'
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
      enabled: alert.name != 'not-compared' || compareHours > 0
      scopes: [workspaceId]
      evaluationFrequency: alert.every
      windowSize: alert.every
      // What is usual shows in days.
      overrideQueryTimeRange: contains(['quiet', 'not-compared'], alert.name) ? 'P2D' : null
      autoMitigate: true
      // A new workspace has a table once its first row has come: Azure would refuse the rule, and with it the first
      // deployment. What Azure would check, the tests check of each query, by Kusto's own language service.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: replace(
              replace(
                replace(replace(alert.query, '{app}', appName), '{minutes}', string(lagMinutes)),
                '{hours}',
                string(quietHours)
              ),
              '{period}',
              string(compareHours)
            )
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

// Storage measures its queues rarely, some accounts once in a day: a shorter window could be empty. Whether the app is
// dead is told much earlier, by events that its topic can't deliver.
resource backlog 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: '${namePrefix}-backlog'
  location: 'global'
  tags: tags
  properties: {
    description: 'Messages pile up in the app\'s queues. docs/operate.md#jobs-pile-up says what to do.'
    severity: 2
    enabled: true
    scopes: [resourceId('Microsoft.Storage/storageAccounts/queueServices', hostAccount, 'default')]
    evaluationFrequency: 'PT1H'
    windowSize: 'P1D'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'messages'
          metricNamespace: 'Microsoft.Storage/storageAccounts/queueServices'
          metricName: 'QueueMessageCount'
          timeAggregation: 'Average'
          operator: 'GreaterThan'
          threshold: 1000
        }
      ]
    }
    actions: [
      {
        actionGroupId: people.id
      }
    ]
  }
}

module onTopic 'topic-alerts.bicep' = {
  name: '${namePrefix}-topic-alerts'
  scope: resourceGroup(topicSubscription, topicResourceGroup)
  params: {
    namePrefix: namePrefix
    topicName: topicName
    subscriptionName: appName
    actionGroupId: people.id
    tags: tags
  }
}
