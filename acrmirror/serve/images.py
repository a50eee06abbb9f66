"""What is in the mirror, and how it is exported."""

import threading
from collections import deque
from collections.abc import Iterable

from acrmirror.archive import images_of
from acrmirror.errors import Damaged, NoSuchPlatform, NotHere, TooLarge
from acrmirror.history import Observation
from acrmirror.mirror import MirrorStore
from acrmirror.mirror.listing import TagPage
from acrmirror.moments import Moment
from acrmirror.oci import MAX_DEPTH, Descriptor, Manifest, Platform
from acrmirror.platforms import choose, is_known, offered, platform_of
from acrmirror.reference import Digest, Reference, host_of, shown
from acrmirror.serve.past import Past
from acrmirror.serve.sizes import ImageSizes
from acrmirror.serve.views import Content, MadeOf, MirroredImage, Variant
from acrmirror.settings import Settings
from acrmirror.threads import Threads

CONFIG_LIMIT = 4 * 1024 * 1024
BLOBS_LIMIT = 2000
"""Blobs of one answer, each with a signed URL; more come with the next page."""
MANIFESTS_LIMIT = 500
MANIFESTS_BYTES = 8 * 1024 * 1024
"""Of all manifests that one answer is made from, the root included: thousands of real ones. Each is in memory several
times over, as it came and parsed."""
CONFIGS_BYTES = 32 * 1024 * 1024
"""Of all configs that are read for the platforms of one answer, one after another. Those beyond it have none."""
HISTORY_SHOWN = 100
LOOKED_THROUGH = 200
"""Repositories that one request reads the names of: each costs storage a listing."""


