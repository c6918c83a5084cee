"""Stripe's own client (16.1.0) with bounded time, and our errors for its errors.

The first call loads it, which takes 70 ms. By default it waits 80 s; here a call ends within 21 s, its one retry
included, so that a function with a time-out of 29 s still answers. No connection is kept, because it may be dead after
Lambda froze the function. Answers are returned as plain JSON, because the client's objects only look like dicts.
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
"""Objects per page of a list, the most that Stripe allows."""
LOCKED = ("lock_timeout", "idempotency_key_in_use")
UNKEPT = (401, 409, 429)
"""Statuses that Stripe does not save under an idempotency key (docs.stripe.com/api/idempotent_requests)."""
_ID = re.compile(r"[A-Za-z0-9_]{1,255}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_.\[\]]{1,100}", re.ASCII)

Call = Callable[[Any], Any]
"""A request, as a function of the client's ``v1`` services."""


class Api:
    """Stripe's API for one account.

    ``key(False)`` returns the secret key, ``key(True)`` reads it again after one was refused; ``timeout`` is in
    seconds, to connect and to wait for the next bytes.

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
        """Return the secret key; raise `StripeNotConfigured` without one."""
        found = self._key(fresh)
        if not found:
            raise StripeNotConfigured
        return found

    def request(self, call: Call) -> Json:
        """Send a request and return its answer; a refused key is read again, once."""
        key = self.key()
        import stripe  # noqa: PLC0415 - only where Stripe is asked

        try:
            return _plain(call(self._with(key)))
        except stripe.AuthenticationError:
            key = self.key(fresh=True)
        except stripe.StripeError as failed:
            _raise_ours(failed)
        try:
            return _plain(call(self._with(key)))
        except stripe.StripeError as failed:
            _raise_ours(failed)

    def list_all(self, listing: Call, form: Json) -> Iterator[Json]:
        """Yield every object of a list, requested page by page; ``listing`` returns the list method of a client."""
        query = form | {"limit": PAGE}
        while True:
            page = self.request(_with_form(listing, query))
            yield from page["data"]
            if not page["has_more"] or not page["data"]:
                return
            query = query | {"starting_after": page["data"][-1]["id"]}

    def _with(self, key: str) -> Any:
        if self._client[0] != key:
            self._client = key, _client(key, self._base_url, self._timeout, self._retries)
        return self._client[1]


def known(wanted: str) -> str:
    """Return ``wanted`` if it is an id that may be part of a URL path; raise `NoSuchPayment` if not."""
    if not _ID.fullmatch(wanted):
        raise NoSuchPayment
    return wanted


def _with_form(listing: Call, form: Json) -> Call:
    return lambda client: listing(client)(form)


def _client(key: str, base_url: str, timeout: tuple[float, float], retries: int) -> Any:
    """Return the ``v1`` services of a client with this key."""
    import requests  # noqa: PLC0415
    import stripe  # noqa: PLC0415

    logging.getLogger("stripe").setLevel(logging.WARNING)  # it logs URLs and messages
    stripe.enable_telemetry = False
    session = requests.Session()
    session.trust_env = False  # a .netrc would replace the key
    session.headers["Connection"] = "close"
    client = stripe.StripeClient(
        key,
        base_addresses={"api": base_url},
        http_client=stripe.RequestsClient(timeout=timeout, session=session),
        max_network_retries=retries,
    )
    return client.v1


def _plain(found: Any) -> Json:
    return dict(found.to_dict(for_json=True))


def _raise_ours(failed: StripeError) -> NoReturn:
    """Raise our error for one of the client's. The log line has codes and the request id, no names, cards or texts."""
    status = failed.http_status
    body = failed.json_body if isinstance(failed.json_body, dict) else {}
    error = body.get("error")
    error = error if isinstance(error, dict) else {}
    code, kind, param = (_word(error.get(name)) for name in ("code", "type", "param"))
    if status == 409 or code in LOCKED:
        raise CheckoutUnderWay from None
    if kind == "idempotency_error":
        raise IdempotencyMismatch(header="Idempotency-Key") from None
    if code == "resource_missing" and not param.startswith("line_items"):
        raise NoSuchPayment from None
    shown = {
        "status": status,
        "code": code,
        "type": kind,
        "param": param,
        "request": _word(failed.request_id),
    }
    if status is None or status >= 500 or status == 429:
        logger.warning("stripe does not answer", extra=shown)
    else:
        logger.error("stripe refuses", extra=shown)
    raise StripeUnavailable(answered=bool(error) and status not in UNKEPT) from None


def _word(value: Any) -> str:
    """Return an error code or id of Stripe, "" for anything else."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""
