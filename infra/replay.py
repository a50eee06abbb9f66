"""Replays dead letters: `python3 -m infra.replay --endpoint https://<the app's own account>.blob.core.windows.net`.

Reads the app's settings from the environment, as the app does, and enqueues a job for each event that Event Grid could
not deliver, as `on_registry_event` would have. A letter is deleted once its job is enqueued; one that holds something
else stays, and is named. Jobs are idempotent, so that a letter replayed twice does no harm. How to run it is in
docs/troubleshooting.md.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from azure.storage.blob import ContainerClient

from acrmirror.app import App
from acrmirror.credentials import make_credential
from acrmirror.errors import Misconfigured, Permanent
from acrmirror.events import check_event, parse_event
from acrmirror.settings import Settings


@dataclass(frozen=True, slots=True)
class Letter:
    """One blob of the container: the events that Event Grid wrote into it, or what is wrong with them."""

    name: str
    events: tuple[Mapping[str, object], ...]
    problem: str = ""


def letters(container: ContainerClient, settings: Settings) -> Iterator[Letter]:
    for blob in container.list_blobs():
        try:
            events = events_of(container.download_blob(blob.name).readall())
            for event in events:
                parsed = parse_event(event, settings.repository_limit)
                check_event(parsed, settings.registry, settings.registry_resource_id)
        except (ValueError, Permanent) as error:
            yield Letter(blob.name, (), str(error))
        else:
            yield Letter(blob.name, events)


def events_of(body: bytes) -> tuple[Mapping[str, object], ...]:
    """Event Grid writes an array, also around a single event. Raises ValueError."""
    found = json.loads(body)
    events = found if isinstance(found, list) else [found]
    if not events or not all(isinstance(event, dict) for event in events):
        raise ValueError("this is no dead letter of Event Grid")
    return tuple(events)


def replay(settings: Settings, endpoint: str, container: str, *, dry_run: bool) -> int:
    """How many letters stay because of what they hold."""
    kept = 0
    trust = str(settings.trust_bundle) if settings.trust_bundle else True
    with (
        make_credential(settings) as credential,
        ContainerClient(endpoint, container, credential=credential, connection_verify=trust) as client,
        App.open(settings) as mirror,
    ):
        for letter in letters(client, settings):
            if letter.problem:
                kept += 1
                print(f"{letter.name} stays: {letter.problem}", file=sys.stderr)
                continue
            print(f"{letter.name}: {len(letter.events)} of {describe(letter.events[0])}")
            if not dry_run:
                for event in letter.events:
                    mirror.intake.receive(event)
                client.delete_blob(letter.name)
    return kept


def describe(event: Mapping[str, object]) -> str:
    kind = event.get("eventType", event.get("type"))
    return f"{kind} {event.get('subject')}, given up: {event.get('deadLetterReason', 'no reason given')}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m infra.replay", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--endpoint", required=True, metavar="URL", help="blob endpoint of the app's own account")
    parser.add_argument("--container", default="dead-letters")
    parser.add_argument("--dry-run", action="store_true", help="only say what is there")
    given = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment(os.environ)
    except Misconfigured as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if replay(settings, given.endpoint, given.container, dry_run=given.dry_run) else 0


if __name__ == "__main__":
    sys.exit(main())
