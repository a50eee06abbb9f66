"""A registry, a mirror and claims in memory, for tests of what is copied, in which order, and what is left.

They keep the promises of `acrmirror/copying/ports.py`, as the suites in `tests/contracts` hold them to.
"""

from tests.in_memory.claims import Claims
from tests.in_memory.mirror import BLOCK, Mirror, TagState
from tests.in_memory.reading import PIECE, Reads
from tests.in_memory.registry import AT, LAYER, ManifestBytes, Registry, Resolved

__all__ = [
    "AT",
    "BLOCK",
    "LAYER",
    "PIECE",
    "Claims",
    "ManifestBytes",
    "Mirror",
    "Reads",
    "Registry",
    "Resolved",
    "TagState",
]
