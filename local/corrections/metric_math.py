"""CloudWatch's metric math, as far as our alarms use it; everything else is refused when the alarm is made.

A value is None where a period has no data. Arithmetic and comparisons with None give None, as does a division by zero;
``FILL(metric, 0)`` puts a number in its place, and ``SUM(METRICS())`` adds up those that have one.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from local.corrections.release import Json

Value = float | None
_OPERATORS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_WORDS = ((r"&&|\bAND\b", " and "), (r"\|\||\bOR\b", " or "))
_ALL = re.compile(r"\bSUM\(\s*METRICS\(\)\s*\)")
ALL = "ALL_METRICS"
"""What stands for the sum of all metrics; no id, as those begin with a small letter."""
_FUNCTIONS = {"IF": 3, "FILL": 2, "MIN": 2, "MAX": 2, "ABS": 1}


class MathError(ValueError):
    """An expression that is not known here."""


def parsed(expression: str) -> ast.expr:
    """Return an expression, checked; raise `MathError` for what CloudWatch may know and we do not."""
    text = _ALL.sub(ALL, expression)
    for pattern, word in _WORDS:
        text = re.sub(pattern, word, text)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise MathError(f"metric math: {expression!r}") from None
    for node in ast.walk(tree):
        if not _is_known(node):
            raise MathError(f"metric math of {expression!r} is not known here: {ast.unparse(node)}")
    return tree


def _is_known(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(name), args=args, keywords=[]):
            return _FUNCTIONS.get(name) == len(args)
        case ast.BinOp(op=op):
            return type(op) in _OPERATORS
        case ast.Compare(ops=[op]):
            return type(op) in _OPERATORS
        case ast.Constant(value=value):
            return isinstance(value, int | float)
        case ast.UnaryOp(op=op):
            return isinstance(op, ast.USub)
    return isinstance(
        node, ast.Name | ast.BoolOp | ast.expr_context | ast.operator | ast.cmpop | ast.boolop | ast.unaryop
    )


def evaluated(tree: ast.expr, value_of: Callable[[str], Value]) -> Value:
    """Return the value of an expression in one period; ``value_of`` gives that of another id, or of `ALL`."""

    def value(node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=constant):
                return float(constant)  # type: ignore[arg-type] # checked by `parsed`
            case ast.Name(id=name):
                return value_of(name)
            case ast.UnaryOp(operand=operand):
                return _applied(operator.sub, 0.0, value(operand))
            case (
                ast.BinOp(left=left, op=op, right=right)
                | ast.Compare(left=left, ops=[op], comparators=[right])
            ):
                return _applied(_OPERATORS[type(op)], value(left), value(right))
            case ast.BoolOp(op=op, values=parts):
                return _joined(op, [value(part) for part in parts])
            case ast.Call(func=ast.Name(id=name), args=args):
                return _called(name, args, value)
        raise MathError(ast.unparse(node))

    return value(tree)


def _joined(op: ast.boolop, found: list[Value]) -> Value:
    return None if None in found else float((all if isinstance(op, ast.And) else any)(found))


def _called(name: str, args: list[ast.expr], value: Callable[[ast.expr], Value]) -> Value:
    if name == "IF":
        condition = value(args[0])
        return None if condition is None else value(args[1] if condition else args[2])
    found = [value(arg) for arg in args]
    if name == "FILL":
        return found[1] if found[0] is None else found[0]
    if None in found:
        return None
    known: list[float] = [one for one in found if one is not None]
    return abs(known[0]) if name == "ABS" else {"MIN": min, "MAX": max}[name](known)


def _applied(operation: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
    if left is None or right is None or (operation is operator.truediv and not right):
        return None
    return float(operation(left, right))


def check(metrics: list[Json]) -> None:
    """Raise `MathError` unless these ``Metrics`` of an alarm can be evaluated and exactly one of them is its value."""
    ids = {one["Id"] for one in metrics}
    for one in metrics:
        if "Expression" in one:
            called = {node.func for node in ast.walk(parsed(one["Expression"])) if isinstance(node, ast.Call)}
            names = {node.id for node in ast.walk(parsed(one["Expression"]))
                     if isinstance(node, ast.Name) and ast.unparse(node) not in map(ast.unparse, called)}  # fmt: skip
            if names - ids - {ALL}:
                raise MathError(
                    f"{one['Expression']!r} uses unknown ids: {', '.join(sorted(names - ids - {ALL}))}"
                )
    if sum(is_returned(one) for one in metrics) != 1:
        raise MathError("an alarm looks at exactly one value (ReturnData)")


def is_returned(query: Json) -> bool:
    """Return whether an alarm looks at this query's value; CloudFormation's booleans may be words."""
    return str(query.get("ReturnData", True)).lower() == "true"
