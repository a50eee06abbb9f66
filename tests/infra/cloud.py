"""Azure as the hooks see it through `az` and `azd`: commands that refuse what the real ones refuse, over a state.

A flag that a command does not have, one that it lacks, an empty word, a word that `az.cmd` would not pass on: each ends
the command as the real one ends. `tests/interop/test_azure_cli.py` gives what is asked here to the real CLI's parser.
As a program (`python cloud.py STATE az …`) it keeps the state in a file.
"""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = "11111111-1111-1111-1111-111111111111"
THERE = "22222222-2222-2222-2222-222222222222"
REGISTRY = (
    f"/subscriptions/{THERE}/resourceGroups/rg-Bücher/providers/Microsoft.ContainerRegistry/registries/demoimages"
)
MORE = ("OperationalInsights", "Network")
OWNER = [{"actions": ["*"], "notActions": []}]
EVERYWHERE = ("--output", "--only-show-errors", "--subscription", "--query")
# Of each command: the flags that it needs, then those that it knows.
COMMANDS: dict[str, tuple[str, str]] = {
    "version": ("", ""),
    "account show": ("", ""),
    "account list": ("", "--all"),
    "acr list": ("", "--resource-group"),
    "acr show": ("--name", "--resource-group"),
    "acr login": ("--name", "--expose-token --resource-group"),
    "eventgrid system-topic list": ("", "--resource-group --odata-query"),
    "eventgrid system-topic update": ("--name --resource-group", "--mi-system-assigned --tags"),
    "functionapp list-flexconsumption-locations": ("", "--zone-redundant --show-details --runtime"),
    "functionapp list-flexconsumption-runtimes": ("--location --runtime", ""),
    "functionapp function show": ("--name --resource-group --function-name", ""),
    "functionapp keys list": ("--name --resource-group", "--slot"),
    "provider list": ("", "--expand-resource-types"),
    "lock list": ("", "--resource-group"),
    "deployment group create": ("--resource-group", "--name --template-file --parameters --mode --no-wait"),
    "rest": ("--url", "--method --body --headers --resource"),
}
ALONE = ("--only-show-errors", "--expose-token", "--mi-system-assigned", "--zone-redundant", "--no-wait", "--all")
OF_CMD = '"%&|<>^!\r\n'


