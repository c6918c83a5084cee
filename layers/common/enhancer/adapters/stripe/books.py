"""Stripe's own books: balance transactions, and which pack or invoice each is about. Read only, for the cost report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from enhancer.adapters.stripe import parse as read
from enhancer.adapters.stripe.client import RETRIES, TIMEOUT, Api, known
from enhancer.adapters.stripe.parse import Json
from enhancer.domain.errors import StripeUnavailable
from enhancer.domain.money import Move
from enhancer.domain.payments import Line, NoSuchPayment
from enhancer.domain.periods import DAY_MS

DRAFT_MS = 3 * DAY_MS
"""Invoices are listed from so long before a day: most are paid within an hour, the others are looked up one by one."""


class StripeBooks:
    """The balance of one account; parameters as of `enhancer.adapters.stripe.gateway.Payments`.

    Raises `StripeNotConfigured` without a key, `StripeUnavailable` if Stripe does not answer or answers something else.
    """

    def __init__(
        self,
        secret_key: Callable[[bool], str],
        base_url: str,
        *,
        timeout: tuple[float, float] = TIMEOUT,
        retries: int = RETRIES,
    ) -> None:
        self._api = Api(secret_key, base_url, timeout=timeout, retries=retries)

    def moves(self, *, since_ms: int, before_ms: int) -> Iterator[Move]:
        """Yield the balance transactions from one time to another (epoch ms, the last excluded), newest first."""
        form = {
            "created": {"gte": since_ms // 1000, "lt": before_ms // 1000},
            "expand": ["data.source"],
        }
        lookup = _Lookup(self._api, since_ms, before_ms)
        for found in self._api.list_all(lambda client: client.balance_transactions.list, form):
            try:
                yield _move(found, lookup)
            except (LookupError, TypeError, ValueError, AttributeError):
                raise StripeUnavailable from None


class _Lookup:
    """What payments were for; each charge and invoice is asked for once."""

    def __init__(self, api: Api, since_ms: int, before_ms: int) -> None:
        self._api = api
        self._window = {"gte": max(0, since_ms - DRAFT_MS) // 1000, "lt": before_ms // 1000}
        self._invoices: dict[str, Json] | None = None
        self._charges: dict[str, Json] = {}
        self._lines: dict[str, tuple[Line, ...]] = {}

    def charge(self, charge_id: str) -> Json:
        """Return a charge."""
        if charge_id not in self._charges:
            wanted = known(charge_id)
            self._charges[charge_id] = self._api.request(lambda client: client.charges.retrieve(wanted))
        return self._charges[charge_id]

    def lines(self, payment_intent: str) -> tuple[Line, ...]:
        """Return the lines of the invoice that a payment paid; none for a payment without an invoice."""
        if payment_intent not in self._lines:
            invoice = self._listed().get(payment_intent) or self._asked(payment_intent)
            self._lines[payment_intent] = self._lines_of(invoice) if invoice else ()
        return self._lines[payment_intent]

    def _listed(self) -> dict[str, Json]:
        if self._invoices is None:
            form: Json = {"status": "paid", "created": self._window, "expand": ["data.payments"]}
            self._invoices = {}
            for invoice in self._api.list_all(lambda client: client.invoices.list, form):
                for one in invoice["payments"]["data"]:
                    if intent := read.id_of(one["payment"].get("payment_intent")):
                        self._invoices[intent] = invoice
        return self._invoices

    def _asked(self, payment_intent: str) -> Json | None:
        form = {"payment": {"type": "payment_intent", "payment_intent": payment_intent}}
        try:
            paid = self._api.list_all(lambda client: client.invoice_payments.list, form)
            first = next(paid, None)
            wanted = known(read.id_of(first["invoice"]) or "") if first else ""
        except NoSuchPayment:
            return None
        return self._api.request(lambda client: client.invoices.retrieve(wanted)) if wanted else None

    def _lines_of(self, invoice: Json) -> tuple[Line, ...]:
        found, wanted = invoice["lines"], invoice["id"]
        lines = found["data"]
        if found["has_more"]:
            lines = self._api.list_all(lambda client: _listing(client, wanted), {})
        return tuple(read.line(one) for one in lines)


def _listing(client: Any, invoice_id: str) -> Callable[[Json], Any]:
    return lambda form: client.invoices.line_items.list(invoice_id, form)


def _move(found: Json, lookup: _Lookup) -> Move:
    source: Any = found["source"]
    kind = source["object"] if isinstance(source, dict) else ""
    charge: Json | None = source if kind == "charge" else None
    if kind in ("refund", "dispute") and (charge_id := read.id_of(source["charge"])):
        charge = lookup.charge(charge_id)
    pack = ""
    lines: tuple[Line, ...] = ()
    if charge:
        pack = _pack(charge)
        intent = read.id_of(charge.get("payment_intent"))
        lines = lookup.lines(intent) if intent and not pack else ()
    return Move(
        id=found["id"],
        at=read.ms(found["created"]),
        currency=found["currency"],
        amount=found["amount"],
        fee=found["fee"],
        category=found["reporting_category"],
        pack=pack,
        lines=lines,
    )


def _pack(charge: Json) -> str:
    """Return the pack that a charge paid for: our checkout writes it on the payment, and Stripe copies it here."""
    name = str((charge.get("metadata") or {}).get("pack", ""))
    return name if name.isascii() and name.isdigit() and len(name) < 9 else ""
