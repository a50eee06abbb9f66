// Where the app's telemetry goes, signed in with its identity.
import { tagsOf } from '../types.bicep'

@description('ARM id of a workspace that is there already, in any resource group. Empty makes one.')
param existingWorkspaceId string

@description('Name of the workspace that is made.')
param workspaceName string

@description('Name of the component.')
param componentName string

@description('Region.')
param location string

@description('Days for which telemetry is kept in that workspace.')
param retentionDays int

@description('Title of the workbook that shows how the mirror keeps up.')
param workbookTitle string

@description('Principal of the app\'s identity.')
param principalId string

@description('Tags.')
param tags tagsOf

var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = if (empty(existingWorkspaceId)) {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    features: {
      disableLocalAuth: true
    }
  }
}

var workspaceId = empty(existingWorkspaceId) ? workspace.id : existingWorkspaceId

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: componentName
  location: location
  kind: 'web'
  tags: tags
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspaceId
    IngestionMode: 'LogAnalytics'
    // With this, knowing the connection string is not enough to send anything.
    DisableLocalAuth: true
  }
}

resource publish 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(component.id, principalId, monitoringMetricsPublisher)
  scope: component
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'mirror')
  location: location
  kind: 'shared'
  tags: tags
  properties: {
    displayName: workbookTitle
    category: 'workbook'
    version: 'Notebook/1.0'
    sourceId: workspaceId
    serializedData: loadTextContent('../workbook/mirror.json')
  }
}

output workspaceId string = workspaceId
output componentId string = component.id
output connectionString string = component.properties.ConnectionString
