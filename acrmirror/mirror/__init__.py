"""The mirror, over Blob Storage in the Distribution layout: parts composed over one container."""

from acrmirror.mirror.ingest import Ingest
from acrmirror.mirror.layout import Layout
from acrmirror.mirror.owner import Owner
from acrmirror.mirror.source import MirrorSource
from acrmirror.mirror.store import MirrorStore
from acrmirror.mirror.tags import TagState

__all__ = ["Ingest", "Layout", "MirrorSource", "MirrorStore", "Owner", "TagState"]
