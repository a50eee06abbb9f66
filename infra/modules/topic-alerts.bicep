// Alerts on the registry's topic, beside it, since a metric alert belongs into the subscription of what it watches.
import { tagsOf } from '../types.bicep'

@description('Begins the names of the rules.')
param namePrefix string

@description('Name of the topic in this resource group.')
param topicName string

@description('Name of the app\'s event subscription: others to the same topic are not watched.')
param subscriptionName string

@description('Failed deliveries in a quarter of an hour beyond which somebody is told.')
param deliveryFailures int

@description('ARM id of the action group.')
param actionGroupId string

@description('Tags.')
param tags tagsOf

var metrics = [
  {
    name: 'delivery-failures'
    metric: 'DeliveryAttemptFailCount'
    threshold: deliveryFailures
    every: 'PT15M'
    what: 'Event Grid can\'t hand events to the app, and tries again for a day. docs/troubleshooting.md#events-are-not-delivered says what to do.'
  }
  {
    name: 'dead-letters'
    metric: 'DeadLetteredCount'
    threshold: 0
    every: 'PT5M'
    what: 'Events could not be delivered for a day and went to the dead-letter container. docs/troubleshooting.md#dead-letters says how to replay them.'
  }
  {
    name: 'dropped-events'
    metric: 'DroppedEventCount'
    threshold: 0
    every: 'PT5M'
    what: 'Events could be neither delivered nor kept. docs/troubleshooting.md#dead-letters says how to find what they told.'
  }
]

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource rules 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for item in metrics: {
    name: '${namePrefix}-${item.name}'
    location: 'global'
    tags: tags
    properties: {
      description: item.what
      severity: 1
      enabled: true
      scopes: [topic.id]
      evaluationFrequency: item.every
      windowSize: item.every
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: item.name
            metricNamespace: 'Microsoft.EventGrid/systemTopics'
            metricName: item.metric
            dimensions: [
              {
                name: 'EventSubscriptionName'
                operator: 'Include'
                values: [subscriptionName]
              }
            ]
            timeAggregation: 'Total'
            operator: 'GreaterThan'
            threshold: item.threshold
          }
        ]
      }
      actions: [
        {
          actionGroupId: actionGroupId
        }
      ]
    }
  }
]
