"""Tags whose names storage may not keep."""

from acrmirror.errors import UnkeptName
from acrmirror.mirror.layout import trial
from acrmirror.storage import Container


class KeptNames:
    """Storage may not keep a path in which a part ends in a dot (rule L8), and what is written under such a tag would
    be another's. Thread-safe."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._kept: set[str] = set()

    def check(self, tag: str, asked: str) -> None:
        """Raises UnkeptName. The name is tried where nothing else is, before anything is written under the tag (rule
        H6). Where the dot is cut off in reads, too, only a listing tells."""
        if not tag.endswith(".") or tag in self._kept:
            return
        name = trial(tag)
        self._container.swap(name, b"", None, asked)
        if not any(it.name == name for it in self._container.list(name, asked)):
            raise UnkeptName(
                asked,
                "storage does not keep names in which a part ends in a dot",
                "The image is mirrored by its digest; give it a tag that does not end in a dot.",
            )
        self._kept.add(tag)
