"""Replicate's HTTP API through its own client (1.0.7), with every request bounded in time and bytes.

Import it only where it is needed: that takes 110 ms.

The client alone is unfit for a function: it waits without limit unless told otherwise, repeats a GET up to ten times
and sleeps as long as ``Retry-After`` says, drops that header, breaks on error bodies that are lists, and its objects do
not know the status ``aborted``, so one such entry makes a whole list unreadable. Our transport prevents all of that: it
raises `StatusError` for every status but success, and answers are read from their bodies
(https://replicate.com/docs/reference/http).
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

from enhancer.adapters.http.bounded import retry_after_seconds
from enhancer.adapters.predictors.replicate_errors import NoAnswer, StatusError, UnreadableAnswer
from enhancer.domain.models import Model

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every URL

CONNECT_SECONDS = 5.0
GRACE_SECONDS = 2.5
"""Seconds an answer may take beyond the time we asked Replicate to wait."""
BODY_BYTES_MAX = 64_000_000
"""Longest answer that is read; outputs may be inside as data URLs."""
PAGES_MAX = 10
"""How many pages of a hundred predictions are looked through for a lost one."""
CANCEL_AFTER = "5m"
"""Replicate cancels a prediction by itself after so long (header ``Cancel-After``)."""
ENDED = ("succeeded", "failed", "canceled", "aborted")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_RESETS = re.compile(rb'"retry_after"\s*:\s*(\d{1,6})\b|~(\d{1,6})s')
"""The wait in the body of a 429: ``"retry_after": 8``, or in its text "Your rate limit resets in ~8s"."""
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


@dataclass(frozen=True, slots=True)
class Run:
    """A prediction as Replicate describes it.

    ``seconds`` is the billed running time, None if unknown; ``created_at`` is epoch ms; ``error`` and ``input`` are
    JSON texts, to be searched.
    """

    id: str
    status: str
    output: Any = None
    error: str = ""
    seconds: float | None = None
    created_at: int = 0
    input: str = ""

    @property
    def ended(self) -> bool:
        """Whether the prediction has ended, well or badly."""
        return self.status in ENDED


class Api:
    """Replicate's API for one account.

    ``base_url`` is without ``/v1``; ``token(True)`` reads the token again after one was refused. Every method takes the
    ``seconds`` it may last, and raises `StatusError`, `NoAnswer` or `UnreadableAnswer`.
    """

    def __init__(self, base_url: str, token: Callable[[bool], str]) -> None:
        self._base_url = base_url.rstrip("/").removesuffix("/v1")
        self._token = token

    def create(
        self, model: Model, input: Mapping[str, Any], *, wait: int, webhook: str | None, seconds: float
    ) -> Run:
        """Start a prediction, wait up to ``wait`` whole seconds for its end, and return it as it is then.

        ``webhook`` is the URL that Replicate calls when it begins and when it has ended.
        """
        more: dict[str, Any] = {"wait": wait}
        if webhook:
            more |= {"webhook": webhook, "webhook_events_filter": ["start", "completed"]}

        def send(client: Client) -> None:
            if model.version:
                client.predictions.create(version=model.version, input=dict(input), **more)
            else:
                client.models.predictions.create(model=model.slug, input=dict(input), **more)

        return _run(self._request(send, min(wait + GRACE_SECONDS, seconds)))

    def get(self, prediction_id: str, *, seconds: float) -> Run | None:
        """Return a prediction as it is now, None if there is none with this id."""
        try:
            return _run(self._request(lambda client: client.predictions.get(prediction_id), seconds))
        except StatusError as refused:
            if refused.status == 404:
                return None
            raise

    def recent(self, *, since: int, seconds: float) -> list[Run]:
        """Return the predictions made at ``since`` (epoch ms) or later, newest first; `PAGES_MAX` hundred at most."""
        deadline, found, cursor = time.monotonic() + seconds, list[Run](), ""
        for _ in range(PAGES_MAX):
            page = self._page(cursor, deadline - time.monotonic())
            runs = [_run(one) for one in page["results"]]
            found += runs
            cursor = str(page.get("next") or "")
            if not cursor.startswith(f"{self._base_url}/") or not runs or runs[-1].created_at < since:
                break
        return [run for run in found if run.created_at >= since]

    def _page(self, cursor: str, seconds: float) -> dict[str, Any]:
        """Return a page of the list of predictions: the first one, or the one at a URL."""

        def send(client: Client) -> None:
            client.predictions.list(*([cursor] if cursor else []))

        page = self._request(send, seconds)
        if not isinstance(page, dict) or not isinstance(page.get("results"), list):
            raise UnreadableAnswer
        return page

    def cancel(self, prediction_id: str, *, seconds: float) -> None:
        """Stop a prediction; one that ended stays as it is."""
        self._request(lambda client: client.predictions.cancel(prediction_id), seconds)

    @cached_property
    def _transport(self) -> httpx.HTTPTransport:
        """The transport of all requests, made once, because reading the certificates takes time.

        No connection is kept: it may be dead after Lambda froze the function, and a POST sent into it would lose its
        answer.
        """
        return httpx.HTTPTransport(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    def _request(self, send: Callable[[Client], object], seconds: float) -> Any:
        """Send a request and return the JSON of its answer; a refused token is read again, once."""
        deadline = time.monotonic() + seconds
        try:
            return self._request_once(send, self._token(False), deadline)
        except StatusError as refused:
            if refused.status != 401:
                raise
        return self._request_once(send, self._token(True), deadline)

    def _request_once(self, send: Callable[[Client], object], token: str, deadline: float) -> Any:
        if not token:  # the client would look for one in the environment
            raise StatusError(401)
        transport = _BoundedTransport(self._transport, deadline)
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept-Encoding": "identity",
            "Cancel-After": CANCEL_AFTER,
        }
        client = Client(base_url=self._base_url, headers=headers, transport=transport, trust_env=False)
        try:
            send(client)
        except httpx.HTTPError as failed:
            raise NoAnswer(sent=not isinstance(failed, _NEVER_SENT)) from None
        except (ValueError, TypeError, KeyError, AttributeError):  # an answer the client does not know
            if transport.body is None:
                raise
        try:
            return json.loads(transport.body or b"")
        except ValueError:
            raise UnreadableAnswer from None


class _BoundedTransport(httpx.BaseTransport):
    """Sends one request and reads its answer by a deadline (monotonic seconds), whatever time-outs the client sets."""

    def __init__(self, inner: httpx.BaseTransport, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline
        self.body: bytes | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        left = max(self._deadline - time.monotonic(), 0.1)
        connect = min(CONNECT_SECONDS, left)
        request.extensions["timeout"] = {"connect": connect, "pool": connect, "read": left, "write": left}
        answer = self._inner.handle_request(request)
        body = self._read(answer)
        if not answer.is_success:
            found = _RESETS.search(body)
            asked = retry_after_seconds(answer.headers.get("Retry-After"))
            raise StatusError(
                answer.status_code, float(found[1] or found[2]) if found and asked is None else asked
            )
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


def _run(found: Any) -> Run:
    """Read a prediction object; raise `UnreadableAnswer` for anything else."""
    if not isinstance(found, dict) or not isinstance(found.get("id"), str) or not _ID.fullmatch(found["id"]):
        raise UnreadableAnswer
    metrics = found.get("metrics")
    seconds = metrics.get("predict_time") if isinstance(metrics, dict) else None
    return Run(
        id=found["id"],
        status=str(found.get("status")),
        output=found.get("output"),
        error=json.dumps(found.get("error") or ""),
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        created_at=_epoch_ms(found.get("created_at")),
        input=json.dumps(found.get("input") or {}),
    )


def _epoch_ms(text: Any) -> int:
    """Return a time such as ``2026-11-20T12:00:00.000Z`` in epoch ms, 0 for anything else."""
    try:
        return int(datetime.fromisoformat(str(text)).timestamp() * 1000)
    except ValueError:
        return 0
