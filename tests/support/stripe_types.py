"""Holds JSON to the types of the installed ``stripe`` package, which are generated from Stripe's own specification."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from types import UnionType
from typing import Any, ForwardRef, Literal, NotRequired, Required, Union, get_args, get_origin

from stripe import ListObject, StripeObject
from typing_extensions import is_typeddict

OPTIONS = ("api_key", "stripe_version", "stripe_account", "max_network_retries", "idempotency_key", "content_type",
           "headers", "stripe_context")  # fmt: skip
"""Keys of every request's parameters that are no parameters."""
DEEP = 12


class Scope(dict[str, Any]):
    """The names that annotations of a class may use: of its outer classes, its module, and what that imports."""

    def __init__(self, owner: type) -> None:
        super().__init__()
        self.module = owner.__module__
        place: Any = sys.modules[self.module]
        self.update(vars(place))
        for part in owner.__qualname__.split("."):
            place = getattr(place, part)
            self.update({name: one for name, one in vars(place).items() if inspect.isclass(one)})

    def __missing__(self, name: str) -> Any:
        module, original = _imports(self.module)[name]  # imported for type checkers only
        return getattr(importlib.import_module(module), original)

    def resolve(self, kind: Any) -> Any:
        """The type that an annotation or a part of it means."""
        text = kind.__forward_arg__ if isinstance(kind, ForwardRef) else kind
        return eval(text, {}, self) if isinstance(text, str) else kind  # noqa: S307 - the package's own annotations


@cache
def _imports(module: str) -> dict[str, tuple[str, str]]:
    nodes = ast.walk(ast.parse(inspect.getsource(sys.modules[module])))
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


@cache
def _fields(owner: type) -> tuple[Scope, dict[str, Any]]:
    """The fields of a resource or of parameters, and the scope of their annotations."""
    scope = Scope(owner)
    known = owner.__annotations__ if is_typeddict(owner) else vars(owner).get("__annotations__", {})
    return scope, {
        name: scope.resolve(kind)
        for name, kind in known.items()
        if not name.startswith("_") and name != "OBJECT_NAME"
    }


def form_faults(form: Mapping[str, Any], params: type) -> list[str]:
    """What a decoded form, all texts, has that its parameters do not allow."""
    return list(_form(form, params, ""))


def faults(value: Any, resource: type) -> list[str]:
    """What an object has, or lacks, against its resource class."""
    return list(_check(value, resource, Scope(resource), resource.__name__.lower(), is_form=False))


def _form(value: Any, params: type, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: no hash"
        return
    scope, fields = _fields(params)
    for name, found in value.items():
        if name in fields and name not in OPTIONS:
            yield from _check(found, fields[name], scope, f"{path}[{name}]", is_form=True)
        else:
            yield f"{path}[{name}]: unknown parameter"
    yield from (f"{path}[{name}]: missing" for name in params.__required_keys__ if name not in value)  # type: ignore[attr-defined]


def _object(value: Any, resource: type, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: no object"
        return
    scope, fields = _fields(resource)
    yield from (f"{path}.{name}: unknown field" for name in value if name not in fields and name != "object")
    for name, kind in fields.items():
        if name in value:
            yield from _check(value[name], kind, scope, f"{path}.{name}", is_form=False)
        elif type(None) not in get_args(kind):
            yield f"{path}.{name}: missing"


def _check(  # noqa: C901, PLR0912 - a table of types
    value: Any, kind: Any, scope: Scope, path: str, *, is_form: bool
) -> Iterator[str]:
    kind = scope.resolve(kind)
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any or path.count(".") > DEEP:
        return
    if origin in (NotRequired, Required):
        yield from _check(value, parts[0], scope, path, is_form=is_form)
    elif origin in (Union, UnionType):
        yield from _any_of(value, [scope.resolve(part) for part in parts], scope, path, is_form=is_form)
    elif value is None:
        if kind is not type(None):
            yield f"{path}: null"
    elif origin is Literal:
        if value not in ([str(one) for one in parts] if is_form else parts):
            yield f"{path}: {value!r} is not one of {parts}"
    elif origin is list:
        items = enumerate(value) if isinstance(value, list) else iter([(0, None)])
        for number, item in items:
            yield from _check(item, parts[0], scope, f"{path}[{number}]", is_form=is_form)
    elif origin is ListObject:
        yield from (f"{path}.{name}: missing" for name in ("data", "has_more", "url") if name not in value)
        for number, item in enumerate(value.get("data", [])):
            yield from _check(item, parts[0], scope, f"{path}.data[{number}]", is_form=is_form)
    elif origin is dict or getattr(origin or kind, "__name__", "") == "UntypedStripeObject":
        if not isinstance(value, dict):
            yield f"{path}: no hash"
    elif is_typeddict(kind):
        yield from _form(value, kind, path)
    elif inspect.isclass(kind) and issubclass(kind, StripeObject):
        yield from _object(value, kind, path)
    elif not (_is_text_of(value, kind) if is_form else _is_scalar(value, kind)):
        yield f"{path}: {value!r} is no {kind.__name__}"


def _any_of(value: Any, kinds: list[Any], scope: Scope, path: str, *, is_form: bool) -> Iterator[str]:
    """Nothing if one of the types fits, else what is wrong with the nearest; ``Literal | str`` means the literals."""
    if any(get_origin(kind) is Literal for kind in kinds):
        kinds = [kind for kind in kinds if kind is not str]
    if value is None and type(None) not in kinds:
        yield f"{path}: null"
        return
    kinds = [kind for kind in kinds if kind is not type(None)]
    if value is not None:
        tried = [list(_check(value, kind, scope, path, is_form=is_form)) for kind in kinds]
        same = [
            wrong
            for wrong, kind in zip(tried, kinds, strict=True)
            if isinstance(value, dict) is not (kind is str)
        ]
        yield from min(same or tried, key=len)


def _is_text_of(value: Any, kind: Any) -> bool:
    if not isinstance(value, str):
        return False
    return value in ("true", "false") if kind is bool else kind is not int or value.lstrip("-").isdigit()


def _is_scalar(value: Any, kind: Any) -> bool:
    if kind is Decimal:
        try:
            return Decimal(str(value)).is_finite()
        except InvalidOperation:
            return False
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
