"""What a request to the Replicate stand-in asks for: model, input, waits; and how a wrong one is refused."""

from __future__ import annotations

import re

from flask import request

from local.standins.control import Json
from local.standins.replicate_models import BY_NAME, BY_VERSION, Model, violation
from local.standins.replicate_webhooks import EVENTS, allowed

WAIT_S = 60  # the longest and the default of Prefer: wait
DEADLINE_S = 5  # the shortest Cancel-After
VERSION = re.compile(r"(?:(?P<name>[\w.-]+/[\w.-]+):)?(?P<id>[0-9a-f]{64})|(?P<official>[\w.-]+/[\w.-]+)")
DURATION = re.compile(r"(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
FIELDS = frozenset({"version", "input", "webhook", "webhook_events_filter", "stream"})


class Refused(Exception):
    """A request that is answered with an error (problem document)."""

    def __init__(self, status: int, title: str, detail: str, invalid: list[Json] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.document: Json = {"title": title, "detail": detail, "status": status}
        if invalid is not None:
            self.document["invalid_fields"] = invalid


def not_found() -> Refused:
    """Return the 404 for an object that does not exist or belongs to another account."""
    return Refused(404, "Not found", "The requested resource could not be found.")


def target(body: Json, official: str | None) -> tuple[Model, str]:
    """Return the requested model, and the ``version`` that its prediction shows.

    Args:
        body: the request.
        official: the name in the path of the official models' route.
    """
    name = official
    if official is None:
        matched = VERSION.fullmatch(str(body.get("version", "")))
        if matched is None:
            invalid = [violation("version", "required", "version is required")]
            raise Refused(422, "Input validation failed", "- version is required\n", invalid)
        if version_id := matched["id"]:
            model = BY_VERSION.get(version_id)
            if model is None or matched["name"] not in (None, model.name):
                detail = (
                    "The specified version does not exist (or perhaps you don't have permission to use it?)"
                )
                raise Refused(422, "Invalid version or not permitted", detail)
            return model, version_id
        name = matched["official"]
    model = BY_NAME.get(name or "")
    if model is None or (official and not model.official):
        raise not_found()
    if not model.official:
        detail = "This model is not an official one: name a version, owner/name:id"
        raise Refused(422, "Invalid version or not permitted", detail)
    return model, "hidden"


def problems(body: Json, model: Model) -> list[Json]:
    """Return what is wrong with a request, field by field."""
    found = [
        violation(name, "additional_property", f"Additional property {name} is not allowed")
        for name in sorted(set(body) - FIELDS)
    ]
    if body.get("webhook") is not None and not allowed(body["webhook"]):
        found.append(violation("webhook", "format", "Must be an https URL"))
    wanted = body.get("webhook_events_filter")
    if wanted is not None and not (isinstance(wanted, list) and set(map(str, wanted)) <= EVENTS):
        listed = ", ".join(sorted(EVENTS))
        found.append(violation("webhook_events_filter", "enum", f"Must be a list of {listed}"))
    return found + model.problems(body.get("input"))


def preferred_wait() -> int:
    """Return the seconds that ``Prefer: wait`` of the current request asks for, 0 without it."""
    for preference in request.headers.get("Prefer", "").split(","):
        name, _, value = preference.strip().partition("=")
        if name.lower() == "wait":
            if value and not (value.isdecimal() and 1 <= int(value) <= WAIT_S):
                raise Refused(422, "Invalid header", "Prefer: wait must be between 1 and 60 seconds")
            return int(value or WAIT_S)
    return 0


def cancel_after() -> float | None:
    """Return the seconds of the current request's ``Cancel-After``."""
    given = request.headers.get("Cancel-After")
    if given is None:
        return None
    matched = DURATION.fullmatch(given)
    parts = [int(part or 0) for part in matched.groups()] if matched else [0, 0, 0]
    seconds = parts[0] * 3600 + parts[1] * 60 + parts[2]
    if seconds < DEADLINE_S:
        raise Refused(422, "Invalid header", "Cancel-After must be a duration of at least 5s, such as 1m30s")
    return float(seconds)
