"""`python3 dev.py demo`: an image is pushed, mirrored on its event, pulled back without the registry, and verified.

One story, told in its order in one module.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient

from acrmirror.errors import MirrorError
from acrmirror.oci import Descriptor
from acrmirror.reference import check_repository, check_tag
from acrmirror.work import FINAL_STATES, Record
from devtools.activity import Activity, seconds_between, size
from devtools.pulling import MirrorRegistry, NotPulled, Puller
from devtools.screen import Advance, Screen
from standins.process import ServiceFailed, end_by_signals
from standins.stack import Stack
from testkit.images import Image, NoImage, load_image, multi_arch, oci_image, signature
from testkit.push import Pusher
from testkit.reader import Damaged, MirrorReader, NotServed, pull_to_layout, verify_repository
from testkit.reader.tree import blob_path
from testkit.session import RequestFailed
from testkit.stack import mirror_stack

REPOSITORY = "team/app"
PAST = "team/moved"
TAG = "1.0"
MEGABYTE = 1_000_000
# Two platforms: 44 MB in all, of which 16 MB are shared.
PLATFORMS, SHARED, OWN = 2, (16 * MEGABYTE,), (12 * MEGABYTE, 2 * MEGABYTE)
PATIENCE = 60.0
SLOWEST = 2 * MEGABYTE  # bytes a second that a job is waited for at the least
PAUSE = 0.25

NEXT = """\
What to try next

  python3 dev.py demo --image PATH   the same with an image of yours (OCI layout, or what `docker save` writes)
  python3 dev.py demo --flip-byte    damage one byte in the mirror, and see that it is noticed
  python3 dev.py up                  keep all of this running, and push to it with docker, crane, oras, skopeo
  python3 dev.py test                run the tests
"""


class DemoFailed(RuntimeError):
    """Something did not end as it should; the message says what."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What went to the registry, and when it was there (by the wall clock)."""

    repository: str
    tag: str
    image: Image
    signature: Image


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py demo", description=__doc__.partition(": ")[2])
    parser.add_argument(
        "--image", type=Path, metavar="PATH", help="an OCI layout (folder or tar) or a docker-save archive"
    )
    parser.add_argument("--name", help="which image, if PATH holds several")
    parser.add_argument(
        "--repository", default=REPOSITORY, type=check_repository, help=f"where to push it ({REPOSITORY})"
    )
    parser.add_argument("--tag", type=check_tag, help=f"({TAG}, or the tag that the image has)")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="keep what is pulled back, as an OCI layout")
    parser.add_argument("--flip-byte", action="store_true", help="damage one byte in the mirror before it is read")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse()
    end_by_signals()
    screen = Screen()
    try:
        run(options, screen)
    except (DemoFailed, NotPulled, ServiceFailed, RequestFailed, MirrorError, NoImage) as error:
        screen.text(f"\nThe demo failed: {error}", "bad")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def run(options: argparse.Namespace, screen: Screen) -> None:
    image = load_image(options.image, options.name) if options.image else example()
    with tempfile.TemporaryDirectory(prefix="mirror-demo-") as folder:
        output = options.output or Path(folder) / "layout"
        with _started(screen) as stack:
            show(stack, image, options, screen, output)
    screen.text(f"\nDone in {screen.seconds:.1f} s.\n", "good")
    screen.text(NEXT)


def example() -> Image:
    """A multi-arch image with real content."""
    return multi_arch("demo", PLATFORMS, OWN, SHARED, tag=TAG)


@contextmanager
def _started(screen: Screen) -> Iterator[Stack]:
    stack = mirror_stack()
    with screen.step("Start a registry, storage, an identity endpoint and a Functions host that runs the app"):
        stack.__enter__()
    try:
        screen.say(f"registry {stack.registry.host}, mirror {stack.blob_endpoint}/{stack.ready()['mirror_container']}")
        yield stack
    finally:
        stack.__exit__()


def show(stack: Stack, image: Image, options: argparse.Namespace, screen: Screen, output: Path) -> None:
    """All that is shown on a stack that runs; the stack's registry is gone afterwards. Raises `DemoFailed`."""
    tag = options.tag or image.tag or TAG
    pushed = Pushed(options.repository, tag, image.tagged(tag), signature("demo", image.root))
    push(stack, pushed, screen)
    with Activity(stack) as activity:
        wait_until_mirrored(stack, activity, pushed, screen)
    container = stack.ready()["mirror_container"]
    with ContainerClient(stack.blob_endpoint, container, **stack.account.client_options) as client:
        reader = MirrorReader(client)
        mirror = MirrorRegistry.of(stack)
        then = push_twice(stack, screen)
        with screen.step("Stop the registry: the mirror has to do without it"):
            stack.stop_registry()
        if options.flip_byte:
            with screen.step("Flip one bit of one layer in Blob Storage, as asked"):
                screen.say(flip_byte(client, pushed), "bad")
        pull_back(reader, pushed, screen, output)
        pull_from_app(mirror, stack.ca, pushed, screen)
        pull_the_past(mirror, stack.ca, then, screen)


