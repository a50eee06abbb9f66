"""How far a run is. Figures never go back: a layer that is read again counts from its high mark."""

import threading
import time
from dataclasses import dataclass, replace

from acrmirror.copying.ports import Arrived
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.work import LayerState

NOTES_KEPT = 50


@dataclass(slots=True)
class LayerProgress:
    """One blob; `done` are its bytes that have arrived.

    Of its last reading from the registry: `first` is when its first byte came, by the monotonic clock, `read` how many
    have come, `took` the seconds from there until the blob was done.
    """

    size: int
    done: int = 0
    state: LayerState = "waiting"
    first: float | None = None
    read: int = 0
    took: float = 0.0


class Progress:
    """What is known of a run so far. Thread-safe. `bytes_written` are those that were really sent to storage."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.layers: dict[str, LayerProgress] = {}
        self.manifests = 0
        self.bytes_read = 0
        self.bytes_written = 0
        self.notes: list[str] = []

    def plan(self, descriptor: Descriptor) -> None:
        with self._lock:
            self.layers.setdefault(str(descriptor.digest), LayerProgress(descriptor.size))

    def state(self, digest: Digest, state: LayerState) -> None:
        with self._lock:
            layer = self.layers.setdefault(str(digest), LayerProgress(0))
            layer.state = state
            if state in ("done", "skipped"):
                layer.done = layer.size
                layer.took = time.monotonic() - layer.first if layer.first is not None else 0.0

    def reading(self, digest: Digest) -> Arrived:
        """For one reading of a whole blob from the registry: to be told of its bytes as they arrive, in whatever order.

        So progress is seen on the slowest link, where all threads' blocks fill up together and end together.
        """
        arrived = 0

        def tell(count: int) -> None:
            nonlocal arrived
            with self._lock:
                arrived += count
                self.bytes_read += count
                layer = self.layers.setdefault(str(digest), LayerProgress(0))
                layer.done = max(layer.done, arrived)
                if layer.first is None or arrived == count:
                    layer.first = time.monotonic()
                layer.read = arrived

        return tell

    def checking(self, digest: Digest) -> Arrived:
        """As `reading`, for a blob that is read from the mirror: nothing is requested of the registry."""
        arrived = 0

        def tell(count: int) -> None:
            nonlocal arrived
            with self._lock:
                arrived += count
                layer = self.layers.setdefault(str(digest), LayerProgress(0))
                layer.done = max(layer.done, arrived)

        return tell

    def read_again(self, count: int) -> None:
        """Bytes that were read once more, of a blob that was through."""
        with self._lock:
            self.bytes_read += count

    def wrote(self, count: int) -> None:
        with self._lock:
            self.bytes_written += count

    def manifest_written(self) -> None:
        with self._lock:
            self.manifests += 1

    def note(self, text: str) -> None:
        """Something that whoever reads the record ought to know; kept once, however often it is said."""
        with self._lock:
            if text not in self.notes and len(self.notes) < NOTES_KEPT:
                self.notes.append(text)

    @property
    def bytes_done(self) -> int:
        with self._lock:
            return sum(layer.done for layer in self.layers.values())

    def snapshot(self) -> dict[str, LayerProgress]:
        with self._lock:
            return {key: replace(it) for key, it in self.layers.items()}
