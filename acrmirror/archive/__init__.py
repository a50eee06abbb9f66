"""Archives and layout folders that container tools load, from manifests and blobs, wherever these come from."""

from acrmirror.archive.contents import Exported, Part, archive_parts, exported, image_parts, images_of
from acrmirror.archive.fetching import Fetch, Range
from acrmirror.archive.folder import write_folder
from acrmirror.archive.loading import LOADED_CONFIG_LIMIT, unloadable
from acrmirror.archive.tarball import END, header, padding, write_file, write_stream
from acrmirror.platforms import platform_of

__all__ = [
    "END",
    "LOADED_CONFIG_LIMIT",
    "Exported",
    "Fetch",
    "Part",
    "Range",
    "archive_parts",
    "exported",
    "header",
    "image_parts",
    "images_of",
    "padding",
    "platform_of",
    "unloadable",
    "write_file",
    "write_folder",
    "write_stream",
]