class _Room:
    """Bytes that one answer may still read. Thread-safe."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._guard = threading.Lock()

    def take(self, size: int) -> bool:
        """Whether so many are left; then they are taken."""
        with self._guard:
            if size > self._left:
                return False
            self._left -= size
            return True


class Images:
    """Reads the mirror for those who ask. Raises NotHere for what is missing."""

    def __init__(self, settings: Settings, store: MirrorStore) -> None:
        self.registry = settings.registry
        self._store = store
        self.past = Past(store)
        self.sizes = ImageSizes(store)

    def repositories(self, count: int, after: str | None, contains: str = "") -> tuple[list[str], str | None]:
        """Up to `count` names that have `contains` in them, perhaps fewer though there are more; and the name to go on
        behind, None if there are no more."""
        found: list[str] = []
        looked_at = None
        for number, name in enumerate(self._store.listing.repositories(after)):
            if len(found) == count or number == LOOKED_THROUGH:
                return found, looked_at
            looked_at = name
            if contains in name:
                found.append(name)
        return found, None

    def has(self, repository: str) -> bool:
        return self._store.listing.has_repository(repository)

    def tags(self, repository: str, count: int, cursor: str | None, at: Moment | None = None) -> TagPage:
        """With `at`, where the tags were then; `cursor` is what an earlier page gave, of the same kind."""
        if at is not None:
            return self.past.tags(repository, count, cursor, at)
        page = self._store.listing.tags(repository, count, cursor)
        # Images that are there by digest alone make a repository, too.
        if not page.tags and cursor is None and page.cursor is None and not self.has(repository):
            raise _not_here(repository)
        return page

    def image(self, reference: Reference, at: Moment | None = None) -> MirroredImage:
        """With `at`, the image that the tag named then, and what was known of it by then."""
        root = self._root(reference, at)
        manifests = self._graph(reference.repository, root)
        room = _Room(CONFIGS_BYTES)
        variants = tuple(
            Variant(manifest, platform or self._stated(reference.repository, manifest, room))
            for manifest, platform in images_of(root, manifests)
        ) + tuple(Variant(it, None) for it in manifests.values() if it.is_index and it.blobs)
        observed: Iterable[Observation] = ()
        if reference.tag is not None:
            observed = self._store.history.of_tag(reference.repository, reference.tag)
        else:
            observed = self._store.history.of_digest(reference.repository, root.digest)
        newest = deque((it for it in observed if at is None or it.was_by(at)), maxlen=HISTORY_SHOWN)
        referrers = self._store.referrers.of(reference.repository, root.digest)
        if at is not None:
            referrers = self.past.by_then(reference.repository, referrers, at)
        return MirroredImage(reference, root, variants, referrers, tuple(reversed(newest)))

    def content(
        self,
        reference: Reference,
        platform: Platform | None,
        at: Moment | None = None,
        after: Digest | None = None,
        count: int = BLOBS_LIMIT,
    ) -> Content:
        """As `made_of`, with a URL for each blob, page by page: up to `count` behind the blob `after`."""
        manifests, blobs = self._listed(reference, platform, at)
        page, last = _page_of(blobs, after, count)
        there, absent = self._linked(reference, page)
        links = tuple((it, self._store.signed_urls.blob(it.digest)) for it in there)
        return Content(reference, platform, manifests, links, absent, last)

    def made_of(self, reference: Reference, platform: Platform | None, at: Moment | None = None) -> MadeOf:
        """Of what the tag names, or named at the moment `at`. With `platform`, of an index the one image that docker
        would take there; else all of it. Nothing that the repository has no link to of its own is among it (rule
        L10). Raises NoSuchPlatform, NotHere."""
        manifests, blobs = self._listed(reference, platform, at)
        return MadeOf(manifests, *self._linked(reference, blobs))

    def _listed(
        self, reference: Reference, platform: Platform | None, at: Moment | None
    ) -> tuple[tuple[Manifest, ...], list[Descriptor]]:
        """Manifests, the root first, and the blobs that they list, each once; always in the same order."""
        root = self._root(reference, at)
        manifests = self._graph(reference.repository, root)
        if platform is not None:
            root = self._chosen(reference, root, manifests, platform)
            manifests = {root.digest: root}
        ordered = (root, *sorted((it for it in manifests.values() if it is not root), key=lambda it: str(it.digest)))
        blobs: dict[Digest, Descriptor] = {}
        for manifest in ordered:
            for blob in manifest.blobs:
                blobs.setdefault(blob.digest, blob)
        return ordered, list(blobs.values())

    def _linked(
        self, reference: Reference, blobs: list[Descriptor]
    ) -> tuple[tuple[Descriptor, ...], tuple[Descriptor, ...]]:
        """Those that the repository has its own link to, and the foreign layers that it has none to. Raises NotHere for
        any other that it has none to."""
        with Threads(8, thread_name_prefix="look") as pool:
            linked = list(pool.map(lambda it: self._store.blobs.linked(reference.repository, it.digest), blobs))
        without = [it for it, has in zip(blobs, linked, strict=True) if not has]
        for blob in without:
            if not blob.is_foreign:
                raise NotHere(
                    f"give the content of {reference}",
                    f"the image is incomplete: {reference.repository} has no link to its blob {blob.digest}",
                    "Pull it with force: POST /api/v1/pulls.",
                )
        return tuple(it for it, has in zip(blobs, linked, strict=True) if has), tuple(without)

    def digest_of(self, reference: Reference, at: Moment | None = None) -> Digest:
        """What a reference names, if the mirror has that."""
        return self._root(reference, at).digest

    def _root(self, reference: Reference, at: Moment | None = None) -> Manifest:
        digest = reference.digest
        if digest is None and at is not None:
            return self.past.root(reference, at)
        if digest is None:
            state = self._store.tags.read(reference.repository, reference.tag or "")
            if state is None:
                raise _not_here(str(reference))
            if state.digest is None:
                raise _not_here(str(reference), "the link of its tag is damaged")
            digest = state.digest
        manifest = self._manifest(reference.repository, digest)
        if manifest is None:
            raise _not_here(str(reference))
        return manifest

    def _manifest(self, repository: str, digest: Digest) -> Manifest | None:
        descriptor = self._store.manifests.find(repository, digest)
        return self._store.manifests.read(repository, descriptor) if descriptor is not None else None

    def _graph(self, repository: str, root: Manifest) -> dict[Digest, Manifest]:
        """The root and what its indexes list."""
        found = {root.digest: root}
        level = [root]
        room = _Room(MANIFESTS_BYTES)
        room.take(root.size)

        def read_one(digest: Digest) -> Manifest | None:
            descriptor = self._store.manifests.find(repository, digest)
            if descriptor is None:
                return None
            if not room.take(descriptor.size):
                raise TooLarge(
                    f"read {repository}@{root.digest}",
                    f"the manifests that it lists have more than {MANIFESTS_BYTES} bytes together",
                    "Request one of its images by digest.",
                )
            return self._store.manifests.read(repository, descriptor)

        with Threads(8, thread_name_prefix="read") as pool:
            for _ in range(MAX_DEPTH):
                wanted = {child.digest for it in level for child in it.manifests} - found.keys()
                if len(wanted) + len(found) > MANIFESTS_LIMIT:
                    raise TooLarge(
                        f"read {repository}@{root.digest}",
                        f"it lists more than {MANIFESTS_LIMIT} manifests",
                        "Request one of its images by digest.",
                    )
                read = pool.map(read_one, wanted)
                level = [it for it in read if it is not None]
                found.update({it.digest: it for it in level})
                if not level:
                    break
        return found

    def _chosen(
        self, reference: Reference, root: Manifest, manifests: dict[Digest, Manifest], platform: Platform
    ) -> Manifest:
        room = _Room(CONFIGS_BYTES)
        images = [
            (it, stated or self._stated(reference.repository, it, room)) for it, stated in images_of(root, manifests)
        ]
        chosen = choose(images, platform)
        if chosen is None and not root.is_index and not is_known(images[0][1]):
            # Of an artifact there is only one, and it is for no platform.
            return root
        if chosen is None:
            raise NoSuchPlatform(
                f"choose {platform} of {reference}",
                offered(it for _, it in images),
                "Choose one of these, or all of it.",
            )
        return chosen

    def _stated(self, repository: str, manifest: Manifest, room: _Room) -> Platform | None:
        """The platform that the image's config states, where the repository has that config."""
        config = manifest.config
        if config is None or config.size > CONFIG_LIMIT or not self._store.blobs.linked(repository, config.digest):
            return None
        if not room.take(config.size):
            return None
        try:
            raw = self._store.blobs.read_small(config, CONFIG_LIMIT)
        except Damaged:
            return None
        return platform_of(raw) if raw is not None else None


def _page_of(blobs: list[Descriptor], after: Digest | None, count: int) -> tuple[list[Descriptor], Digest | None]:
    """Raises NotHere where the blob to go on behind is none of the image's: its tag has moved since."""
    start = 0
    if after is not None:
        start = next((number for number, it in enumerate(blobs, 1) if it.digest == after), 0)
        if not start:
            raise NotHere(
                f"go on with an image's content behind {after}",
                "it has no such blob now",
                "Begin anew, without `last`.",
            )
    page = blobs[start : start + count]
    return page, page[-1].digest if start + len(page) < len(blobs) else None


def _not_here(name: str, why: str = "it is missing there") -> NotHere:
    if (host := host_of(name)) is not None:
        why = f"{why}; {shown(host)} was read as a part of its name, and the mirror is of one registry"
    return NotHere(f"look for {name} in the mirror", why, "Pull it: POST /api/v1/pulls.")
