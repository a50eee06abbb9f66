"""What a parameter's type and decorators let pass."""

from typing import Any

from devtools.bicep.deployment import Impossible
from devtools.bicep.reading import Declaration
from devtools.bicep.runtime import Runtime
from devtools.bicep.syntax import Node

_TYPES = {"string": str, "int": int, "bool": bool, "object": dict, "array": list}


def checked(parameter: Declaration, value: Any, file: str) -> Any:
    """The value as it is used. Raises Impossible."""
    secret = "secure" in parameter.decorators
    known: Any = value.hidden if isinstance(value, Runtime) else value
    if isinstance(value, Runtime) and known is None:
        return value
    wanted = list if parameter.type.endswith("]") else _TYPES.get(parameter.type)
    if wanted is not None and (not isinstance(known, wanted) or (wanted is int and isinstance(known, bool))):
        raise Impossible(f"{parameter.name} of {file} is of type {parameter.type}, not {known!r}")
    for name in ("minLength", "minValue", "maxLength", "maxValue"):
        limit = _literal(parameter.decorators.get(name))
        size = known if name.endswith("Value") else len(known) if limit is not None else None
        if limit is not None and (size < limit if name.startswith("min") else size > limit):
            raise Impossible(f"{file}: {parameter.name} cannot be {known!r}: its {name} is {limit}")
    allowed = parameter.decorators.get("allowed")
    if allowed is not None and known not in [_literal(item) for item in allowed.parts]:
        choices = ", ".join(str(_literal(item)) for item in allowed.parts)
        raise Impossible(f"{file}: {parameter.name} cannot be {known!r}, but {choices}")
    return Runtime(f"parameters('{parameter.name}')", known) if secret and isinstance(value, str) else value


def _literal(node: Node | None) -> Any:
    return node.parts[0] if node is not None else None
