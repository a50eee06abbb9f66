"""Comments name rules by letter and number, and docs/rules.md has each of them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
FOLDERS = ("acrmirror", "tests", "bench", "docs", "infra", "devtools", "standins", "testkit")
NAMED = re.compile(r"\brules? ((?:[A-Z][0-9]+(?:, | and |–)?)+)")


def rules_named_in(text: str) -> set[str]:
    """Every rule that "rule L2" or "rules L9 and S7" names."""
    return {rule for run in NAMED.findall(text) for rule in re.findall(r"[A-Z][0-9]+", run)}


def test_every_rule_that_is_named_anywhere_is_in_the_document() -> None:
    defined = set(re.findall(r"^\*\*([A-Z][0-9]+)\.", RULES, re.MULTILINE))
    assert {"B1", "L3", "H6", "W9", "R4", "S7"} <= defined
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.suffix in (".py", ".md", ".js")]
    named = {rule: file for file in files for rule in rules_named_in(file.read_text(encoding="utf-8"))}
    assert "L2" in named
    unknown = {rule: str(file.relative_to(ROOT)) for rule, file in named.items() if rule not in defined}
    assert unknown == {}


def test_a_rule_is_defined_once() -> None:
    defined = re.findall(r"^\*\*([A-Z][0-9]+)\.", RULES, re.MULTILINE)
    assert len(defined) == len(set(defined))
