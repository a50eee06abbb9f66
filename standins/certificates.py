"""A throwaway certificate authority, so that the local stack runs over TLS as the real services do.

Nothing here is ever installed in the machine's trust store: whoever should trust it is handed `ca.pem`.
`python -m standins.certificates FOLDER` writes `ca.pem` and `server.pem` there.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import trustme

# An account's own label is what storage SDKs take the account's name from. OpenSSL does not let a wildcard stand
# right before a top-level name, so the name used is spelled out beside that one.
NAMES = (
    "localhost",
    "127.0.0.1",
    "::1",
    "*.localhost",
    "data.localhost",
    "*.blob.localhost",
    "*.queue.localhost",
    "*.table.localhost",
)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of the PEM files: `ca` is to be trusted, `server` holds private key and chain, for servers."""

    ca: Path
    server: Path


def make_certificates(folder: Path) -> Certificates:
    """Writes `ca.pem` and `server.pem` (key first, then the chain; readable by the owner only) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(ca=folder / "ca.pem", server=folder / "server.pem")
    authority = trustme.CA(organization_name="Local stack")
    certificate = authority.issue_cert(*NAMES)
    authority.cert_pem.write_to_path(str(made.ca))
    with os.fdopen(os.open(made.server, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(certificate.private_key_and_cert_chain_pem.bytes())
    return made


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python -m standins.certificates FOLDER")
    made = make_certificates(Path(sys.argv[1]))
    print(f"{made.ca} is to be trusted, {made.server} is a server's key and chain")


if __name__ == "__main__":
    main()
