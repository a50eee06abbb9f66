"""Archives and layout folders that container tools load, from manifests and blobs, wherever these come from."""

from acrmirror.archive.contents import (
    Exported,
    Part,
    archive_parts,
    exported,
    image_parts,
    images_of,
    loadable,
    platform_of,
)
from acrmirror.archive.fetching import Fetch, Range
from acrmirror.archive.folder import write_folder
from acrmirror.archive.tarball import END, header, padding, write_file, write_stream

__all__ = [
    "END",
    "Exported",
    "Fetch",
    "Part",
    "Range",
    "archive_parts",
    "exported",
    "header",
    "image_parts",
    "images_of",
    "loadable",
    "padding",
    "platform_of",
    "write_file",
    "write_folder",
    "write_stream",
]
