"""HTTP of the Stripe stand-in: nested form parameters, API keys, error objects, idempotency keys."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from flask import Response, g, request

from local.standins.control import Clock, Json, answer_json

API_VERSION = "2026-10-28.endive"
KEEP_S = 24 * 3600  # how long an answer is kept under its key
KEY_LENGTH = 255
PART = re.compile(r"\[([^\[\]]*)\]")
NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
UNKEPT = frozenset({401, 403, 409, 429})  # refused before anything was begun: the key is still free
INVALID = "parameter_"  # how the codes of parameters begin that are looked at before the work

Shape = Mapping[str, "Shape | None"]


class Refused(Exception):
    """A request that Stripe answers with an error object."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: Json = {"message": message, "type": type}
        if code:
            self.error |= {
                "code": code,
                "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
            }
        if param:
            self.error["param"] = param

    def answer(self) -> Response:
        """Return the error as an HTTP answer."""
        return answer_json({"error": self.error}, self.status)


def missing(param: str) -> Refused:
    """Return the error for a missing required parameter."""
    return Refused(f"Missing required param: {param}.", code="parameter_missing", param=param)


def no_such(kind: str, wanted: object, param: str = "id") -> Refused:
    """Return the error for an unknown object: 404 if the path names it, 400 if a parameter does."""
    status = 404 if param == "id" else 400
    return Refused(f"No such {kind}: '{wanted}'", status=status, code="resource_missing", param=param)


def nested(pairs: Iterable[tuple[str, str]]) -> Json:
    """Return ``a[b][0][c]=x`` as ``{"a": {"b": [{"c": "x"}]}}``.

    Raises:
        Refused: a name is not of that form, or is a value here and a parent there.
    """
    tree: Json = {}
    for name, value in pairs:
        matched = NAME.fullmatch(name)
        if matched is None:
            raise Refused(f"Invalid parameter name: {name}", param=name)
        parts = [matched[1], *PART.findall(matched[2])]
        place = tree
        for part in parts[:-1]:
            place = place.setdefault(part or str(len(place)), {})
            if not isinstance(place, dict):
                raise Refused(f"Invalid hash: {name}", param=name)
        place[parts[-1] or str(len(place))] = value
    return {name: _lists(value) for name, value in tree.items()}


def _lists(value: Any) -> Any:
    """Return a tree with its numbered branches as lists."""
    if not isinstance(value, dict):
        return value
    if value and all(name.isdecimal() for name in value):
        return [_lists(value[name]) for name in sorted(value, key=int)]
    return {name: _lists(found) for name, found in value.items()}


def given() -> Json:
    """Return the parameters of the current request, from its query or its form."""
    if request.method == "POST":
        if request.mimetype not in ("", "application/x-www-form-urlencoded"):
            raise Refused(f"Invalid request: unsupported content type {request.mimetype}", status=415)
        return nested(parse_qsl(request.get_data(as_text=True), keep_blank_values=True))
    return nested(parse_qsl(request.query_string.decode(), keep_blank_values=True))


def leaves(names: str) -> Shape:
    """Parameters whose content is not looked into."""
    return dict.fromkeys(names.split())


def check(form: Json, shape: Shape, prefix: str = "") -> None:
    """Raise Refused for a parameter that the call does not have."""
    for name, value in form.items():
        full = f"{prefix}[{name}]" if prefix else name
        if name not in shape:
            raise Refused(f"Received unknown parameter: {full}", code="parameter_unknown", param=full)
        inner = shape[name]
        if inner is None:
            continue
        many = isinstance(value, list)
        for place, found in enumerate(value if many else [value]):
            if isinstance(found, dict):
                check(found, inner, f"{full}[{place}]" if many else full)
            elif found:
                raise Refused(f"Invalid object: {full}", param=full)


