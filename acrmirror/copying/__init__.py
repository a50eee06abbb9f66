"""Copies images: walks the graph, moves what is missing, and knows neither Azure nor jobs."""

from acrmirror.cancel import Cancel
from acrmirror.copying.budget import Budget
from acrmirror.copying.context import Context, Listed
from acrmirror.copying.conveyor import move_blobs
from acrmirror.copying.copied import Copied
from acrmirror.copying.image import copy_image
from acrmirror.copying.lagging import ask_again
from acrmirror.copying.platforms import copy_platforms
from acrmirror.copying.ports import Source, Target
from acrmirror.copying.progress import LayerProgress, Progress
from acrmirror.copying.restoring import Restored, restore_image

__all__ = [
    "Budget",
    "Cancel",
    "Context",
    "Copied",
    "LayerProgress",
    "Listed",
    "Progress",
    "Restored",
    "Source",
    "Target",
    "ask_again",
    "copy_image",
    "copy_platforms",
    "move_blobs",
    "restore_image",
]