def push(stack: Stack, pushed: Pushed, screen: Screen) -> None:
    image = pushed.image
    reference = f"{stack.registry.host}/{pushed.repository}:{pushed.tag}"
    title = f"Push {reference}: {len(image.manifests)} manifests, {len(image.blobs)} blobs, {size(image.size)}"
    registry = stack.registry
    with screen.step(title), Pusher(registry.host, registry.username, registry.password, registry.ca) as pusher:
        with screen.bar("pushing", image.size) as advance:
            total = _Total(advance)
            pusher.image(pushed.repository, image, progress=lambda digest, done, _: total.note(str(digest), done))
        screen.say(f"{image.root.digest}")
        pusher.image(pushed.repository, pushed.signature)
        screen.say(f"and a signature that refers to it, {pushed.signature.root.digest}")


def wait_until_mirrored(stack: Stack, activity: Activity, pushed: Pushed, screen: Screen) -> None:
    """Tells events and jobs as they come, until every manifest's job has ended."""
    expected = len(pushed.image.manifests) + len(pushed.signature.manifests)
    end = time.monotonic() + PATIENCE + pushed.image.size / SLOWEST
    with screen.step(f"{expected} events, one for each manifest, become jobs; the app mirrors"):
        with screen.bar("mirroring", pushed.image.size) as advance:
            while True:
                # Before the news: no job that has ended by these is left out of those.
                records = activity.records(pushed.repository)
                for line in activity.news():
                    screen.say(str(line), line.mark)
                advance(sum(record.fields["bytes_done"] for record in records))
                if len(records) >= expected and all(record.state in FINAL_STATES for record in records):
                    break
                stack.check()
                if time.monotonic() > end:
                    raise DemoFailed(f"the image was not mirrored in time: {_unfinished(records, expected)}")
                time.sleep(PAUSE)
        _check_jobs(records)
        slowest = max(seconds_between(record.fields["at"], record.fields["finished"]) for record in records)
        asked = len(stack.registry.requests(kind="blob", method="GET"))
        blobs = len({blob.descriptor.digest for it in (pushed.image, pushed.signature) for blob in it.blobs})
        screen.say(f"all of it is in the mirror {slowest:.1f} s after the push", "good")
        screen.say(f"{blobs} distinct layers and configs, for which the registry was asked {asked} times")


def _unfinished(records: list[Record], expected: int) -> str:
    states = ", ".join(f"{record.fields['tag'] or record.fields['digest']} {record.state}" for record in records)
    return f"{len(records)} of {expected} jobs: {states}"


def _check_jobs(records: list[Record]) -> None:
    for record in records:
        if record.state != "done":
            fields = record.fields
            raise DemoFailed(
                f"a job ended as {record.state}: {fields['error_asked']}: {fields['error_answered']}. "
                f"{fields['error_remedy']}"
            )


@dataclass(frozen=True, slots=True)
class Then:
    """A moment, and where the tag of `PAST` was: at `before` by then, at `after` since."""

    moment: str
    before: Descriptor
    after: Descriptor


def push_twice(stack: Stack, screen: Screen) -> Then:
    """Moves a tag, so that it has a past."""
    registry = stack.registry
    first, second = (oci_image(f"demo {it}", tag=TAG) for it in ("before", "after"))
    title = f"Push {PAST}:{TAG} twice: a tag that moves"
    with screen.step(title), Pusher(registry.host, registry.username, registry.password, registry.ca) as pusher:
        with Activity(stack) as activity:
            moment = ""
            for number, image in enumerate((first, second), 1):
                pusher.image(PAST, image)
                _wait_for_jobs(stack, activity, number)
                if not moment:
                    moment = datetime.now(UTC).strftime("%Y-%m-%dt%H.%M.%Sz")
                    # The registry's clock has no fraction of a second.
                    time.sleep(1.0)
        screen.say(f"until {moment} it was {first.root.digest}")
        screen.say(f"and since then {second.root.digest}")
    return Then(moment, first.root, second.root)


