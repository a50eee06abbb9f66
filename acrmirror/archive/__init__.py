"""Archives and layout folders that container tools load, from manifests and blobs, wherever these come from."""

from acrmirror.archive.contents import Exported, Part, archive_parts, image_parts, images_of, loadable, platform_of
from acrmirror.archive.fetching import Fetch
from acrmirror.archive.folder import write_folder
from acrmirror.archive.segments import Segment, segments, size_of
from acrmirror.archive.tarball import write_file, write_stream

__all__ = [
    "Exported",
    "Fetch",
    "Part",
    "Segment",
    "archive_parts",
    "image_parts",
    "images_of",
    "loadable",
    "platform_of",
    "segments",
    "size_of",
    "write_file",
    "write_folder",
    "write_stream",
]
