#!/bin/sh
# Before provisioning: finds the registry by its name, and the system topic that it may have already.
# Reads MIRROR_REGISTRY_NAME or MIRROR_REGISTRY_ID. Sets, in azd's environment if there is one and on standard output:
# MIRROR_REGISTRY_ID, MIRROR_EXISTING_TOPIC_NAME, MIRROR_EXISTING_TOPIC_RESOURCE_GROUP.
set -eu

say() {
    printf '%s\n' "$*" >&2
}

keep() {
    printf '%s=%s\n' "$1" "$2"
    if [ -n "${AZURE_ENV_NAME:-}" ] && command -v azd >/dev/null; then
        azd env set "$1" "$2"
    fi
}

lower() {
    printf '%s' "$1" | tr '[:upper:]' '[:lower:]'
}

registry_id=${MIRROR_REGISTRY_ID:-}
if [ -z "$registry_id" ]; then
    if [ -z "${MIRROR_REGISTRY_NAME:-}" ]; then
        say 'Which registry? Run: azd env set MIRROR_REGISTRY_NAME <name>, or MIRROR_REGISTRY_ID <ARM id> if it is in another subscription.'
        exit 1
    fi
    registry_id=$(az acr show --name "$MIRROR_REGISTRY_NAME" --query id --output tsv)
    keep MIRROR_REGISTRY_ID "$registry_id"
fi
case $registry_id in
    /subscriptions/*/resourceGroups/*/providers/Microsoft.ContainerRegistry/registries/*) ;;
    *)
        say "MIRROR_REGISTRY_ID is '$registry_id', and has to be /subscriptions/…/resourceGroups/…/providers/Microsoft.ContainerRegistry/registries/<name>."
        exit 1
        ;;
esac
subscription=$(printf '%s' "$registry_id" | cut -d / -f 3)
resource_group=$(printf '%s' "$registry_id" | cut -d / -f 5)
registry_name=$(printf '%s' "$registry_id" | cut -d / -f 9)

# A registry can have one system topic only. One that another deployment made is used as it is.
tab=$(printf '\t')
topics=$(az eventgrid system-topic list --subscription "$subscription" --output tsv \
    --query "[].[name, resourceGroup, identity.type || 'None', source]")
found=$(printf '%s\n' "$topics" | while IFS="$tab" read -r name group identity source; do
    if [ "$(lower "$source")" = "$(lower "$registry_id")" ]; then
        printf '%s\t%s\t%s\n' "$name" "$group" "$identity"
    fi
done)
if [ -z "$found" ]; then
    keep MIRROR_EXISTING_TOPIC_NAME ''
    keep MIRROR_EXISTING_TOPIC_RESOURCE_GROUP ''
    exit 0
fi
name=$(printf '%s' "$found" | cut -f 1)
group=$(printf '%s' "$found" | cut -f 2)
identity=$(printf '%s' "$found" | cut -f 3)
if [ "$name" = "evgt-$registry_name" ] && [ "$(lower "$group")" = "$(lower "$resource_group")" ] && [ "$identity" = SystemAssigned ]; then
    # This deployment's own, from an earlier run.
    keep MIRROR_EXISTING_TOPIC_NAME ''
    keep MIRROR_EXISTING_TOPIC_RESOURCE_GROUP ''
    exit 0
fi
case $identity in
    *SystemAssigned*) ;;
    None)
        say "The registry's topic $name gets an identity, with which Event Grid writes dead letters."
        az eventgrid system-topic update --subscription "$subscription" --resource-group "$group" --name "$name" \
            --mi-system-assigned --output none
        ;;
    *)
        say "The registry's topic $name has user-assigned identities only. Add a system-assigned one (Identity page of the topic), then run this again."
        exit 1
        ;;
esac
keep MIRROR_EXISTING_TOPIC_NAME "$name"
keep MIRROR_EXISTING_TOPIC_RESOURCE_GROUP "$group"
