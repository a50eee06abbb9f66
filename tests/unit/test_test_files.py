"""pytest imports test files by their names alone: two of one name that run together are an error at collection."""

from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests/unit", "tests/infra", "tests/integration", "standins/tests")


def test_files_that_run_together_have_names_of_their_own() -> None:
    names = Counter(path.name for folder in FOLDERS for path in (ROOT / folder).glob("**/test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