class Refused(Exception):
    """A command ends with this code and says this."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"ERROR: {text}")
        self.code = code


def azure(**changes: Any) -> dict[str, Any]:
    """A subscription in which everything is right, and another with the registry; `changes` replace parts of it."""
    topic: dict[str, Any] = {"name": "other", "resourceGroup": "rg-x", "source": "/other", "identity": None}
    state = {
        "versions": {"az": "2.91.0", "azd": "1.25.1"},
        "default": HERE,
        "accounts": [{"id": HERE, "name": "apps"}, {"id": THERE, "name": "images"}],
        "registries": [registry("demoimages", THERE, "rg-Bücher", "germanywestcentral")],
        "topics": [
            {
                **topic,
                "id": f"/subscriptions/{THERE}/resourceGroups/rg-x/providers/Microsoft.EventGrid/systemTopics/other",
            }
        ],
        "flex": ["westeurope", "germanywestcentral", "northeurope"],
        "runtimes": {"python": ["3.11", "3.13"]},
        "registered": {HERE: ["Web", "App", "EventGrid", "Storage", "ManagedIdentity", "Insights", *MORE]},
        "permissions": {},
        "skus": {
            "westeurope": ["Standard_LRS", "Standard_ZRS"],
            "germanywestcentral": ["Standard_LRS"],
            "northeurope": ["Standard_LRS"],
        },
        "function_after": 0,
        "pairs": {
            "germanywestcentral": "germanynorth",
            "germanynorth": "germanywestcentral",
            "northeurope": "westeurope",
        },
        "locks": {"rg-mirror-mirror": ["CanNotDelete"]},
        "failures": {},
        "deployments": [],
        "azd": {},
        "calls": [],
        "line_end": "\n",
    }
    return copy.deepcopy({**state, **changes})


def place(name: str, paired: str) -> dict[str, Any]:
    return {"name": name, "metadata": {"regionType": "Physical", "pairedRegion": [{"name": paired}]}}


def registry(name: str, subscription: str, group: str, location: str, sku: str = "Standard") -> dict[str, Any]:
    base = (
        f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerRegistry/registries/{name}"
    )
    return {
        "id": base,
        "name": name,
        "resourceGroup": group,
        "location": location,
        "sku": {"name": sku},
        "publicNetworkAccess": "Enabled",
    }


def topic(name: str, group: str, source: str, identity: str | None) -> dict[str, Any]:
    base = f"/subscriptions/{THERE}/resourceGroups/{group}/providers/Microsoft.EventGrid/systemTopics/{name}"
    kind = {"type": identity} if identity else None
    return {"id": base, "name": name, "resourceGroup": group, "source": source, "identity": kind}


def run(state: dict[str, Any], words: Sequence[str]) -> tuple[int, str, str]:
    """Code, standard output, standard error; the state says afterwards what was asked and what became of it."""
    state["calls"].append(list(words))
    try:
        answered = az(state, list(words[1:])) if words[0] == "az" else azd(state, list(words[1:]))
    except Refused as refused:
        return refused.code, "", f"{refused}{state['line_end']}"
    text = json.dumps(answered, indent=2, ensure_ascii=False) if answered is not None else ""
    return 0, f"{text}\n".replace("\n", state["line_end"]), ""


def azd(state: dict[str, Any], words: list[str]) -> Any:
    if words == ["version", "--output", "json"]:
        if state["versions"]["azd"] is None:
            raise Refused(1, "azd was not installed right")
        return {"azd": {"version": state["versions"]["azd"], "commit": "0"}}
    if words[:2] != ["env", "set"] or words[-2] != "--environment" or not words[-1]:
        raise Refused(1, f"unknown command {words}")
    for word in words[2:-2]:
        name, equals, value = word.partition("=")
        if not re.fullmatch(r"[A-Z]\w*", name) or not equals:
            raise Refused(1, f"invalid argument {word}")
        state["azd"][name] = value
    return None


def az(state: dict[str, Any], words: list[str]) -> Any:
    for word in words:
        if not word:
            raise Refused(2, "argument: expected one argument")
        if found := [letter for letter in OF_CMD if letter in word]:
            raise Refused(2, f"az.cmd would have given {word} without {found}")
    verb = next((name for name in COMMANDS if words[: name.count(" ") + 1] == name.split()), None)
    if verb is None:
        raise Refused(2, f"'{' '.join(words[:3])}' is misspelled or not recognized by the system.")
    given = flags(verb, words[verb.count(" ") + 1 :])
    if verb not in ("version", "account show", "account list", "rest") and "--subscription" not in given:
        raise Refused(1, f"{verb} would ask the CLI's default subscription, whichever that is")
    for start, failures in state["failures"].items():
        if " ".join(words).startswith(start) and failures:
            code, text = failures.pop(0)
            if code:
                raise Refused(code, text)
            break
    return ANSWERS[verb](state, given)


def flags(verb: str, words: list[str]) -> dict[str, str]:
    needed, known = (text.split() for text in COMMANDS[verb])
    given: dict[str, str] = {}
    while words:
        flag = words.pop(0)
        if flag not in (*needed, *known, *EVERYWHERE):
            raise Refused(2, f"unrecognized arguments: {flag}")
        given[flag] = "" if flag in ALONE else words.pop(0)
    if lacking := [flag for flag in needed if flag not in given]:
        raise Refused(2, f"the following arguments are required: {', '.join(lacking)}")
    return given


def _account(state: dict[str, Any], given: dict[str, str]) -> Any:
    wanted = given.get("--subscription", state["default"])
    for account in state["accounts"]:
        if wanted in (account["id"], account["name"]):
            return account
    raise Refused(1, "Please run 'az login' to setup account.")


def _registries(state: dict[str, Any], given: dict[str, str]) -> Any:
    start = f"/subscriptions/{given['--subscription']}/"
    return [item for item in state["registries"] if item["id"].startswith(start)]


def _registry(state: dict[str, Any], given: dict[str, str]) -> Any:
    for item in _registries(state, given):
        if item["name"].lower() == given["--name"].lower():
            return item
    raise Refused(
        3, f"(ResourceNotFound) The Resource 'Microsoft.ContainerRegistry/registries/{given['--name']}' was not found."
    )


def _topics(state: dict[str, Any], given: dict[str, str]) -> Any:
    return [item for item in state["topics"] if item["id"].startswith(f"/subscriptions/{given['--subscription']}/")]


def _update_topic(state: dict[str, Any], given: dict[str, str]) -> Any:
    """The flag makes the CLI build a request without any change, and end well."""
    return next(item for item in _topics(state, given) if item["name"] == given["--name"])


def _function(state: dict[str, Any], given: dict[str, str]) -> Any:
    if state["function_after"] > 0:
        state["function_after"] -= 1
        raise Refused(3, "(NotFound) Function with name 'on_registry_event' does not exist.")
    return {"name": f"{given['--name']}/{given['--function-name']}"}


def _providers(state: dict[str, Any], given: dict[str, str]) -> Any:
    there = state["registered"].get(given["--subscription"], [])
    names = ("Microsoft.Compute", *(f"Microsoft.{name}" for name in there), "Microsoft.ContainerRegistry")
    registered = [{"namespace": name, "registrationState": "Registered"} for name in names]
    return [*registered, {"namespace": "microsoft.support", "registrationState": "NotRegistered"}]


def _deploy(state: dict[str, Any], given: dict[str, str]) -> Any:
    """Takes a template's parameters by a file alone, as the template declares them."""
    declared = {
        name: (kind, bool(default))
        for name, kind, default in re.findall(
            r"^param (\w+) (\S+)( =)?", Path(given["--template-file"]).read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    file = given["--parameters"]
    if not file.startswith("@"):
        raise Refused(1, f"Unable to parse parameter: {file}")
    values = {name: item["value"] for name, item in read(file)["parameters"].items()}
    for name, (kind, optional) in declared.items():
        right = isinstance(values.get(name), list if kind.endswith("[]") else str)
        if not (right or (optional and name not in values)):
            raise Refused(1, f"InvalidTemplate: parameter {name} is {values.get(name)!r}")
    if unknown := set(values) - set(declared):
        raise Refused(1, f"InvalidTemplate: unrecognized parameters {unknown}")
    state["deployments"].append(
        {**{flag: given[flag] for flag in ("--subscription", "--resource-group")}, "values": values}
    )
    return {"properties": {"provisioningState": "Succeeded"}}


def read(word: str) -> Any:
    return json.loads(Path(word.removeprefix("@")).read_text(encoding="utf-8"))


def _locks(state: dict[str, Any], given: dict[str, str]) -> Any:
    group = given["--resource-group"]
    if group not in state["locks"]:
        raise Refused(3, f"(ResourceGroupNotFound) Resource group '{group}' could not be found.")
    return [{"name": "keep-the-mirror", "level": level} for level in state["locks"][group]]


def _rest(state: dict[str, Any], given: dict[str, str]) -> Any:
    path, _, version = given["--url"].partition("?api-version=")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", version):
        raise Refused(1, "Bad Request: MissingApiVersionParameter")
    if path.endswith("/providers/Microsoft.Authorization/permissions"):
        scope = path.removesuffix("/providers/Microsoft.Authorization/permissions")
        return {"value": state["permissions"].get(scope, OWNER)}
    if path.endswith("/locations"):
        return {"value": [place(*item) for item in state["pairs"].items()]}
    if path.endswith("/providers/Microsoft.Storage/skus"):
        return {
            "value": [
                {"name": name, "kind": "StorageV2", "locations": [place], "restrictions": []}
                for place, names in state["skus"].items()
                for name in names
            ]
        }
    for item in state["topics"]:
        if item["id"].lower() == path.lower():
            if given.get("--method") == "patch" and state.get("takes_identity", True):
                item["identity"] = read(given["--body"])["identity"]
            return item
    raise Refused(3, 'Not Found({"error":{"code":"ResourceNotFound"}})')


ANSWERS: dict[str, Callable[[dict[str, Any], dict[str, str]], Any]] = {
    "version": lambda state, _: {"azure-cli": state["versions"]["az"], "extensions": {}},
    "account show": _account,
    "account list": lambda state, _: state["accounts"],
    "acr list": _registries,
    "acr show": _registry,
    "acr login": lambda state, _: state["token"],
    "eventgrid system-topic list": _topics,
    "eventgrid system-topic update": _update_topic,
    "functionapp list-flexconsumption-locations": lambda state, _: [{"name": name} for name in state["flex"]],
    "functionapp list-flexconsumption-runtimes": lambda state, given: [
        {"name": given["--runtime"], "version": version} for version in state["runtimes"][given["--runtime"]]
    ],
    "functionapp function show": _function,
    "functionapp keys list": lambda state, _: {"functionKeys": {"default": state["key"]}},
    "provider list": _providers,
    "deployment group create": _deploy,
    "lock list": _locks,
    "rest": _rest,
}


def main(words: list[str]) -> int:
    file = Path(words[0])
    state = json.loads(file.read_text(encoding="utf-8"))
    code, out, err = run(state, words[1:])
    file.write_text(json.dumps(state), encoding="utf-8")
    sys.stdout.buffer.write(out.encode())
    sys.stderr.buffer.write(err.encode())
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
