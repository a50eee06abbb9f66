"""Whether what would be sent is what the management SDKs' models know: names of properties, their types and values.

The compiler checks the same and more, against Azure's own types, where it is installed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from devtools.bicep import models
from devtools.bicep.models import Kind, Shape

_NOT_THE_BODY = ("id", "type", "name", "apiVersion", "condition")


def problems(resource: Mapping[str, Any]) -> list[str]:
    """Of one predicted resource."""
    type_name = resource["type"]
    try:
        shape, _ = models.resource(type_name, resource["apiVersion"])
    except models.UnknownType as error:
        return [str(error)]
    body = {name: value for name, value in resource.items() if name not in _NOT_THE_BODY}
    return list(_object(body, shape, type_name))


def _object(body: Mapping[str, Any], shape: Shape, what: str) -> Iterator[str]:
    if shape.discriminator and shape.discriminator in body:
        value = body[shape.discriminator]
        if value not in shape.subtypes:
            yield f"{what}.{shape.discriminator} cannot be {value!r}, but {', '.join(sorted(shape.subtypes))}"
            return
        shape = shape.subtypes[value]
    for name, value in body.items():
        field = shape.fields.get(name)
        if field is None:
            yield f"{what}: {shape.name} has no {name}"
        elif field.readonly:
            yield f"{what}.{name} can only be read"
        elif value is not None:
            yield from _value(value, field.kind, f"{what}.{name}")
    for name, field in shape.fields.items():
        if field.required and not field.readonly and name not in body:
            yield f"{what} needs {name}"


def _value(value: Any, kind: Kind, what: str) -> Iterator[str]:
    if kind.name == "any" or (isinstance(value, str) and value.startswith("[")):
        return
    if kind.name == "array" and isinstance(value, list):
        for item in value:
            yield from _value(item, kind.item or models.ANY, what)
    elif kind.name == "map" and isinstance(value, Mapping):
        for name, item in value.items():
            yield from _value(item, kind.item or models.ANY, f"{what}.{name}")
    elif kind.shape is not None and isinstance(value, Mapping):
        yield from _object(value, kind.shape, what)
    elif not isinstance(value, _PLAIN.get(kind.name, ())) or (isinstance(value, bool) and kind.name != "bool"):
        yield f"{what} is of type {kind.name}, and not {value!r}"
    elif kind.choices and value not in kind.choices:
        yield f"{what} cannot be {value!r}, but {', '.join(sorted(kind.choices))}"


_PLAIN: dict[str, Any] = {"string": str, "int": int, "bool": bool, "number": (int, float)}
