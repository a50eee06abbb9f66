"""The queries that a deployment comes with, as Azure gets them, read by Kusto's own language service."""

import json
from collections.abc import Mapping
from functools import cache

from devtools.bicep.settled import at
from devtools.deployment.scenarios import SCENARIOS, TOKEN, Scenario, run
from devtools.kusto.language import Query, read
from standins.azurite import Tools
from tests.documentation import ROOT, blocks

GRAIN = "5m"
"""What a workbook puts in place of `{range:grain}`, for a range of a day."""
ALERTS = "Microsoft.Insights/scheduledQueryRules"


def alerts(scenario: Scenario = SCENARIOS[0]) -> Mapping[str, str]:
    """Each log alert by the end of its name, such as `quiet`."""
    rules = run(scenario).of(ALERTS)
    return {
        rule.name.removeprefix(f"mirror-{TOKEN}-"): at(rule.body, "properties/criteria/allOf/0/query") for rule in rules
    }


@cache
def panels() -> Mapping[str, str]:
    """Each of the workbook that asks something, by its name."""
    book = run(SCENARIOS[0]).of("Microsoft.Insights/workbooks")[0]
    items = json.loads(at(book.body, "properties/serializedData"))["items"]
    asking = {item["name"]: item["content"]["query"] for item in items if "query" in item["content"]}
    return {name: query.replace("{range:grain}", GRAIN) for name, query in asking.items()}


def documented() -> Mapping[str, str]:
    """Each in the docs, by its page and number."""
    pages = [str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").glob("*.md"))]
    return {f"{page}, {number}": text for page in pages for number, text in enumerate(blocks(page, "kusto"))}


@cache
def understood() -> Mapping[str, Query]:
    """All of them, by "alert quiet" ("everything: alert quiet" there), "panel lag", "docs/telemetry.md, 0"."""
    asked = {f"alert {name}": text for name, text in alerts().items()}
    asked |= {f"everything: alert {name}": text for name, text in alerts(SCENARIOS[1]).items()}
    asked |= {f"panel {name}": text for name, text in panels().items()}
    return read({**asked, **documented()}, Tools.find().node)
