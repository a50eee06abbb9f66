"""Where the function app is and what opens it: flags, then the environment, then a file."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from acrmirror.client import Client
from acrmirror.errors import Misconfigured

_KNOWN = ("url", "key", "ca")


@dataclass(frozen=True, slots=True)
class Connection:
    """What flags and environment gave; the rest is in `config`, a TOML file that need not be there."""

    url: str | None
    key: str | None
    ca: Path | None
    config: Path

    def open(self) -> Client:
        """Raises Misconfigured."""
        told = read_config(self.config)
        url = self.url or told.get("url")
        if url is None:
            raise Misconfigured(
                "find the function app",
                "there is no URL",
                f'Give --url, set ACRMIRROR_URL, or write url = "https://…" into {self.config}.',
            )
        return Client(url, self.key or told.get("key"), ca=self.authority)

    @property
    def authority(self) -> Path | None:
        """The PEM file of an authority to trust, too. Raises Misconfigured."""
        told = read_config(self.config)
        return self.ca or (Path(told["ca"]).expanduser() if "ca" in told else None)


def read_config(path: Path) -> dict[str, str]:
    """`url`, `key` and `ca`, as far as they are there. Raises Misconfigured."""
    if not path.exists():
        return {}
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"read {path}", str(error), "Correct it, or remove it.") from error
    wrong = [key for key, value in told.items() if key not in _KNOWN or not isinstance(value, str)]
    if wrong:
        raise Misconfigured(
            f"read {path}", f"it has {', '.join(wrong)}", f"It takes {', '.join(_KNOWN)}, each a string."
        )
    return {key: str(value) for key, value in told.items()}
