"""What Azure's management SDKs for Python know: resource types, API versions, properties, their types and values.

The SDKs are generated from the same specifications as Azure Resource Manager's own. Newer ones declare fields
(`rest_field`), older ones have `_attribute_map`; both become a `Shape` here.
"""

import enum
import importlib
import re
import sys
import types
import typing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import azure.mgmt.web

_ROOT = Path(azure.mgmt.web.__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Kind:
    """Type of a value: string, int, bool, number, array, map, model or any."""

    name: str
    choices: frozenset[str] = frozenset()
    item: "Kind | None" = None
    shape: "Shape | None" = None


@dataclass(frozen=True, slots=True)
class Field:
    kind: Kind
    readonly: bool = False
    required: bool = False


@dataclass(eq=False, slots=True)
class Shape:
    name: str
    fields: dict[str, Field] = field(default_factory=dict)
    discriminator: str | None = None
    subtypes: "dict[str, Shape]" = field(default_factory=dict)


ANY = Kind("any")


class UnknownType(Exception):
    """The SDKs carry no such resource type, or not in that API version."""


def resource(type_name: str, version: str) -> tuple[Shape, str]:
    """The body of a PUT of this resource, and the API version that it is of: the newest that the SDKs carry which is no
    newer than the wanted one, else their oldest. Raises UnknownType.
    """
    if type_name in _BY_HAND:
        return _BY_HAND[type_name]
    found = _operations().get(type_name.lower())
    if not found:
        raise UnknownType(f"no SDK carries the resource type {type_name}")
    spelled = {operation.type for operation in found}
    if type_name not in spelled:
        raise UnknownType(f"{type_name} is spelled {' or '.join(sorted(spelled))}")
    carried = sorted(found, key=lambda operation: operation.version)
    chosen = next((item for item in reversed(carried) if item.version <= version), carried[0])
    return _shape(chosen.package, chosen.model), chosen.version


def _fields(**kinds: Kind) -> Shape:
    return Shape("", {name: Field(kind) for name, kind in kinds.items()})


_TEXT = Kind("string")
# What no SDK here carries, taken down from the reference of Resource Manager's templates.
_BY_HAND = {
    "Microsoft.Authorization/locks": (
        _fields(
            properties=Kind(
                "model", shape=_fields(level=Kind("string", frozenset({"CanNotDelete", "ReadOnly"})), notes=_TEXT)
            )
        ),
        "2020-05-01",
    ),
    "Microsoft.Insights/diagnosticSettings": (
        _fields(
            properties=Kind(
                "model",
                shape=_fields(
                    workspaceId=_TEXT,
                    logAnalyticsDestinationType=Kind("string", frozenset({"Dedicated", "AzureDiagnostics"})),
                    logs=Kind("array", item=Kind("model", shape=_fields(category=_TEXT, enabled=Kind("bool")))),
                ),
            )
        ),
        "2021-05-01-preview",
    ),
}


@dataclass(frozen=True, slots=True)
class _Operation:
    type: str
    version: str
    package: str
    model: str


_BUILDER = re.compile(r"^def (build_\w+_request)\((.*?)\n(?=\n\n)", re.DOTALL | re.MULTILINE)
_URL = re.compile(r'_url = (?:kwargs\.pop\(\s*"template_url",)?\s*\(?\s*((?:"[^"]*"\s*)+)')
_VERSION = re.compile(r'"api-version",\s*"([^"]+)"')


@cache
def _operations() -> dict[str, list[_Operation]]:
    """Every PUT of the installed SDKs, by lower-case resource type."""
    found: dict[str, list[_Operation]] = {}
    for path in sorted(_ROOT.rglob("operations/*.py")):
        if "aio" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        package = ".".join(("azure.mgmt", *path.parent.parent.relative_to(_ROOT).parts))
        for name, body in _BUILDER.findall(text):
            url, version = _URL.search(body), _VERSION.search(body)
            if 'method="PUT"' not in body or not url or not version:
                continue
            type_name = _type_of("".join(re.findall(r'"([^"]*)"', url[1])))
            model = type_name and _model_of(text, name)
            if type_name and model:
                operation = _Operation(type_name, version[1], package, model)
                found.setdefault(type_name.lower(), []).append(operation)
    return found


def _type_of(url: str) -> str | None:
    """`…/providers/Microsoft.A/b/{name}/c/default` is Microsoft.A/b/c."""
    if "/providers/" not in url:
        return (
            "Microsoft.Resources/resourceGroups" if url.lower().endswith("resourcegroups/{resourcegroupname}") else None
        )
    namespace, *segments = url.rsplit("/providers/", 1)[1].split("/")
    if len(segments) % 2 or not all(re.fullmatch(r"[A-Za-z]+", segment) for segment in segments[::2]):
        return None
    return "/".join((re.sub(r"^microsoft\.", "Microsoft.", namespace), *segments[::2])).replace(
        "Microsoft.insights", "Microsoft.Insights"
    )


def _model_of(text: str, builder: str) -> str | None:
    """The model that the method takes which calls this builder."""
    call = re.search(rf"= {builder}\(", text)
    if not call:
        return None
    signature = text[text.rindex("    def ", 0, call.start()) : call.start()]
    # The body comes after the path's parameters, some of which are enumerations among the models.
    models = re.findall(r"_models\.(\w+)", signature.split(") ->")[0])
    return models[-1] if models else None


def _shape(package: str, name: str) -> Shape:
    # Known before it is complete, since a model may hold itself.
    if known := _SHAPES.get((package, name)):
        return known
    module = importlib.import_module(f"{package}.models")
    shape = Shape(name)
    _SHAPES[(package, name)] = shape
    cls = getattr(module, name)
    if hasattr(cls, "_attribute_map"):
        _from_attribute_map(shape, cls, package)
    else:
        _from_fields(shape, cls, package, module)
    return shape


_SHAPES: dict[tuple[str, str], Shape] = {}


def _model(package: str, name: str) -> Kind:
    return Kind("model", shape=_shape(package, name))


# Newer SDKs


def _from_fields(shape: Shape, cls: type, package: str, module: types.ModuleType) -> None:
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] != "azure" or not hasattr(base, "__annotations__"):
            continue
        names = {"_models": module, **vars(sys.modules[base.__module__])}
        hints = typing.get_type_hints(base, globalns=names, localns={"_models": module})
        for attribute, rest in list(vars(base).items()):
            if not hasattr(rest, "_visibility") or attribute not in hints:
                continue
            kind, optional = _kind_of(hints[attribute], package)
            readonly = rest._visibility == ["read"]
            name = rest._rest_name_input or attribute
            shape.fields[name] = Field(kind, readonly, required=not optional and not readonly)
            if rest._is_discriminator:
                shape.discriminator = name
    for value, subtype in vars(cls).get("__mapping__", {}).items():
        if value and subtype is not cls:
            shape.subtypes[str(value)] = _shape(package, subtype.__name__)


