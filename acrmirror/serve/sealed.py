"""Names that a client hands back and can not read: where a listing goes on, behind what the client may not see."""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable

from acrmirror.errors import Malformed
from acrmirror.reference import check_repository
from acrmirror.storage import Table

MARK = "~"
"""What a sealed name begins with, and no name of a repository does."""
PARTITION, ROW = "serve", "sealing-key"
SIZE = 256
"""Bytes of every name within: a sealed one does not tell how long it is. No repository's name is longer."""
NONCE, TAG = 16, 16
_ASKED = "read the key that seals where a catalogue goes on"


def key_in(table: Table) -> Callable[[], bytes]:
    """The key that all instances share: it is in the table of records, made by the first instance that needs it, and
    read once a process. It opens nothing but such names. The call raises Unavailable and Denied."""
    guard = threading.Lock()
    known: list[bytes] = []

    def key() -> bytes:
        with guard:
            while not known:
                found = table.get(PARTITION, ROW, _ASKED)
                if found is not None:
                    known.append(bytes.fromhex(str(found.fields["key"])))
                else:
                    # Whether it is this one or another instance's: what is in the table counts.
                    table.swap(PARTITION, ROW, {"key": secrets.token_hex(32)}, None, _ASKED)
            return known[0]

    return key


class Sealed:
    """Seals and opens names of repositories. Raises as `key` does."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    def seal(self, name: str) -> str:
        key, nonce = self._key(), secrets.token_bytes(NONCE)
        hidden = _hidden(key, nonce, name.encode().ljust(SIZE))
        return MARK + base64.urlsafe_b64encode(nonce + _tag(key, nonce + hidden) + hidden).decode().rstrip("=")

    def open(self, text: str) -> str | None:
        """The name in what `seal` gave; None for any other text."""
        encoded = text.removeprefix(MARK)
        try:
            raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        nonce, tag, hidden = raw[:NONCE], raw[NONCE : NONCE + TAG], raw[NONCE + TAG :]
        key = self._key()
        if len(hidden) != SIZE or not hmac.compare_digest(tag, _tag(key, nonce + hidden)):
            return None
        try:
            return check_repository(_hidden(key, nonce, hidden).decode().rstrip())
        except (Malformed, ValueError):
            return None


def _hidden(key: bytes, nonce: bytes, data: bytes) -> bytes:
    """Of plain bytes the hidden ones, and the other way round."""
    stream = hashlib.shake_256(b"hide" + key + nonce).digest(len(data))
    return bytes(one ^ other for one, other in zip(data, stream, strict=True))


def _tag(key: bytes, data: bytes) -> bytes:
    """Without it, a client could change a name unread, and learn from where a listing goes on what it was."""
    return hmac.digest(key, data, "sha256")[:TAG]
