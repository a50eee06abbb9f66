"""Values that only Azure knows, as expressions of its template language, written as the compiler writes them."""

from dataclasses import dataclass
from typing import Any

from devtools.bicep.functions import text as plain


@dataclass(frozen=True, slots=True)
class Runtime:
    """`text` has no brackets around it. `hidden` is the value of a secret, which is checked and never written."""

    text: str
    hidden: str | None = None


def form(value: Any) -> Any:
    """A value as a snapshot has it."""
    match value:
        case Runtime(text=text):
            return f"[{text}]"
        case dict():
            return {form(name): form(item) for name, item in value.items()}
        case list():
            return [form(item) for item in value]
        case str() if value.startswith("["):
            return f"[{value}"
    return value


def call(name: str, *arguments: Any) -> Runtime:
    return Runtime(f"{name}({', '.join(map(argument, arguments))})")


def argument(value: Any) -> str:
    match value:
        case Runtime(text=text):
            return text
        case str():
            return "'" + value.replace("'", "''") + "'"
        case bool():
            return "true()" if value else "false()"
        case None:
            return "null()"
        case list():
            return call("createArray", *value).text
        case dict():
            return call("createObject", *(item for pair in value.items() for item in pair)).text
    return str(value)


def depends_on_runtime(value: Any) -> bool:
    match value:
        case Runtime():
            return True
        case dict():
            return any(depends_on_runtime(item) for pair in value.items() for item in pair)
        case list():
            return any(map(depends_on_runtime, value))
    return False


def text_of(parts: list[Any]) -> str | Runtime:
    """A text with values in it: literals and values by turns, from a literal to a literal."""
    if not any(isinstance(part, Runtime) for part in parts):
        return "".join(plain(part) for part in parts)
    pattern = "".join(
        part.replace("{", "{{").replace("}", "}}") if at % 2 == 0 else f"{{{at // 2}}}" for at, part in enumerate(parts)
    )
    return call("format", pattern, *parts[1::2])


def full_name(parent: str | Runtime, name: str | Runtime) -> str | Runtime:
    return text_of(["", parent, "/", name, ""])


def resource_id(scope: str, type_name: str, name: str | Runtime) -> str | Runtime:
    """Of a resource with its full name in the subscription or resource group that has this id."""
    namespace, *types = type_name.split("/")
    if isinstance(name, str):
        pairs = "/".join(f"{kind}/{item}" for kind, item in zip(types, name.split("/"), strict=True))
        return f"{scope}/providers/{namespace}/{pairs}"
    places = [part for at, part in enumerate(scope.split("/")) if at and at % 2 == 0]
    if len(types) == 1:
        return call("resourceId", *places, type_name, name)
    # The compiler takes such a name apart again, empty parts left out.
    split = f"filter(split({name.text}, '/'), lambda('x', not(empty(lambdaVariables('x')))))"
    return call("resourceId", *places, type_name, *(Runtime(f"{split}[{at}]") for at in range(len(types))))


def extension_id(on: str | Runtime, type_name: str, name: str | Runtime) -> str | Runtime:
    if isinstance(on, str) and isinstance(name, str):
        namespace, kind = type_name.split("/")
        return f"{on}/providers/{namespace}/{kind}/{name}"
    return call("extensionResourceId", on, type_name, name)
