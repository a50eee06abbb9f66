"""What a query answers on given rows: it walks the tree that Kusto's language service made of the query.

Only the operators that this project's queries use are known; another is refused (`Unsupported`). The answer is held to
what the service says of it: the same columns, each of its type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from devtools.kusto.functions import AGGREGATES, FUNCTIONS, OPERATORS, Unsupported, Value, span
from devtools.kusto.language import Node, Query
from devtools.kusto.tables import TABLES, Columns

Row = dict[str, Any]

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "bool": bool,
    "datetime": datetime,
    "dynamic": object,
    "int": int,
    "long": int,
    "real": float,
    "string": str,
    "timespan": timedelta,
}


@dataclass(slots=True)
class _Rows:
    """A table on its way through the pipe; one without rows has columns, too."""

    columns: list[str]
    rows: list[Row]


def evaluate(query: Query, tables: Mapping[str, Iterable[Row]], now: datetime) -> list[Row]:
    """The rows that `query` answers at `now`, of these tables; one that is not among them is empty. A row may leave out
    columns. Raises ValueError for a query that the service does not take, a row that no such table has, or an answer of
    another shape than the service says; Unsupported."""
    if query.problems or query.columns is None:
        raise ValueError(f"this is no query over tables: {query.problems}")
    walk = _Walk({name: list(rows) for name, rows in tables.items()}, now)
    found = _Rows([], [])
    for statement in query.tree["Statements"]:
        if statement["kind"] == "LetStatement":
            walk.let(_name(statement["Name"]), statement["Expression"])
        else:
            found = walk.table(statement["Expression"])
    if set(found.columns) != set(query.columns):
        raise ValueError(f"the service says {sorted(query.columns)}, and this came to {sorted(found.columns)}")
    return [typed(row, query.columns, "the answer") for row in found.rows]


def typed(row: Row, columns: Columns, where: str) -> Row:
    """The row with all columns; one that is left out is null, and an empty text where it is a string."""
    if unknown := row.keys() - columns.keys():
        raise ValueError(f"{where} has no columns {sorted(unknown)}")
    whole = {name: row.get(name) for name in columns}
    for name, kind in columns.items():
        value = whole[name]
        if value is None:
            whole[name] = "" if kind == "string" else None
        elif kind == "real" and isinstance(value, int):
            whole[name] = float(value)
        elif not isinstance(value, _TYPES[kind]) or (kind != "bool" and isinstance(value, bool)):
            raise ValueError(f"{where}: {name} is of type {kind}, not {value!r}")
    return whole


def _name(node: Node) -> str:
    """Of a declaration or a reference: in a bracketed one it is a literal."""
    inner = node["Name"]
    while isinstance(inner, dict):
        inner = inner["Name"] if "Name" in inner else inner["value"]
    return str(inner)


@dataclass(slots=True)
class _Walk:
    tables: Mapping[str, list[Row]]
    now: datetime
    values: dict[str, Value] = field(default_factory=dict)

    def let(self, name: str, expression: Node) -> None:
        self.values[name] = self.value(expression, {}, [], 0)

    # Tables

    def table(self, node: Node) -> _Rows:
        kind = node["kind"]
        if kind == "PipeExpression":
            return self.piped(self.table(node["Expression"]), node["Operator"])
        if kind == "ParenthesizedExpression":
            return self.table(node["Expression"])
        if kind == "NameReference" and _name(node) in TABLES:
            name = _name(node)
            rows = [typed(row, TABLES[name], name) for row in self.tables.get(name, [])]
            return _Rows(list(TABLES[name]), rows)
        # A fuzzy one leaves out tables that are not there; here each table is, if without rows.
        if kind == "UnionOperator" and all(_name(each) == "isfuzzy" for each in node["Parameters"]):
            return self.union([self.table(each) for each in node["Expressions"]])
        raise Unsupported(f"a table by {kind}")

    def union(self, legs: Sequence[_Rows]) -> _Rows:
        columns = list(dict.fromkeys(name for leg in legs for name in leg.columns))
        return _Rows(columns, [{name: row.get(name) for name in columns} for leg in legs for row in leg.rows])

    def piped(self, given: _Rows, node: Node) -> _Rows:
        operators: Mapping[str, Callable[[_Rows, Node], _Rows]] = {
            "ExtendOperator": self.extend,
            "FilterOperator": self.where,
            "ProjectOperator": self.project,
            "RenderOperator": lambda rows, _: rows,
            "SortOperator": self.sort,
            "SummarizeOperator": self.summarize,
        }
        if node["kind"] not in operators or node.get("Parameters"):
            raise Unsupported(f"{node['kind']} with {node.get('Parameters')}")
        return operators[node["kind"]](given, node)

    def where(self, given: _Rows, node: Node) -> _Rows:
        kept = [row for at, row in enumerate(given.rows) if self.value(node["Condition"], row, given.rows, at) is True]
        return _Rows(given.columns, kept)

    def extend(self, given: _Rows, node: Node) -> _Rows:
        more = {_declared(each): each["Expression"] for each in node["Expressions"]}
        # In one `extend` no column sees another.
        rows = [
            row | {name: self.value(each, row, given.rows, at) for name, each in more.items()}
            for at, row in enumerate(given.rows)
        ]
        return _Rows(list(dict.fromkeys([*given.columns, *more])), rows)

    def project(self, given: _Rows, node: Node) -> _Rows:
        chosen = {_declared(each): each for each in node["Expressions"]}
        rows = [
            {name: self.value(_expression(each), row, given.rows, at) for name, each in chosen.items()}
            for at, row in enumerate(given.rows)
        ]
        return _Rows(list(chosen), rows)

    def sort(self, given: _Rows, node: Node) -> _Rows:
        rows = given.rows
        for each in reversed(node["Expressions"]):
            ordered = each["kind"] == "OrderedExpression"
            by = each["Expression"] if ordered else each
            ascending = ordered and each["Ordering"]["AscOrDescKeyword"] == "asc"
            keyed = [(self.value(by, row, given.rows, 0), row) for row in rows]
            rows = [row for _, row in sorted(keyed, key=lambda pair: pair[0], reverse=not ascending)]
        return _Rows(given.columns, rows)

    def summarize(self, given: _Rows, node: Node) -> _Rows:
        by = {_declared(each): _expression(each) for each in (node["ByClause"] or {"Expressions": []})["Expressions"]}
        groups: dict[tuple[Value, ...], list[Row]] = {}
        for at, row in enumerate(given.rows):
            key = tuple(self.value(each, row, given.rows, at) for each in by.values())
            groups.setdefault(key, []).append(row)
        if not by:
            groups.setdefault((), [])
        rows, columns = [], list(by)
        for key, group in groups.items():
            rows.append(dict(zip(by, key, strict=True)))
            for each in node["Aggregates"]:
                rows[-1] |= self.aggregate(each, group)
        for each in node["Aggregates"]:
            columns += _names(each)
        return _Rows(columns, rows)

    def aggregate(self, node: Node, group: list[Row]) -> Row:
        names, call = _names(node), node["Expression"]
        what, arguments = call.get("calls"), call["ArgumentList"]["Expressions"] if "ArgumentList" in call else []
        if what == "arg_max":
            most: Row | None = max(group, key=lambda row: self.value(arguments[0], row, group, 0), default=None)
            found = [self.value(each, most, group, 0) if most is not None else None for each in arguments]
            return dict(zip(names, found, strict=True))
        if what not in AGGREGATES:
            # Such as a quotient of two.
            return {names[0]: self.value(call, {}, group, 0, of_groups=True)}
        return {names[0]: self._aggregated(what, arguments, group)}

    def _aggregated(self, what: str, arguments: Sequence[Node], group: list[Row]) -> Value:
        first = [self.value(arguments[0], row, group, at) for at, row in enumerate(group)] if arguments else group
        return AGGREGATES[what](first, *(self.value(each, {}, [], 0) for each in arguments[1:]))

    # Values

    def value(self, node: Node, row: Row, rows: list[Row], at: int, *, of_groups: bool = False) -> Value:
        """Of an expression, in the row `at` of `rows`; or of aggregates over all of `rows`."""
        kind = node["kind"]

        def inner(each: Node) -> Value:
            return self.value(each, row, rows, at, of_groups=of_groups)

        if "value" in node:
            return span(node["value"]) if kind == "TimespanLiteralExpression" else node["value"]
        if kind == "NameReference":
            name = _name(node)
            return row[name] if name in row else self.values[name]
        if kind == "ParenthesizedExpression":
            return inner(node["Expression"])
        if kind == "ElementExpression":
            return (inner(node["Expression"]) or {}).get(inner(node["Selector"]["Expression"]))
        if kind == "AndExpression":
            return inner(node["Left"]) is True and inner(node["Right"]) is True
        if kind == "OrExpression":
            return inner(node["Left"]) is True or inner(node["Right"]) is True
        if kind in ("InExpression", "NotInExpression"):
            among = inner(node["Left"]) in [inner(each) for each in node["Right"]["Expressions"]]
            return among is (kind == "InExpression")
        if kind in OPERATORS:
            return OPERATORS[kind](inner(node["Left"]), inner(node["Right"]))
        if kind == "FunctionCallExpression":
            return self._called(node, rows, at, inner, of_groups=of_groups)
        raise Unsupported(f"a value by {kind}")

    def _called(
        self, node: Node, rows: list[Row], at: int, inner: Callable[[Node], Value], *, of_groups: bool
    ) -> Value:
        name, arguments = node["calls"], node["ArgumentList"]["Expressions"]
        if of_groups and name in AGGREGATES:
            return self._aggregated(name, arguments, rows)
        if name == "now":
            return self.now
        if name == "iff":
            return inner(arguments[1] if inner(arguments[0]) is True else arguments[2])
        if name == "prev":
            return self.value(arguments[0], rows[at - 1], rows, at - 1) if at else None
        if name not in FUNCTIONS:
            raise Unsupported(f"the function {name}")
        return FUNCTIONS[name](*map(inner, arguments))


def _expression(node: Node) -> Node:
    named: Node = node["Expression"] if node["kind"] == "SimpleNamedExpression" else node
    return named


def _names(node: Node) -> list[str]:
    if node["kind"] == "CompoundNamedExpression":
        return [_name(each) for each in node["Names"]["Names"]]
    return [_declared(node)]


def _declared(node: Node) -> str:
    """The column that an expression of `extend`, `project` or `summarize` makes."""
    if node["kind"] in ("SimpleNamedExpression", "NameReference"):
        return _name(node["Name"]) if node["kind"] == "SimpleNamedExpression" else _name(node)
    if node.get("calls") == "bin":
        return _declared(node["ArgumentList"]["Expressions"][0])
    raise Unsupported(f"a column without a name, by {node['kind']}")
