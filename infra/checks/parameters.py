"""What a parameter's type and decorators let pass."""

from collections.abc import Iterator

from infra.checks.models import Kind
from infra.checks.syntax import Listing, Literal, Parameter


def kind_of(parameter: Parameter) -> Kind:
    allowed = allowed_values(parameter)
    return Kind(parameter.type, frozenset(map(str, allowed)) if allowed and parameter.type == "string" else frozenset())


def allowed_values(parameter: Parameter) -> list[str | int | bool | None]:
    call = parameter.decorator("allowed")
    items = call.arguments[0] if call else None
    return [item.value for item in items.items if isinstance(item, Literal)] if isinstance(items, Listing) else []


def limits(parameter: Parameter) -> tuple[int | None, int | None]:
    """Lowest and highest, of the value or of the length."""
    found: list[int | None] = []
    for names in (("minValue", "minLength"), ("maxValue", "maxLength")):
        calls = [call for call in parameter.decorators if call.name in names]
        value = calls[0].arguments[0] if calls else None
        found.append(value.value if isinstance(value, Literal) and isinstance(value.value, int) else None)
    return found[0], found[1]


def unfit(parameter: Parameter, value: object) -> Iterator[str]:
    """Why a value is not one that the parameter's decorators let pass."""
    allowed = allowed_values(parameter)
    if allowed and value not in allowed:
        yield f"{parameter.name} cannot be {value!r}"
    low, high = limits(parameter)
    size = value if isinstance(value, int) else len(value) if isinstance(value, str | list) else None
    if size is not None and ((low is not None and size < low) or (high is not None and size > high)):
        yield f"{parameter.name} cannot be {value!r}: between {low} and {high}"
