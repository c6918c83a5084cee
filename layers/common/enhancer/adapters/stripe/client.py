"""Stripe's own client (16.1.0) within bounds: where it goes, how long it waits, and which of our errors its errors are.

It is loaded by the first call, 70 ms. It waits 80 s unless told otherwise; here a call ends within 21 s, its one
repetition included, so that a function of 29 s still answers. No connection is kept: after a function was frozen it
may be gone. Answers leave as plain JSON, because the client's objects only look like dicts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from enhancer.adapters.stripe.parse import Json
from enhancer.domain.errors import (
    CheckoutUnderWay,
    IdempotencyMismatch,
    StripeNotConfigured,
    StripeUnavailable,
)
from enhancer.domain.payments import NoSuchPayment
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from stripe import StripeError

TIMEOUT = 2.0, 8.0
"""Seconds to connect, and to wait for the next bytes."""
RETRIES = 1
PAGE = 100
LOCKED = ("lock_timeout", "idempotency_key_in_use")
UNKEPT = (401, 409, 429)
"""Refused before anything was begun: Stripe keeps no such answer under an idempotency key."""
_ID = re.compile(r"[A-Za-z0-9_]{1,255}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_.\[\]]{1,100}", re.ASCII)

Call = Callable[[Any], Any]
"""Something to be asked of Stripe, given the calls of its version 1."""


class Api:
    """One account. ``key(True)`` reads it anew after one was refused; ``timeout`` in seconds, to connect and to wait.

    Every method raises `StripeNotConfigured`, `StripeUnavailable`, `CheckoutUnderWay`, `IdempotencyMismatch` and
    `NoSuchPayment`.
    """

    def __init__(
        self, key: Callable[[bool], str], base_url: str, *, timeout: tuple[float, float], retries: int
    ) -> None:
        self._key = key
        self._base_url = base_url
        self._timeout = timeout
        self._retries = retries
        self._client: tuple[str, Any] = ("", None)

    def key(self, *, fresh: bool = False) -> str:
        """Return the secret key."""
        found = self._key(fresh)
        if not found:
            raise StripeNotConfigured
        return found

    def asked(self, call: Call) -> Json:
        """Return an answer. A key that is refused is looked up anew, once."""
        key = self.key()
        import stripe  # noqa: PLC0415 - only where Stripe is asked

        try:
            return _plain(call(self._with(key)))
        except stripe.AuthenticationError:
            key = self.key(fresh=True)
        except stripe.StripeError as told:
            _refuse(told)
        try:
            return _plain(call(self._with(key)))
        except stripe.StripeError as told:
            _refuse(told)

    def listed(self, listing: Call, form: Json) -> Iterator[Json]:
        """Give all that a list has, asked for page by page; ``listing`` picks the call."""
        asked = form | {"limit": PAGE}
        while True:
            page = self.asked(_with_form(listing, asked))
            yield from page["data"]
            if not page["has_more"] or not page["data"]:
                return
            asked = asked | {"starting_after": page["data"][-1]["id"]}

    def _with(self, key: str) -> Any:
        if self._client[0] != key:
            self._client = key, _client(key, self._base_url, self._timeout, self._retries)
        return self._client[1]


def known(wanted: str) -> str:
    """Return an id that may be part of a path; raise `NoSuchPayment` for what is none."""
    if not _ID.fullmatch(wanted):
        raise NoSuchPayment
    return wanted


def _with_form(listing: Call, form: Json) -> Call:
    return lambda client: listing(client)(form)


def _client(key: str, base_url: str, timeout: tuple[float, float], retries: int) -> Any:
    """Return the calls of version 1, made with this key."""
    import requests  # noqa: PLC0415
    import stripe  # noqa: PLC0415

    logging.getLogger("stripe").setLevel(logging.WARNING)  # it logs URLs and messages
    stripe.enable_telemetry = False
    line = requests.Session()
    line.trust_env = False  # a .netrc would replace the key
    line.headers["Connection"] = "close"
    client = stripe.StripeClient(
        key,
        base_addresses={"api": base_url},
        http_client=stripe.RequestsClient(timeout=timeout, session=line),
        max_network_retries=retries,
    )
    return client.v1


def _plain(found: Any) -> Json:
    return dict(found.to_dict(for_json=True))


def _refuse(told: StripeError) -> NoReturn:
    """Raise ours for an error of the client's. What is logged names codes and the request, never people or cards."""
    status = told.http_status
    body = told.json_body if isinstance(told.json_body, dict) else {}
    error = body.get("error")
    error = error if isinstance(error, dict) else {}
    code, kind, param = (_word(error.get(name)) for name in ("code", "type", "param"))
    if status == 409 or code in LOCKED:
        raise CheckoutUnderWay from None
    if kind == "idempotency_error":
        raise IdempotencyMismatch(header="Idempotency-Key") from None
    if code == "resource_missing" and not param.startswith("line_items"):
        raise NoSuchPayment from None
    shown = {"status": status, "code": code, "type": kind, "param": param, "request": _word(told.request_id)}
    if status is None or status >= 500 or status == 429:
        logger.warning("stripe does not answer", extra=shown)
    else:
        logger.error("stripe refuses", extra=shown)
    raise StripeUnavailable(answered=bool(error) and status not in UNKEPT) from None


def _word(value: Any) -> str:
    """Return a code as Stripe writes it, "" for anything else."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""
