// A workbook that shows how the mirror keeps up.

@description('Region.')
param location string

@description('Its title.')
param displayName string

@description('ARM id of the workspace that it reads.')
param workspaceId string

@description('Tags.')
param tags object

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'mirror')
  location: location
  kind: 'shared'
  tags: tags
  properties: {
    displayName: displayName
    category: 'workbook'
    version: 'Notebook/1.0'
    sourceId: workspaceId
    serializedData: loadTextContent('../workbook/mirror.json')
  }
}
