"""Replicate's HTTP API through its own client (1.0.7), with every request bounded. Import where it is needed: 110 ms.

What the client does by itself is not what a function needs, so it is held by its transport. It waits without limit
unless told otherwise, repeats a GET up to ten times and sleeps as long as ``Retry-After`` says, forgets that header,
breaks on error bodies that are lists, and its objects know no status ``aborted``: one such entry makes a whole list
unreadable. Here every status but success leaves the transport as a `Refusal` before any of that happens, and answers
are read from their bodies.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import httpx
from replicate.client import Client

from enhancer.adapters.http.bounded import seconds_asked
from enhancer.adapters.predictors.trouble import NoAnswer, Refusal, Unreadable
from enhancer.domain.models import Model

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every URL

CONNECT_SECONDS = 5.0
GRACE_SECONDS = 2.5
"""What an answer may take beyond the time we asked the provider to wait."""
BODY_BYTES_MAX = 64_000_000
"""Longest answer; outputs may be inside as data URLs."""
CANCEL_AFTER = "5m"
"""The provider stops a prediction by itself when its job is long over."""
ENDED = ("succeeded", "failed", "canceled", "aborted")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_RESETS = re.compile(rb"~(\d{1,6})s")
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


@dataclass(frozen=True, slots=True)
class Run:
    """A prediction as the provider tells it. ``seconds`` of active time are billed; ``created_at`` in epoch ms."""

    id: str
    status: str
    output: Any = None
    error: str = ""
    seconds: float | None = None
    created_at: int = 0
    input: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in ENDED


class Api:
    """One account. ``base_url`` is without ``/v1``; ``token(True)`` reads it anew after one was refused."""

    def __init__(self, base_url: str, token: Callable[[bool], str]) -> None:
        self._base_url = base_url.rstrip("/").removesuffix("/v1")
        self._token = token

    def create(
        self, model: Model, input: Mapping[str, Any], *, wait: int, webhook: str | None, seconds: float
    ) -> Run:
        """Start a prediction, wait so many whole seconds for its end, and return it as it is then."""
        more: dict[str, Any] = {"wait": wait}
        if webhook:
            more |= {"webhook": webhook, "webhook_events_filter": ["completed"]}

        def send(client: Client) -> None:
            if model.version:
                client.predictions.create(version=model.version, input=dict(input), **more)
            else:
                client.models.predictions.create(model=model.slug, input=dict(input), **more)

        return _run(self._asked(send, min(wait + GRACE_SECONDS, seconds)))

    def get(self, prediction_id: str, *, seconds: float) -> Run | None:
        """Return a prediction as it is now, None where there is none of this id."""
        try:
            return _run(self._asked(lambda client: client.predictions.get(prediction_id), seconds))
        except Refusal as refused:
            if refused.status == 404:
                return None
            raise

    def recent(self, *, seconds: float) -> list[Run]:
        """Return the newest hundred predictions, newest first."""
        page = self._asked(lambda client: client.predictions.list(), seconds)
        if not isinstance(page, dict) or not isinstance(page.get("results"), list):
            raise Unreadable
        return [_run(found) for found in page["results"]]

    def cancel(self, prediction_id: str, *, seconds: float) -> None:
        """Stop a prediction; one that ended stays as it is."""
        self._asked(lambda client: client.predictions.cancel(prediction_id), seconds)

    @cached_property
    def _line(self) -> httpx.HTTPTransport:
        """How all requests travel; the certificates are read once.

        No connection is kept: after a function was frozen it may be gone, and a POST sent into it is one whose answer
        is lost.
        """
        return httpx.HTTPTransport(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    def _asked(self, send: Callable[[Client], object], seconds: float) -> Any:
        """Return the JSON of an answer. A token that is refused is looked up anew, once."""
        deadline = time.monotonic() + seconds
        try:
            return self._once(send, self._token(False), deadline)
        except Refusal as refused:
            if refused.status != 401:
                raise
        return self._once(send, self._token(True), deadline)

    def _once(self, send: Callable[[Client], object], token: str, deadline: float) -> Any:
        if not token:  # the client would look for one in the environment
            raise Refusal(401)
        line = _Bounded(self._line, deadline)
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept-Encoding": "identity",
            "Cancel-After": CANCEL_AFTER,
        }
        client = Client(base_url=self._base_url, headers=headers, transport=line, trust_env=False)
        try:
            send(client)
        except httpx.HTTPError as failed:
            raise NoAnswer(sent=not isinstance(failed, _NEVER_SENT)) from None
        except (ValueError, TypeError, KeyError, AttributeError):  # an answer the client does not know
            if line.body is None:
                raise
        try:
            return json.loads(line.body or b"")
        except ValueError:
            raise Unreadable from None


class _Bounded(httpx.BaseTransport):
    """One request with its answer, by a deadline (monotonic seconds), whatever time-outs the client sets."""

    def __init__(self, line: httpx.BaseTransport, deadline: float) -> None:
        self._line = line
        self._deadline = deadline
        self.body: bytes | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        left = max(self._deadline - time.monotonic(), 0.1)
        connect = min(CONNECT_SECONDS, left)
        request.extensions["timeout"] = {"connect": connect, "pool": connect, "read": left, "write": left}
        answer = self._line.handle_request(request)
        body = self._read(answer)
        if not answer.is_success:
            found = _RESETS.search(body)
            said = seconds_asked(answer.headers.get("Retry-After"))
            raise Refusal(answer.status_code, float(found[1]) if found and said is None else said)
        self.body = body
        return httpx.Response(
            answer.status_code, headers={"Content-Type": "application/json"}, content=body, request=request
        )

    def _read(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        try:
            for piece in answer.iter_raw():
                body += piece
                if len(body) > BODY_BYTES_MAX or time.monotonic() > self._deadline:
                    raise httpx.ReadTimeout("too long")
        finally:
            answer.close()
        return bytes(body)


def _run(told: Any) -> Run:
    """Read a prediction object; raise `Unreadable` for what is none."""
    if not isinstance(told, dict) or not isinstance(told.get("id"), str) or not _ID.fullmatch(told["id"]):
        raise Unreadable
    metrics = told.get("metrics")
    seconds = metrics.get("predict_time") if isinstance(metrics, dict) else None
    return Run(
        id=told["id"],
        status=str(told.get("status")),
        output=told.get("output"),
        error=json.dumps(told.get("error") or ""),
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        created_at=_epoch_ms(told.get("created_at")),
        input=json.dumps(told.get("input") or {}),
    )


def _epoch_ms(text: Any) -> int:
    """Return a time such as ``2026-11-20T12:00:00.000Z`` in epoch ms, 0 for what is none."""
    try:
        return int(datetime.fromisoformat(str(text)).timestamp() * 1000)
    except ValueError:
        return 0
