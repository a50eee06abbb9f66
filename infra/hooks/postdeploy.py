"""After the code is deployed: waits for the function, subscribes it to the registry's events, tries it with an image.

No key is involved in the subscription: Event Grid and Functions know each other by the function's ARM id.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.hooks.commands import Azure, CommandFailed, Console
from infra.hooks.environment import Environment
from infra.hooks.problems import Problem
from infra.hooks.smoke import smoke_test

TEMPLATE = Path(__file__).resolve().parents[1] / "subscription.bicep"
NEEDED = (
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_RESOURCE_GROUP",
    "MIRROR_FUNCTION_APP",
    "MIRROR_FUNCTION_APP_ID",
    "MIRROR_HOST_ACCOUNT_ID",
    "MIRROR_DEAD_LETTER_CONTAINER",
    "MIRROR_TOPIC_NAME",
    "MIRROR_TOPIC_RESOURCE_GROUP",
    "MIRROR_TOPIC_SUBSCRIPTION_ID",
)
LISTED_WITHIN, LISTED_PAUSE = 600, 10
"""Seconds for which the platform may take to list a function."""
FAILURES_IN_A_ROW = 3
SUBSCRIBE_PAUSES = (15, 30, 60, 120)
"""Seconds before each further try: Event Grid asks a function that has just been deployed to answer."""
FOR_GOOD = re.compile(r"AuthorizationFailed|InvalidTemplate|InvalidRequestContent|BCP\d+|ParentResourceNotFound")


def postdeploy(
    environment: Environment, azure: Azure, console: Console, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Raises Problem."""
    environment.need(*NEEDED)
    wait_for_function(environment, azure, console, sleep)
    subscribe(environment, azure, console, sleep)
    console.say(
        "Pushes to the registry are mirrored from now on. "
        "For what it held before: docs/deploy.md#what-was-there-before."
    )
    smoke_test(environment, azure, console)


def wait_for_function(environment: Environment, azure: Azure, console: Console, sleep: Callable[[float], None]) -> None:
    """Waits only while the function is not found. What else fails is shown; three times in a row ends the wait."""
    app = environment.get("MIRROR_FUNCTION_APP")
    words = [
        *("functionapp", "function", "show", "--name", app, "--function-name", "on_registry_event"),
        *("--resource-group", environment.get("AZURE_RESOURCE_GROUP")),
        *("--subscription", environment.get("AZURE_SUBSCRIPTION_ID")),
    ]
    failures = 0
    for waited in range(0, LISTED_WITHIN, LISTED_PAUSE):
        try:
            azure.json(*words)
        except CommandFailed as error:
            failures = 0 if error.is_not_found else failures + 1
            if error.is_denied or failures == FAILURES_IN_A_ROW:
                raise
            why = str(error) if failures else "not listed yet"
            console.say(f"Waiting for the function on_registry_event of {app} ({waited} s): {why}")
            sleep(LISTED_PAUSE)
        else:
            return
    raise Problem(
        f"{app} does not list on_registry_event after {LISTED_WITHIN // 60} minutes: the app did not start. The first "
        "line of its log stream says so if its packages are for another Python; look there, then run this again."
    )


def subscribe(environment: Environment, azure: Azure, console: Console, sleep: Callable[[float], None]) -> None:
    """By a file: words with quotes in them do not come through everywhere."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "subscription.parameters.json"
        file.write_text(json.dumps(parameters(environment)), encoding="utf-8")
        words = [
            *("deployment", "group", "create", "--name", f"{environment.get('MIRROR_FUNCTION_APP')}-events"),
            *("--subscription", environment.get("MIRROR_TOPIC_SUBSCRIPTION_ID")),
            *("--resource-group", environment.get("MIRROR_TOPIC_RESOURCE_GROUP")),
            *("--template-file", str(TEMPLATE), "--parameters", f"@{file}"),
        ]
        for pause in (*SUBSCRIBE_PAUSES, 0):
            try:
                azure.json(*words)
            except CommandFailed as error:
                if not pause or error.is_denied or FOR_GOOD.search(error.said):
                    raise Problem(
                        f"The event subscription could not be made, so that no push is mirrored.\n{error}"
                    ) from error
                console.say(f"The event subscription could not be made yet; trying again in {pause} s.\n{error}")
                sleep(pause)
            else:
                return


def parameters(environment: Environment) -> dict[str, Any]:
    """Of infra/subscription.bicep, as its parameter file has them. Raises Problem."""
    text = environment.get("MIRROR_REPOSITORY_PREFIXES") or "[]"
    values: Mapping[str, Any] = {
        "topicName": environment.get("MIRROR_TOPIC_NAME"),
        "subscriptionName": environment.get("MIRROR_FUNCTION_APP"),
        "functionAppId": environment.get("MIRROR_FUNCTION_APP_ID"),
        "deadLetterAccountId": environment.get("MIRROR_HOST_ACCOUNT_ID"),
        "deadLetterContainer": environment.get("MIRROR_DEAD_LETTER_CONTAINER"),
        "repositoryPrefixes": prefixes(text),
    }
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {name: {"value": value} for name, value in values.items()},
    }


def prefixes(text: str) -> list[str]:
    """Raises Problem."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise Problem(f"""MIRROR_REPOSITORY_PREFIXES is '{text}', and has to be a list in JSON, such as '["team/"]'.""")
    return found
