#!/bin/sh
# After the code is deployed: waits until the platform lists the function, then subscribes it to the registry's events.
# Reads what main.bicep puts out. No key is involved: Event Grid and Functions know each other by the function's ARM id.
set -eu

say() {
    printf '%s\n' "$*" >&2
}

for name in AZURE_SUBSCRIPTION_ID AZURE_RESOURCE_GROUP MIRROR_FUNCTION_APP MIRROR_FUNCTION_APP_ID MIRROR_HOST_ACCOUNT_ID \
    MIRROR_DEAD_LETTER_CONTAINER MIRROR_TOPIC_NAME MIRROR_TOPIC_RESOURCE_GROUP MIRROR_TOPIC_SUBSCRIPTION_ID; do
    if [ -z "$(printenv "$name")" ]; then
        say "$name is not set. Run this with the outputs of main.bicep in the environment."
        exit 1
    fi
done
infra=$(dirname "$0")/..

tries=0
until az functionapp function show --subscription "$AZURE_SUBSCRIPTION_ID" --resource-group "$AZURE_RESOURCE_GROUP" \
    --name "$MIRROR_FUNCTION_APP" --function-name on_registry_event --output none 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -ge 60 ]; then
        say "$MIRROR_FUNCTION_APP does not list on_registry_event after ten minutes: the package did not start. Look at its log stream, then run this again."
        exit 1
    fi
    say 'Waiting for the function on_registry_event …'
    sleep 10
done

az deployment group create --subscription "$MIRROR_TOPIC_SUBSCRIPTION_ID" --resource-group "$MIRROR_TOPIC_RESOURCE_GROUP" \
    --name "$MIRROR_FUNCTION_APP-events" --template-file "$infra/subscription.bicep" --output none --parameters \
    topicName="$MIRROR_TOPIC_NAME" subscriptionName="$MIRROR_FUNCTION_APP" functionAppId="$MIRROR_FUNCTION_APP_ID" \
    deadLetterAccountId="$MIRROR_HOST_ACCOUNT_ID" deadLetterContainer="$MIRROR_DEAD_LETTER_CONTAINER" \
    repositoryPrefixes="${MIRROR_REPOSITORY_PREFIXES:-[]}"
say "Pushes to the registry are mirrored from now on. For what it held before: docs/deploy.md#what-was-there-before."
