"""MirrorStore: the destination, over Blob Storage in the Distribution layout."""

from acrmirror.store.ingest import Ingest
from acrmirror.store.mirror import MirrorStore
from acrmirror.store.tags import TagState

__all__ = ["Ingest", "MirrorStore", "TagState"]
