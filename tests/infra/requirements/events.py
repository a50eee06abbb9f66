"""What must hold of the topic, the subscription to it, and what the hooks read."""

from devtools.bicep.settled import at
from devtools.deployment import SITE
from devtools.deployment.scenarios import ELSEWHERE, REGISTRY
from tests.infra.requirements.view import View


def events(view: View) -> None:
    """Push and delete events reach the function by its id, and what cannot be delivered is kept."""
    topics = view.deployment.of("Microsoft.EventGrid/systemTopics")
    view.holds(len(topics) == (0 if view.option("existingTopicName", "") else 1), "one system topic a registry")
    for topic in topics:
        view.holds(topic.id == view.topic, "the topic stands beside the registry, in its subscription")
        view.is_(topic, "identity/type", "SystemAssigned", "the only kind that passes a storage firewall")
        view.is_(topic, "properties/source", REGISTRY, "the registry is what it tells of")
        view.is_(topic, "properties/topicType", "Microsoft.ContainerRegistry.Registries", "a registry's topic")
    subscription = view.events.of("Microsoft.EventGrid/systemTopics/eventSubscriptions")[0]
    site = view.one(SITE)
    view.holds(subscription.id.startswith(f"{view.topic}/eventSubscriptions/"), "the subscription is to that topic")
    destination = at(subscription.body, "properties/destination")
    view.holds(destination["endpointType"] == "AzureFunction", "a webhook would need a key")
    view.holds(destination["properties"]["resourceId"] == f"{site.id}/functions/on_registry_event", "the function")
    view.holds(destination["properties"].get("maxEventsPerBatch") == 1, "the worker's decoder refuses several at once")
    view.holds(destination["properties"].get("preferredBatchSizeInKilobytes") == 64, "one event fits")
    view.is_(subscription, "properties/eventDeliverySchema", "EventGridSchema", "a system topic's own")
    types = {
        f"Microsoft.ContainerRegistry.{what}" for what in ("ImagePushed", "ImageDeleted", "ChartPushed", "ChartDeleted")
    }
    found = at(subscription.body, "properties/filter/includedEventTypes")
    view.holds(set(found) == types and len(found) == 4, "pushes and deletions, and nothing else")
    prefixes = view.option("repositoryPrefixes", [])
    wanted = (
        [{"operatorType": "StringBeginsWith", "key": "data.target.repository", "values": prefixes}] if prefixes else []
    )
    view.is_(subscription, "properties/filter/advancedFilters", wanted, "the repositories that were requested")
    view.is_(subscription, "properties/filter/enableAdvancedFilteringOnArrays", False, "the repository is no array")
    retry = {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}
    view.is_(subscription, "properties/retryPolicy", retry, "as long as Event Grid goes on")
    dead = at(subscription.body, "properties/deadLetterWithResourceIdentity")
    view.holds(dead["identity"] == {"type": "SystemAssigned"}, "dead letters are written by the topic's identity")
    view.holds(
        dead["deadLetterDestination"]
        == {
            "endpointType": "StorageBlob",
            "properties": {"resourceId": view.host.id, "blobContainerName": "dead-letters"},
        },
        "dead letters go into the container that the topic may write to",
    )
    wanted_outputs = {
        "AZURE_RESOURCE_GROUP": "rg-check",
        "AZURE_SUBSCRIPTION_ID": view.group.split("/")[2],
        "MIRROR_FUNCTION_APP": site.name,
        "MIRROR_FUNCTION_APP_ID": site.id,
        "MIRROR_APP_URL": f"https://{site.id}.properties.defaultHostName",
        "MIRROR_BLOB_ENDPOINT": f"https://{view.mirror_account.rpartition('/')[2]}.blob.core.windows.net",
        "MIRROR_RESOURCE_GROUP": view.mirror_account.split("/")[4],
        "MIRROR_SUBSCRIPTION_ID": view.mirror_account.split("/")[2],
        "MIRROR_CONTAINER": view.option("mirrorContainer", "mirror"),
        "MIRROR_HOST_ACCOUNT_ID": view.host.id,
        "MIRROR_DEAD_LETTER_CONTAINER": "dead-letters",
        "MIRROR_TOPIC_NAME": view.topic.rpartition("/")[2],
        "MIRROR_TOPIC_RESOURCE_GROUP": view.topic.split("/")[4],
        "MIRROR_TOPIC_SUBSCRIPTION_ID": ELSEWHERE,
        "MIRROR_REPOSITORY_PREFIXES": prefixes,
    }
    for name, value in wanted_outputs.items():
        view.holds(
            view.deployment.outputs.get(name) == value, f"{name} is put out as {view.deployment.outputs.get(name)}"
        )
