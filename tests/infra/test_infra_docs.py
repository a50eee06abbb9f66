"""The docs of the deployment say what the templates do."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from devtools.bicep.reading import Declaration, read
from devtools.bicep.settled import at
from devtools.deployment import INFRA, permissions
from devtools.deployment import __main__ as tool
from devtools.deployment.permissions import PERMISSIONS, Permission, assignments, granted
from devtools.deployment.scenarios import SCENARIOS, TOKEN, run

ROOT = INFRA.parent
DOCS = ROOT / "docs"
PAGES = (
    "deploy.md",
    "alerts.md",
    "troubleshooting.md",
    "recover.md",
    "upgrade.md",
    "telemetry.md",
    "cost.md",
    "security.md",
    "deployed.md",
    "roles.md",
)
WORKFLOWS = ROOT / ".github" / "workflows"


@pytest.mark.parametrize("name", tool.PAGES)
def test_what_is_made_from_the_templates_is_up_to_date(name: str) -> None:
    """If not: `python3 dev.py infra --write`."""
    assert (DOCS / name).read_text(encoding="utf-8") == tool.PAGES[name]()


@pytest.mark.parametrize("permission", PERMISSIONS, ids=lambda permission: f"{permission.who}: {permission.what}")
def test_every_permission_is_granted(permission: Permission) -> None:
    assert granted(permission)


def test_no_role_could_be_left_out() -> None:
    assert list(permissions.unused()) == []
    only = {granted(permission)[0] for permission in PERMISSIONS if len(granted(permission)) == 1}
    assert only == set(assignments())


def rows(name: str, columns: int) -> list[list[str]]:
    text = (DOCS / name).read_text(encoding="utf-8")
    found = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return [row for row in found if len(row) == columns]


def test_every_parameter_is_described_with_its_variable_and_its_default() -> None:
    listed = {row[1].strip("`"): row for row in rows("deploy.md", 4)}
    variables = dict(
        re.findall(
            r"^param (\w+) = .*?readEnvironmentVariable\('(\w+)'", (INFRA / "main.bicepparam").read_text(), re.MULTILINE
        )
    )
    for parameter in read(INFRA / "main.bicep").of("param"):
        assert parameter.name in listed, parameter.name
        variable, _, default, _ = listed[parameter.name]
        assert variable.strip("`") == variables.get(parameter.name, ""), parameter.name
        assert described(parameter) in (None, default.strip("`")), parameter.name


def described(parameter: Declaration) -> str | None:
    """The default as the docs give it; None where it needs words."""
    default = parameter.value
    value = default.parts[0] if default is not None and default.what == "literal" else None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value and parameter.name != "registryAudience" else None


def test_every_alert_is_described_with_its_severity_and_how_often_it_looks() -> None:
    listed = {row[0].strip("`"): row for row in rows("alerts.md", 4)}
    deployment = run(SCENARIOS[0])
    alerts = deployment.of("Microsoft.Insights/scheduledQueryRules") + deployment.of("Microsoft.Insights/metricAlerts")
    every = {"PT5M": "5 min", "PT15M": "15 min", "PT1H": "1 h"}
    for alert in alerts:
        row = listed[alert.name.replace(TOKEN, "…")]
        assert row[1] == str(at(alert.body, "properties/severity"))
        assert row[2] == every[at(alert.body, "properties/evaluationFrequency")]
    assert len(listed) == len(alerts) + 2  # the table's head


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        page = (DOCS / file) if file else (DOCS / name)
        assert page.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}, (
                target
            )
    for named in re.findall(r"`((?:infra|\.github|docs)/[\w./-]+)`", text):
        assert (ROOT / named).exists() or list((ROOT / named).parent.glob(f"{Path(named).name}.*")), named


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.name)
def test_a_workflow_reads_no_secret_and_may_only_what_it_must(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    # Hashes of passwords, which a variable would show to whoever reads the repository.
    assert set(re.findall(r"secrets\.(\w+)", text)) <= {"MIRROR_SERVE_USERS"}
    wanted = {"contents": "read", "id-token": "write"} if path.stem == "deploy" else {"contents": "read"}
    assert workflow["permissions"] == wanted
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]
        for step in job["steps"]:
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def read_by_the_parameter_file() -> set[str]:
    text = (INFRA / "main.bicepparam").read_text(encoding="utf-8")
    return set(re.findall(r"readEnvironmentVariable\('(\w+)'", text))


def test_the_deploy_workflow_passes_every_variable_that_the_parameter_file_reads() -> None:
    """What it left out, a deployment from GitHub set back to its default: private networking, immutability."""
    given = yaml.safe_load((WORKFLOWS / "deploy.yml").read_text(encoding="utf-8"))["jobs"]["deploy"]["env"]
    of_the_workflow = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID", "MIRROR_REGISTRY_NAME"}
    of_the_workflow.add("MIRROR_SMOKE_TEST")
    assert set(given) == read_by_the_parameter_file() | of_the_workflow
    for name, value in given.items():
        assert re.fullmatch(rf"\$\{{\{{ (vars|secrets)\.{name} \}}\}}", value), name


@pytest.mark.parametrize(
    "name", ["AZURE_LOCATION", "AZURE_ENV_NAME", "AZURE_CLIENT_ID", "MIRROR_REGISTRY_ID", "MIRROR_LOCATION"]
)
def test_the_deploy_workflow_says_in_its_first_step_what_is_not_set(name: str) -> None:
    steps = yaml.safe_load((WORKFLOWS / "deploy.yml").read_text(encoding="utf-8"))["jobs"]["deploy"]["steps"]
    given = yaml.safe_load((WORKFLOWS / "deploy.yml").read_text(encoding="utf-8"))["jobs"]["deploy"]["env"]
    environment = {
        **dict.fromkeys(given, "x"),
        "MIRROR_REGISTRY_NAME": "",
        "MIRROR_EXISTING_ACCOUNT_ID": "",
        "PATH": os.environ["PATH"],
    }
    bash = ["bash", "-e", "-c", steps[0]["run"]]
    assert subprocess.run(bash, env=environment, check=False).returncode == 0
    ended = subprocess.run(bash, env={**environment, name: ""}, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert name in ended.stdout


def test_azd_hands_the_workflow_every_variable_that_it_passes() -> None:
    """`azd pipeline config` asks for what azure.yaml lists; what it leaves out would have its default."""
    pipeline = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))["pipeline"]
    given = yaml.safe_load((WORKFLOWS / "deploy.yml").read_text(encoding="utf-8"))["jobs"]["deploy"]["env"]
    assert pipeline["secrets"] == ["MIRROR_SERVE_USERS"]
    assert {*pipeline["variables"], *pipeline["secrets"]} == {name for name in given if name.startswith("MIRROR_")}


def test_templates_are_looked_at_by_rules_and_by_azure_itself() -> None:
    """Only what-if may sign in, where somebody set it up, and it deploys nothing."""
    jobs = yaml.safe_load((WORKFLOWS / "templates.yml").read_text(encoding="utf-8"))["jobs"]
    assert "Assert-PSRule" in jobs["psrule"]["steps"][-1]["run"]
    assert "permissions" not in jobs["psrule"]
    assert jobs["what-if"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert "WHAT_IF_REGISTRY_ID" in jobs["what-if"]["if"]
    assert jobs["what-if"]["steps"][-1]["run"].startswith("az deployment sub what-if ")


def test_the_test_workflow_has_the_compiler_look_at_the_templates() -> None:
    steps = yaml.safe_load((WORKFLOWS / "test.yml").read_text(encoding="utf-8"))["jobs"]["test"]["steps"]
    commands = "\n".join(step.get("run", "") for step in steps)
    assert "az bicep install" in commands
    assert "python3 dev.py infra" in commands


def test_what_costs_come_to_follows_from_the_prices_beside_them() -> None:
    """And each price says of where and when it is; what has no figure says so."""
    prices = {row[0]: row for row in rows("cost.md", 5) if len(row[0]) == 1}
    assert set(prices) == set("FAaXSWRQTELPBKV")
    for symbol, row in prices.items():
        assert (row[2] == "—") == (row[3] == ""), symbol
        assert row[2] == "—" or re.search(r", (after )?20\d\d-\d\d-\d\d \[\d\]$", row[3]), symbol
    price = {symbol: float(row[2]) for symbol, row in prices.items() if row[2] != "—"}
    m, n, gigabytes, speed, memory = 1, 4, 0.25, 0.1, 2
    costs = {
        "events": 2 * m * price["E"] / 1000,
        "executions": 2 * m * price["X"] / 1000,
        "run time": (gigabytes / speed + m) * memory * 1000 * price["F"],
        "queue": 4000 * m * price["Q"] / 10_000,
        "job records": (3 * m + gigabytes / speed) * 1000 * price["T"] / 10_000,
        "writes to the mirror": (128 * gigabytes + 2 * n + 5 * m) * 1000 * price["W"] / 10_000,
        "reads of the mirror": (4 * n + 2 * m) * 1000 * price["R"] / 10_000,
        "telemetry": 0.03 * m * price["L"],
    }
    listed = {row[0].strip("*"): row[1].strip("*") for row in rows("cost.md", 2)}
    assert {name: listed[name] for name in costs} == {name: f"{cost:.4f}" for name, cost in costs.items()}
    assert listed["all of it"] == f"{sum(costs.values()):.2f}"
    text = " ".join((DOCS / "cost.md").read_text(encoding="utf-8").split())
    stored, ready = 1000 * gigabytes * price["S"], 10_512_000 * price["A"]
    assert f"from then on {stored:.2f} a month" in text
    written, run = 12.8 * price["W"], 1000 / speed * memory * price["F"]
    assert (
        f"{written:.2f} for the writes and {run:.2f} for the run time, once, and {1000 * price['S']:.2f} a month"
        in text
    )
    polling, endpoints = 2 * 262.8 * price["Q"], 4 * price["P"]
    assert f"{ready:.2f} for the two always-ready instances, {polling:.2f} for their polling" in text
    assert f"{endpoints:.2f} for four private endpoints" in text
    idle, pushed = 2 * 730 * 0.0014 * price["L"], 0.008 * price["L"]
    assert f"{idle:.2f} for their telemetry" in text
    told = " ".join((DOCS / "telemetry.md").read_text(encoding="utf-8").split())
    assert f"two ready instances cost {idle:.2f} US$ a month, and a thousand pushes {pushed:.2f}" in told
