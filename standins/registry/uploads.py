"""Uploads of blobs under way: one file and one running hash each."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from .errors import RegistryError
from .wire import CHUNK, Body, RegistryRequest, shared_buffer


@dataclass(slots=True)
class Upload:
    id: str
    repository: str
    path: Path
    algorithm: str
    offset: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    hasher: hashlib._Hash = field(init=False)

    def __post_init__(self) -> None:
        self.hasher = hashlib.new(self.algorithm)
        self.path.touch()

    def append(self, body: Body) -> None:
        with self.path.open("ab", buffering=0) as file:
            for piece in body.all_pieces():
                file.write(piece)
                self.hasher.update(piece)
                self.offset += len(piece)

    def digest(self, algorithm: str) -> str:
        if algorithm == self.algorithm:
            return f"{algorithm}:{self.hasher.hexdigest()}"
        # The client first said at the end which algorithm it meant.
        hasher, buffer = hashlib.new(algorithm), shared_buffer()
        with self.path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer[:CHUNK]):
                hasher.update(buffer[:count])
        return f"{algorithm}:{hasher.hexdigest()}"


class Uploads:
    """The sessions, and the signed state that travels in their Location."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[str, Upload] = {}
        self._key = secrets.token_bytes(32)

    def begin(self, repository: str, algorithm: str) -> Upload:
        if algorithm not in ("sha256", "sha512"):
            raise RegistryError("DIGEST_INVALID", f"digest algorithm {algorithm} is not supported")
        name = str(uuid.uuid4())
        upload = Upload(name, repository, self._folder / name, algorithm)
        with self._lock:
            self._open[name] = upload
        return upload

    def find(self, request: RegistryRequest, repository: str, name: str, *, stale: bool = False) -> Upload:
        """BLOB_UPLOAD_UNKNOWN for a session that isn't one, BLOB_UPLOAD_INVALID for a state that isn't its own; without
        `stale` also for that of an earlier chunk: who sends a chunk a second time because its answer was lost is
        refused, as users of Azure's SDKs were (azure-sdk-for-python#29738)."""
        with self._lock:
            upload = self._open.get(name)
        if upload is None or upload.repository != repository:
            raise RegistryError("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        offset, _, signature = request.parameter("_state").partition(".")
        if not hmac.compare_digest(signature, self._sign(upload, offset)):
            raise RegistryError("BLOB_UPLOAD_INVALID", "blob upload invalid", "invalid upload state")
        if offset != str(upload.offset) and not stale:
            raise RegistryError("BLOB_UPLOAD_INVALID", "blob upload invalid", status=404)
        return upload

    def end(self, upload: Upload) -> None:
        with self._lock:
            self._open.pop(upload.id, None)
        upload.path.unlink(missing_ok=True)

    def location(self, upload: Upload) -> str:
        # Relative, and with a state that changes at every chunk, as Azure Container Registry was seen to answer.
        state = f"{upload.offset}.{self._sign(upload, str(upload.offset))}"
        return f"/v2/{upload.repository}/blobs/uploads/{upload.id}?_nouploadcache=false&_state={state}"

    def _sign(self, upload: Upload, offset: str) -> str:
        return hmac.new(self._key, f"{upload.id} {offset}".encode(), "sha256").hexdigest()
