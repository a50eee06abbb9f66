// Alerts on the registry's topic, beside it, since a metric alert belongs into the subscription of what it watches.

@description('Begins the names of the rules.')
param namePrefix string

@description('Name of the topic in this resource group.')
param topicName string

@description('ARM id of the action group.')
param actionGroupId string

@description('Tags.')
param tags object

var metrics = [
  {
    name: 'dead-letters'
    metric: 'DeadLetteredCount'
    what: 'Events could not be delivered for a day and went to the dead-letter container. docs/operate.md#dead-letters says how to replay them.'
  }
  {
    name: 'dropped-events'
    metric: 'DroppedEventCount'
    what: 'Events could be neither delivered nor kept. docs/operate.md#dead-letters says how to find what they told.'
  }
]

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource rules 'Microsoft.Insights/metricAlerts@2018-03-01' = [for item in metrics: {
  name: '${namePrefix}-${item.name}'
  location: 'global'
  tags: tags
  properties: {
    description: item.what
    severity: 1
    enabled: true
    scopes: [topic.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: item.name
          metricNamespace: 'Microsoft.EventGrid/systemTopics'
          metricName: item.metric
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: [
      {
        actionGroupId: actionGroupId
      }
    ]
  }
}]
