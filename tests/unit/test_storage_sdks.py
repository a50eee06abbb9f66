"""The SDKs of Azure Storage are used in one room: all others know its ports."""

import ast
from collections.abc import Iterator
from pathlib import Path

APP = Path(__file__).resolve().parents[2] / "acrmirror"
SDKS = ("azure.storage", "azure.data")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (it.name for it in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{it.name}" for it in node.names)


def test_only_the_room_for_storage_imports_them() -> None:
    rooms = {
        path.relative_to(APP).parts[0]
        for path in APP.rglob("*.py")
        if any(name == sdk or name.startswith(f"{sdk}.") for name in imported(path) for sdk in SDKS)
    }
    assert rooms == {"storage"}
