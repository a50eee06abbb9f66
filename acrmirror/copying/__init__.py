"""Copies images: walks the graph, moves what is missing, and knows neither Azure nor jobs."""

from acrmirror.cancel import Cancel
from acrmirror.copying.context import Claim, Claims, Context, LayerProgress, Progress, Source, Target
from acrmirror.copying.conveyor import move_blobs
from acrmirror.copying.graph import copy_graph
from acrmirror.copying.image import Copied, copy_image, follow_tag
from acrmirror.copying.platforms import copy_platforms

__all__ = [
    "Cancel",
    "Claim",
    "Claims",
    "Context",
    "Copied",
    "LayerProgress",
    "Progress",
    "Source",
    "Target",
    "copy_graph",
    "copy_image",
    "copy_platforms",
    "follow_tag",
    "move_blobs",
]
