"""Where everything lies in the mirror's container.

The tree under `docker/registry/v2` is CNCF Distribution's storage layout (distribution, `registry/storage/paths.go`),
so that a stock `registry:3` with its azure driver serves it. `history/` is the mirror's own log beside that tree,
`audits/` what audits of it found, `owners/` which registry is mirrored under which prefix.
"""

import hashlib
import re
from dataclasses import dataclass

from acrmirror.errors import InvalidReference
from acrmirror.moments import Moment, nine_digits
from acrmirror.reference import Digest

ROOT = "docker/registry/v2"
REPOSITORIES = f"{ROOT}/repositories"
BLOBS = f"{ROOT}/blobs"
HISTORY = "history"
AUDITS = "audits"
OWNERS = "owners"

_PLAIN_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one registry's content. `prefix` is put before every repository's name, so that several registries
    can share a mirror; blobs are shared by all.

    Methods take checked values: a repository, tag or digest that comes here matches the grammar.
    """

    prefix: str = ""

    def name(self, repository: str) -> str:
        """The repository's name in the mirror."""
        prefix = self.prefix.strip("/")
        return f"{prefix}/{repository}" if prefix and repository else prefix or repository

    def blob_data(self, digest: Digest) -> str:
        return f"{ROOT}/blobs/{digest.algorithm}/{digest.encoded[:2]}/{digest.encoded}/data"

    def repository(self, repository: str) -> str:
        """The folder of a repository; of an empty name, the one that all of the registry's are in."""
        name = self.name(repository)
        return f"{REPOSITORIES}/{name}" if name else REPOSITORIES

    def layer_link(self, repository: str, digest: Digest) -> str:
        """What lets a repository serve a config or layer that is in the mirror."""
        return f"{self.repository(repository)}/_layers/{digest.algorithm}/{digest.encoded}/link"

    def revisions(self, repository: str) -> str:
        return f"{self.repository(repository)}/_manifests/revisions"

    def revision_link(self, repository: str, digest: Digest) -> str:
        """What lets a repository serve a manifest; in this mirror also the promise that its closure is complete."""
        return f"{self.revisions(repository)}/{digest.algorithm}/{digest.encoded}/link"

    def tags(self, repository: str) -> str:
        return f"{self.repository(repository)}/_manifests/tags"

    def tag_link(self, repository: str, tag: str) -> str:
        return f"{self.tags(repository)}/{tag}/current/link"

    def tag_indexes(self, repository: str, tag: str) -> str:
        return f"{self.tags(repository)}/{tag}/index"

    def tag_index_link(self, repository: str, tag: str, digest: Digest) -> str:
        """One for every digest that the tag ever had."""
        return f"{self.tag_indexes(repository, tag)}/{digest.algorithm}/{digest.encoded}/link"

    def tag_histories(self, repository: str) -> str:
        """The folder with one for each tag that was observed. `_tags` is no repository component, so that tag `b` of
        `a` and the repository `a/b` never share a prefix."""
        return f"{HISTORY}/{self.name(repository)}/_tags"

    def tag_history(self, repository: str, tag: str) -> str:
        """The folder of a tag's observations."""
        return f"{self.tag_histories(repository)}/{tag}"

    def digest_histories(self, repository: str) -> str:
        """The folder with one for each digest that was observed without a tag."""
        return f"{HISTORY}/{self.name(repository)}/_digests"

    def digest_history(self, repository: str, digest: Digest) -> str:
        """The folder of the observations that name no tag: pushes by digest, and deletions."""
        return f"{self.digest_histories(repository)}/{digest.algorithm}-{digest.encoded}"

    def audit_progress(self, identity: str = "") -> str:
        """How far an audit is; of no id, the folder of all."""
        return self._audits("_progress", identity)

    def audit_report(self, identity: str = "") -> str:
        """What an audit found, written once; of no id, the folder of all."""
        return self._audits("_reports", identity)

    def _audits(self, folder: str, identity: str) -> str:
        name = self.name("")
        return f"{AUDITS}/{name}/{folder}/{identity}" if name else f"{AUDITS}/{folder}/{identity}"


def linked_digest(path: str) -> Digest | None:
    """From `<algorithm>/<hex>/link`, a link's path in its folder; None for any other path."""
    algorithm, _, rest = path.partition("/")
    encoded, _, last = rest.partition("/")
    try:
        return Digest(algorithm, encoded) if last == "link" else None
    except InvalidReference:
        return None


def observation(folder: str, at: Moment, sequence: int, digest: Digest, identity: str) -> str:
    """One observation's name: it sorts by `at`, then by `sequence`."""
    return f"{folder}/{at}-{sequence:010d}-{digest.algorithm}-{digest.encoded}-{observer(identity)}"


def observer(identity: str) -> str:
    """How the id of an event or job is written in the name of an observation."""
    return identity if _PLAIN_ID.fullmatch(identity) else hashlib.sha256(identity.encode()).hexdigest()[:32]


def observed(name: str) -> tuple[Moment, int, Digest, str]:
    """What the last part of an observation's name says: its time, its sequence (0 in names of the first form, which had
    none), its digest, and the id of its event or job. Raises ValueError, InvalidReference or Malformed for any other
    name."""
    at, _, rest = name.partition("Z-")
    sequence, _, behind = rest.partition("-")
    if not sequence.isdecimal():
        sequence, behind = "0", rest
    algorithm, encoded, identity = behind.split("-", 2)
    return nine_digits(f"{at}Z"), int(sequence), Digest(algorithm, encoded), identity


def trial(tag: str) -> str:
    """Where it is tried whether storage keeps the name of a tag: nothing else is there, whatever it makes of it."""
    return f"trials/{tag}/name"
