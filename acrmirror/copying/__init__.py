"""Copies images: walks the graph, moves what is missing, and knows neither Azure nor jobs."""

from acrmirror.cancel import Cancel
from acrmirror.copying.context import Claim, Claims, Context, LayerProgress, Progress, Source, Target
from acrmirror.copying.conveyor import move_blobs
from acrmirror.copying.graph import copy_graph
from acrmirror.copying.image import Copied, copy_image
from acrmirror.copying.lagging import ask_again
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
    "ask_again",
    "copy_graph",
    "copy_image",
    "copy_platforms",
    "move_blobs",
]
