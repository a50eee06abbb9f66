// Whether the app answers at all: three places in the world ask it, and somebody is told where two of them get no answer.
import { tagsOf } from '../types.bicep'

@description('Name of the test, and of its alert.')
param name string

@description('Region of the component.')
param location string

@description('ARM id of the Application Insights component that takes the results.')
param componentId string

@description('Host name of the app.')
param hostName string

@description('Seconds between two questions from one place: 300, 600 or 900.')
param everySeconds int

@description('ARM id of the action group.')
param actionGroupId string

@description('Tags.')
param tags tagsOf

// Amsterdam, Virginia, Singapore.
var places = ['emea-nl-ams-azr', 'us-va-ash-azr', 'apac-sg-sin-azr']

resource test 'Microsoft.Insights/webtests@2022-06-15' = {
  name: name
  location: location
  kind: 'standard'
  // By this tag the portal finds the test at its component.
  tags: union(tags, { 'hidden-link:${componentId}': 'Resource' })
  properties: {
    SyntheticMonitorId: name
    Name: name
    Enabled: true
    Kind: 'standard'
    Frequency: everySeconds
    // A first answer after a pause takes a cold start.
    Timeout: 60
    RetryEnabled: true
    Locations: [
      for place in places: {
        Id: place
      }
    ]
    Request: {
      RequestUrl: 'https://${hostName}/api/live'
      HttpVerb: 'GET'
      FollowRedirects: false
      ParseDependentRequests: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}

resource rule 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    description: 'The app does not answer. docs/troubleshooting.md#the-app-does-not-answer says what to do.'
    severity: 1
    enabled: true
    scopes: [test.id, componentId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: test.id
      componentId: componentId
      failedLocationCount: 2
    }
    actions: [
      {
        actionGroupId: actionGroupId
      }
    ]
  }
}