def _wait_for_jobs(stack: Stack, activity: Activity, count: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        records = activity.records(PAST)
        if len(records) >= count and all(record.state in FINAL_STATES for record in records):
            _check_jobs(records)
            return
        stack.check()
        if time.monotonic() > end:
            raise DemoFailed(f"{PAST} was not mirrored in time: {_unfinished(records, count)}")
        time.sleep(PAUSE)


def flip_byte(container: ContainerClient, pushed: Pushed) -> str:
    """Turns over one bit in the middle of the image's largest blob; tells where."""
    largest = max(pushed.image.blobs, key=lambda blob: blob.descriptor.size).descriptor
    blob = container.get_blob_client(blob_path(str(largest.digest)))
    data = bytearray(blob.download_blob().readall())
    data[len(data) // 2] ^= 1
    blob.upload_blob(bytes(data), overwrite=True)
    return f"byte {len(data) // 2} of {blob.blob_name}"


def pull_back(reader: MirrorReader, pushed: Pushed, screen: Screen, output: Path) -> None:
    """Reads the image by the links in Blob Storage alone, as a stock registry would, and hashes all of it."""
    image = pushed.image
    with screen.step(f"Pull {pushed.repository}:{pushed.tag} back out of Blob Storage and verify every digest"):
        try:
            with screen.bar("pulling", image.size) as advance:
                total = _Total(advance)
                root = pull_to_layout(reader, pushed.repository, pushed.tag, output, total.note)
        except (Damaged, NotServed, HttpResponseError) as error:
            raise DemoFailed(f"the mirror does not give back what was pushed: {error}") from error
        if root != str(image.root.digest):
            raise DemoFailed(f"the tag points at {root} in the mirror, and {image.root.digest} was pushed")
        _check_same(image, output)
        report = verify_repository(reader, pushed.repository)
        if not report.is_whole:
            raise DemoFailed(f"the mirror is not whole: {report}")
        screen.say(f"{root}: the same digest, every byte hashed", "good")
        screen.say(f"in all {report}")
        listed = reader.manifest(pushed.repository, image.root.digest.referrers_tag)
        if str(pushed.signature.root.digest).encode() not in listed.raw:
            raise DemoFailed("the signature can't be found from the image")
        screen.say("the signature is found from the image, by the referrers tag that stock registries serve", "good")


def pull_from_app(mirror: MirrorRegistry, ca: Path, pushed: Pushed, screen: Screen) -> None:
    """As container tools pull: manifests from the app, layers from where it redirects to."""
    image = pushed.image
    with screen.step(f"Pull {mirror.host}/{pushed.repository}:{pushed.tag}, from the app's own registry"):
        with screen.bar("pulling", image.size) as advance:
            puller = Puller(mirror, ca, advance)
            root = puller.pull(pushed.repository, pushed.tag)
        if root != image.root.digest:
            raise DemoFailed(f"the app gave {root}, and {image.root.digest} was pushed")
        screen.say(f"{root}: {size(puller.size)}, every byte hashed", "good")


def pull_the_past(mirror: MirrorRegistry, ca: Path, then: Then, screen: Screen) -> None:
    """One tag, now and before it moved."""
    past = f"at/{then.moment}/{PAST}"
    with screen.step(f"Pull the past: {mirror.host}/{past}:{TAG}"):
        puller = Puller(mirror, ca)
        for repository, expected in ((PAST, then.after), (past, then.before)):
            root = puller.pull(repository, TAG)
            if root != expected.digest:
                raise DemoFailed(f"{repository}:{TAG} came as {root} instead of {expected.digest}")
        screen.say(f"{then.before.digest}: where the tag was then", "good")


def _check_same(image: Image, output: Path) -> None:
    """What was pulled, against what was pushed: that nothing is left out."""
    for descriptor in (*(blob.descriptor for blob in image.blobs), *(it.descriptor for it in image.manifests)):
        path = output / "blobs" / descriptor.digest.algorithm / descriptor.digest.encoded
        if not path.exists() or path.stat().st_size != descriptor.size:
            raise DemoFailed(f"{descriptor.digest} was pushed, and did not come back")


class _Total:
    """Sums up what many blobs report of themselves."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._done: dict[str, int] = {}
        self._lock = threading.Lock()

    def note(self, digest: str, done: int) -> None:
        with self._lock:
            self._done[digest] = done
            self._advance(sum(self._done.values()))


if __name__ == "__main__":
    sys.exit(main())
