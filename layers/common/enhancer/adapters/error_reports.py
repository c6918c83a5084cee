"""Errors of ours, sent to Sentry by its DSN: what broke and where, and nothing of anybody's.

Only the first error of a process loads the library. Each report is sent before the function freezes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import sentry_sdk

from enhancer.telemetry import hidden, logger

FLUSH_SECONDS = 2.0
"""How long an invocation waits for its report to be sent."""
IDS = ("requestId", "order", "jobId", "attempt", "item", "turn", "function", "xray_trace_id")
"""What a report may say about where an error happened."""
_FRAME = ("filename", "function", "module", "lineno", "in_app")
_EVENT = ("event_id", "level", "timestamp", "platform", "release", "environment")


@dataclass(frozen=True, slots=True)
class Place:
    """Where errors are sent (``dsn``), and what runs: version, environment, name of the function in the template."""

    dsn: str
    release: str
    environment: str
    function: str


def send(problem: BaseException, *, about: dict[str, Any], place: Place) -> None:
    """Report an error; ``about`` are the keys of its log lines, of which the ids are kept. Never raises."""
    try:
        _start(place)
        told = {name: str(value)[:100] for name, value in {**about, "function": place.function}.items()}
        with sentry_sdk.new_scope() as scope:
            scope.set_tags({name: value for name, value in told.items() if name in IDS})
            sentry_sdk.capture_exception(problem)
        sentry_sdk.flush(timeout=FLUSH_SECONDS)
    except ValueError as wrong:  # no DSN; the library itself never raises
        logger.error("no error reports", extra={"errorType": type(wrong).__name__})


def scrubbed(event: dict[str, Any], _hint: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what may leave of an event: which error, in which lines of code, of which version, and the ids.

    Built anew out of what is known to be harmless: headers, cookies, bodies, query strings, users, local variables,
    breadcrumbs and whatever else an event may hold are left behind.
    """
    values = (event.get("exception") or {}).get("values") or []
    tags = {name: value for name, value in (event.get("tags") or {}).items() if name in IDS}
    kept = {name: event[name] for name in _EVENT if name in event}
    return {**kept, "tags": tags, "exception": {"values": [_exception(one) for one in values]}}


def _exception(one: dict[str, Any]) -> dict[str, Any]:
    frames = (one.get("stacktrace") or {}).get("frames") or []
    lines = [{name: frame[name] for name in _FRAME if name in frame} for frame in frames]
    return {
        "type": one.get("type"),
        "module": one.get("module"),
        "value": hidden(str(one.get("value") or "")),
        "stacktrace": {"frames": lines},
    }


@cache
def _start(place: Place) -> None:
    """Set the library up once, without anything that it would collect by itself."""
    sentry_sdk.init(
        dsn=place.dsn,
        release=place.release,
        environment=place.environment,
        server_name="",
        before_send=scrubbed,  # type: ignore[arg-type]
        include_local_variables=False,
        include_source_context=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        send_client_reports=False,
        traces_sample_rate=None,
    )