def integer(form: Json, name: str, *, least: int = 0) -> int | None:
    """Return a parameter as an integer, None without it."""
    text = form.get(name)
    if text is None or text == "":
        return None
    if not re.fullmatch(r"-?\d+", str(text)):
        raise Refused(f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
    if int(text) < least:
        raise Refused(f"This value must be greater than or equal to {least}.", param=name)
    return int(text)


def flag(form: Json, name: str) -> bool | None:
    """Return a parameter as a boolean, None without it."""
    text = form.get(name)
    if text is None or text == "":
        return None
    if text not in ("true", "false"):
        raise Refused(f"Invalid boolean: {text}", param=name)
    return bool(text == "true")


def merged(metadata: Json, change: Any) -> Json:
    """Return metadata after a change: an empty value removes its name, an empty string all of them."""
    if change is None:
        return metadata
    if change == "":
        return {}
    if not isinstance(change, dict) or not all(isinstance(value, str) for value in change.values()):
        raise Refused("Invalid object", param="metadata")
    result = {name: value for name, value in (metadata | change).items() if value != ""}
    if len(result) > 50:
        raise Refused("Metadata can have at most 50 keys", param="metadata")
    for name, value in result.items():
        if len(name) > 40 or len(value) > 500:
            raise Refused(f"Metadata keys have at most 40 characters, values 500: {name}", param="metadata")
    return result


def authorised(key: str) -> None:
    """Check the API key of the current request, in Bearer or Basic authorization.

    Raises:
        Refused: there is none, or another one.
    """
    sent = request.authorization
    found = sent and (sent.token if sent.type == "bearer" else sent.username)
    if not found:
        message = (
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
        raise Refused(message, status=401)
    if found != key:
        raise Refused(f"Invalid API Key provided: {found[:7]}***{found[-4:]}", status=401)
    version = request.headers.get("Stripe-Version", API_VERSION)
    if version != API_VERSION:
        raise Refused(f"Invalid Stripe API version: {version}. Only {API_VERSION} is spoken here.")


@dataclass(slots=True)
class _Kept:
    fingerprint: str
    at: float
    request_id: str
    answer: tuple[int, bytes] | None = None


class Idempotency:
    """The saved answers to requests with an idempotency key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Delete every key."""
        with self._lock:
            self._kept.clear()

    def answers(self) -> Json:
        """Return every saved answer by its key, as JSON."""
        with self._lock:
            kept = [(key, one, one.answer) for key, one in self._kept.items() if one.answer]
        return {
            key: [one.fingerprint, one.at, one.request_id, status, body.decode()]
            for key, one, (status, body) in kept
        }

    def remember(self, answers: Json) -> None:
        """Save the `answers` of an earlier run."""
        with self._lock:
            for key, (print_then, at, request_id, status, body) in answers.items():
                self._kept[key] = _Kept(print_then, at, request_id, (status, body.encode()))

    def run(self, work: Callable[[], Response]) -> Response:
        """Do the work of the current request, or repeat the answer to the first request with its key."""
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        if not key:
            return _answer_or_error(work)
        if len(key) > KEY_LENGTH:
            return Refused(f"Idempotency keys have at most {KEY_LENGTH} characters.").answer()
        entry = _Kept(fingerprint(), self._clock.now(), g.request_id)
        with self._lock:
            first = self._kept.get(key)
            if first is None or first.at + KEEP_S <= entry.at:
                self._kept[key] = first = entry
        if first is not entry:
            return replayed(key, first, entry.fingerprint)
        response: Response | None = None
        try:
            response = _answer_or_error(work)
        finally:
            with self._lock:
                if response is None or response.status_code in UNKEPT or g.get("unkept"):
                    self._kept.pop(key, None)
                else:
                    entry.answer = (response.status_code, response.get_data())
        return response


def _answer_or_error(work: Callable[[], Response]) -> Response:
    """Return the answer of the work, or its error as an answer; invalid parameters leave the key free."""
    try:
        return work()
    except Refused as problem:
        g.unkept = str(problem.error.get("code")).startswith(INVALID)
        return problem.answer()


def replayed(key: str, first: _Kept, print_now: str) -> Response:
    """Return the answer to another request with the same key."""
    if first.fingerprint != print_now:
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request."
        )
        return Refused(message, type="idempotency_error").answer()
    if first.answer is None:
        message = (
            "There is currently another in-progress request using this Stripe-Idempotent-Key (that probably means "
            f"you submitted twice, and the other request is still going through): {key}. Please try again later."
        )
        return Refused(message, status=409, type="idempotency_error", code="idempotency_key_in_use").answer()
    status, body = first.answer
    response = Response(body, status, content_type="application/json")
    response.headers["Idempotent-Replayed"] = "true"
    response.headers["Original-Request"] = first.request_id
    return response


def fingerprint() -> str:
    """Return what must be the same when a key is used again: path and parameters, in any order."""
    pairs = sorted(parse_qsl(request.get_data(as_text=True), keep_blank_values=True))
    return hashlib.sha256(repr((request.path, pairs)).encode()).hexdigest()
