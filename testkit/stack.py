"""The mirror app on the stand-ins: what it needs of them, and a stack that runs it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from standins.profile import Profile, Resources, Services
from standins.stack import Stack

ROOT = Path(__file__).resolve().parents[1]
# The names that the deployment gives them.
CONTAINER = "mirror"
ARCHIVES = "archives"
TABLE = "mirrorjobs"
QUEUES = ("mirror-jobs", "mirror-jobs-poison", "mirror-backfill", "mirror-backfill-poison")
RESOURCES = Resources((CONTAINER, ARCHIVES), QUEUES, (TABLE,))


class MirrorProfile(Profile):
    own_settings = ("MIRROR_",)
    event_function = "on_registry_event"

    @property
    def app(self) -> Path:
        """This repository, unless LOCAL_APP in the environment names another folder."""
        return Path(os.environ.get("LOCAL_APP") or ROOT)

    def settings(self, services: Services) -> dict[str, str]:
        return {
            "MIRROR_REGISTRY": services.registry,
            "MIRROR_REGISTRY_RESOURCE_ID": services.registry_resource_id,
            "MIRROR_REGISTRY_AUTH": "anonymous" if services.registry_anonymous else "identity",
            "MIRROR_REDIRECT_LOCAL": "true",
            "MIRROR_BLOB_ENDPOINT": services.blob,
            "MIRROR_TABLE_ENDPOINT": services.table,
            "MIRROR_QUEUE__queueServiceUri": services.queue,
            "MIRROR_QUEUE__credential": "managedidentity",
            "MIRROR_QUEUE__clientId": services.client_id,
            "MIRROR_CONTAINER": CONTAINER,
            "MIRROR_TABLE": TABLE,
            "MIRROR_TRUST_BUNDLE": str(services.ca),
            # A test that runs at full ten minutes would else find its registry compared and copied.
            "MIRROR_COMPARE_HOURS": "0",
            **({"MIRROR_RESTORE_TARGETS": services.target} if services.target else {}),
            "MIRROR_AUDIT_DAYS": "0",
        }

    def resources(self, settings: Mapping[str, str]) -> Resources:
        return Resources((settings["MIRROR_CONTAINER"], ARCHIVES), QUEUES, (settings["MIRROR_TABLE"],))

    def described(self, settings: Mapping[str, str]) -> dict[str, str]:
        return {"mirror_container": settings["MIRROR_CONTAINER"], "records_table": settings["MIRROR_TABLE"]}


def mirror_stack(**options: Any) -> Stack:
    """Keywords are those of `Stack` and its `Options`."""
    return Stack(MirrorProfile(), **options)
