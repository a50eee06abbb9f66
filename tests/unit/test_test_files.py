"""pytest imports test files by their names alone: two of one name that run together are an error at collection."""

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_files_that_run_together_have_names_of_their_own() -> None:
    names = Counter(
        path.name for part in ("unit", "infra", "integration") for path in TESTS.glob(f"{part}/**/test_*.py")
    )
    assert [name for name, count in names.items() if count > 1] == []
