// What somebody should be told of. docs/operate.md says for each what to do.

@description('Begins the names of the rules.')
param namePrefix string

@description('Region of the workspace.')
param location string

@description('ARM id of the workspace.')
param workspaceId string

@description('The app\'s own account in this resource group.')
param hostAccount string

@description('Name of the app, by which it is known in telemetry.')
param appName string

@description('Who is told.')
param emails array

@description('Minutes that a push may take to arrive.')
param lagMinutes int

@description('Hours that may pass without an event; 0 compares with what is usual.')
param quietHours int

@description('Tags.')
param tags object

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${namePrefix}-people'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'mirror'
    enabled: true
    emailReceivers: [for (email, index) in emails: {
      name: 'person-${index}'
      emailAddress: email
      useCommonAlertSchema: true
    }]
  }
}

var deadJobs = replace(loadTextContent('../alerts/dead-jobs.kql'), '{app}', appName)
var failingRuns = replace(loadTextContent('../alerts/failing-runs.kql'), '{app}', appName)
var latePushes = replace(replace(loadTextContent('../alerts/late-pushes.kql'), '{app}', appName), '{minutes}', string(lagMinutes))
var failedJobs = replace(loadTextContent('../alerts/failed-jobs.kql'), '{app}', appName)
var retries = replace(loadTextContent('../alerts/retries.kql'), '{app}', appName)
var quiet = replace(replace(loadTextContent('../alerts/quiet.kql'), '{app}', appName), '{hours}', string(quietHours))

resource deadJob 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${namePrefix}-dead-job'
  location: location
  kind: 'LogAlert'
  tags: tags
  properties: {
    displayName: 'A copy job crashed its worker too often'
    description: 'Its message came to the poison queue. Its record says what was asked; docs/operate.md#a-job-is-dead says what to do.'
    severity: 1
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    autoMitigate: true
    // The tables appear with the first telemetry, after this.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: deadJobs
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
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

resource failing 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${namePrefix}-failing-runs'
  location: location
  kind: 'LogAlert'
  tags: tags
  properties: {
    displayName: 'Functions of the mirror fail'
    description: 'Runs end in an exception, so the platform repeats them. docs/operate.md#functions-fail says what to do.'
    severity: 2
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    autoMitigate: true
    // The tables appear with the first telemetry, after this.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: failingRuns
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 5
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

resource late 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${namePrefix}-late-pushes'
  location: location
  kind: 'LogAlert'
  tags: tags
  properties: {
    displayName: 'Pushes arrive late in the mirror'
    description: 'From push to mirror took longer than the deployment allows. docs/operate.md#pushes-are-late says what to do.'
    severity: 2
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    autoMitigate: true
    // The tables appear with the first telemetry, after this.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: latePushes
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
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

resource failed 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${namePrefix}-failed-jobs'
  location: location
  kind: 'LogAlert'
  tags: tags
  properties: {
    displayName: 'Copy jobs fail'
    description: 'Jobs ended as failed; an alert for each cause. docs/operate.md#jobs-fail says what to do.'
    severity: 2
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    autoMitigate: true
    // The tables appear with the first telemetry, after this.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: failedJobs
          metricMeasureColumn: 'jobs'
          dimensions: [
            {
              name: 'cause'
              operator: 'Include'
              values: ['*']
            }
          ]
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
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

resource retrying 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${namePrefix}-retries'
  location: location
  kind: 'LogAlert'
  tags: tags
  properties: {
    displayName: 'Copy jobs are tried again and again'
    description: 'Runs end in another attempt; an alert for each cause. docs/operate.md#jobs-fail says what to do.'
    severity: 2
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    autoMitigate: true
    // The tables appear with the first telemetry, after this.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: retries
          metricMeasureColumn: 'runs'
          dimensions: [
            {
              name: 'cause'
              operator: 'Include'
              values: ['*']
            }
          ]
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 20
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

resource silence 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${namePrefix}-quiet'
  location: location
  kind: 'LogAlert'
  tags: tags
  properties: {
    displayName: 'No event for longer than usual'
    description: 'Nothing is pushed, or events no longer arrive. docs/operate.md#no-events says how to tell.'
    severity: 3
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT1H'
    windowSize: 'PT1H'
    overrideQueryTimeRange: 'P2D'
    autoMitigate: true
    // The tables appear with the first telemetry, after this.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: quiet
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
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

// The only one that also tells when the app itself is dead. Storage measures queues once an hour.
resource backlog 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${namePrefix}-backlog'
  location: 'global'
  tags: tags
  properties: {
    description: 'Messages pile up in the app\'s queues. docs/operate.md#jobs-pile-up says what to do.'
    severity: 2
    enabled: true
    scopes: [resourceId('Microsoft.Storage/storageAccounts/queueServices', hostAccount, 'default')]
    evaluationFrequency: 'PT1H'
    windowSize: 'PT1H'
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

output actionGroupId string = people.id