def _kind_of(hint: Any, package: str) -> tuple[Kind, bool]:
    """And whether it may be left out."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = [item for item in arguments if item is not type(None)]
        optional = len(inner) < len(arguments)
        enums = [item for item in inner if isinstance(item, type) and issubclass(item, enum.Enum)]
        if enums:
            return _choices(enums[0]), optional
        return (_kind_of(inner[0], package)[0] if len(inner) == 1 else ANY), optional
    if origin is typing.Literal:
        return Kind("string", frozenset(str(getattr(item, "value", item)) for item in arguments)), False
    if origin is list:
        return Kind("array", item=_kind_of(arguments[0], package)[0]), False
    if origin is dict:
        return Kind("map", item=_kind_of(arguments[1], package)[0]), False
    if isinstance(hint, type):
        if issubclass(hint, enum.Enum):
            return _choices(hint), False
        plain = {str: "string", int: "int", bool: "bool", float: "number"}.get(hint)
        if plain:
            return Kind(plain), False
        if hint.__module__.startswith("azure.mgmt") and hasattr(hint, "__annotations__"):
            return _model(package, hint.__name__), False
        if hint.__module__ == "datetime":
            return Kind("string"), False
    return ANY, False


def _choices(kind: type[enum.Enum]) -> Kind:
    return Kind("string", frozenset(str(item.value) for item in kind))


# Older SDKs


def _from_attribute_map(shape: Shape, cls: Any, package: str) -> None:
    rules = getattr(cls, "_validation", {})
    for attribute, entry in cls._attribute_map.items():
        *outer, name = re.split(r"(?<!\\)\.", entry["key"])
        target = shape
        for part in outer:
            inner = target.fields.get(part)
            if inner is None or inner.kind.shape is None:
                inner = Field(Kind("model", shape=Shape(f"{shape.name}.{part}")))
                target.fields[part] = inner
            target = typing.cast(Shape, inner.kind.shape)
        rule = rules.get(attribute, {})
        target.fields[name.replace("\\.", ".")] = Field(
            _older_kind(entry["type"], attribute, cls, package),
            readonly=bool(rule.get("readonly")),
            required=bool(rule.get("required")),
        )
    for name, subtypes in vars(cls).get("_subtype_map", {}).items():
        key = cls._attribute_map[name]["key"].replace("\\.", ".")
        shape.discriminator = key
        for value, subtype in subtypes.items():
            shape.subtypes[value] = _shape(package, subtype)


def _older_kind(text: str, attribute: str, cls: Any, package: str) -> Kind:
    if text[0] in "[{":
        item = _older_kind(text[1:-1], attribute, cls, package)
        return Kind("array" if text[0] == "[" else "map", item=item)
    plain = {"str": "string", "int": "int", "long": "int", "bool": "bool", "float": "number"}.get(text)
    if plain == "string":
        return Kind("string", _documented_choices(attribute, cls))
    if plain:
        return Kind(plain)
    if text in ("iso-8601", "duration", "rfc-1123"):
        return Kind("string")
    return _model(package, text) if text[0].isupper() else ANY


def _documented_choices(attribute: str, cls: Any) -> frozenset[str]:
    """Older SDKs say only in the docstring which enumeration a string is of."""
    found = re.search(rf":vartype {attribute}: (?:list\[)?str\s+or\s+~([\w.]+)\.(\w+)", cls.__doc__ or "")
    if not found:
        return frozenset()
    return _choices(getattr(importlib.import_module(found[1]), found[2])).choices
