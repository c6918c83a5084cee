"""Links between our accounts and Stripe: customer ids, open checkouts, subscriptions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.ledger_writes import event_once
from enhancer.adapters.dynamodb.table import ConditionFailed, Record, Table, Write, absent
from enhancer.domain.errors import IdempotencyMismatch, NotFound
from enhancer.domain.ledger import StaleVersion
from enhancer.domain.owners import Owner
from enhancer.domain.subscriptions import Subscription

ORDER_KEPT_SECONDS = 23 * 3600
"""How long an idempotency key stands for its checkout: a little less than the day in which that can be paid."""


class AlreadyCustomer(Exception):
    """The account has another Stripe customer id already: ``customer``."""

    def __init__(self, customer: str) -> None:
        super().__init__(customer)
        self.customer = customer


@dataclass(frozen=True, slots=True)
class OpenCheckout:
    """The checkout that an idempotency key stands for.

    ``id``: ours. ``session`` and ``url``: of Stripe's checkout session, empty until it is open. ``turn``: how often
    Stripe refused or the session expired; it is part of the idempotency key at Stripe, which would otherwise repeat
    that answer.
    """

    id: str
    turn: int = 0
    session: str = ""
    url: str = ""


class StripeLinks:
    """What is stored of our users as customers of Stripe."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def owner_of(self, customer: str | None) -> Owner | None:
        """Return the owner with this Stripe customer id, None where there is none."""
        record = self._table.get(keys.customer(customer)) if customer else None
        return Owner("user", record["user"]) if record else None

    def enroll(self, owner: Owner, customer: str, *, instead_of: str = "") -> str:
        """Store the account's Stripe customer id and return it; if it has one already, return that one.

        ``instead_of``: the id it had, of a customer that was deleted at Stripe. Raises `NotFound` without an account.
        """
        pointer = Write("Put", keys.customer(customer), {"user": owner.id})
        account = Write(
            "Update",
            keys.account(owner),
            update="SET customer = :customer",
            condition="attribute_exists(#plan) AND (attribute_not_exists(customer) OR customer = :before)",
            names={"#plan": "plan"},
            values={":customer": customer, ":before": instead_of},
            refusal=lambda found: AlreadyCustomer(found["customer"]) if "customer" in found else NotFound(),
        )
        try:
            self._table.transact([account, pointer])
        except AlreadyCustomer as already:
            return already.customer
        return customer

    def enrolment_turn(self, owner: Owner) -> int:
        """Return how often Stripe refused to make this account a customer."""
        record = self._table.get(keys.account(owner)) or {}
        return int(record.get("enrolment_turn", 0))

    def next_enrolment(self, owner: Owner, *, turn: int) -> None:
        """Count such a refusal, once for each turn."""
        with suppress(ConditionFailed):
            self._table.update(
                keys.account(owner),
                "SET enrolment_turn = :next",
                condition="attribute_exists(#plan)"
                " AND (attribute_not_exists(enrolment_turn) OR enrolment_turn = :turn)",
                values={":turn": turn, ":next": turn + 1},
                names={"#plan": "plan"},
            )

    def deleted_at(self, owner: Owner) -> int:
        """Return when the account was deleted (epoch ms), 0 if it was not."""
        record = self._table.get(keys.account(owner)) or {}
        return int(record.get("deleted_at", 0))

    def order(self, owner: Owner, key_hash: str, *, fingerprint: str, new_id: str, now: int) -> OpenCheckout:
        """Return the checkout that the idempotency key stands for, a new one with ``new_id`` if none.

        Raises `IdempotencyMismatch` when the key stands for a request with another fingerprint.
        """
        record = {
            **keys.order(owner, key_hash),
            "id": new_id,
            "fingerprint": fingerprint,
            "expires": now // 1000 + ORDER_KEPT_SECONDS,
        }
        try:
            free = f"{absent()} OR expires <= :now"
            self._table.put(record, condition=free, values={":now": now // 1000})
        except ConditionFailed as failed:
            found = failed.record
            if found["fingerprint"] != fingerprint:
                raise IdempotencyMismatch(header="Idempotency-Key") from None
            return OpenCheckout(
                found["id"], found.get("turn", 0), found.get("session", ""), found.get("url", "")
            )
        return OpenCheckout(new_id)

    def opened(self, owner: Owner, key_hash: str, session: str, url: str) -> None:
        """Store id and URL of the checkout session that was opened for the order."""
        self._table.update(
            keys.order(owner, key_hash),
            "SET #session = :session, #url = :url",
            values={":session": session, ":url": url},
            names={"#session": "session", "#url": "url"},
        )

    def expire_checkout(self, owner: Owner, key_hash: str, *, turn: int) -> None:
        """Store that this turn's session was refused or has expired: the next try opens another one."""
        self._table.update(
            keys.order(owner, key_hash),
            "SET turn = :next REMOVE #session, #url",
            values={":next": turn + 1},
            names={"#session": "session", "#url": "url"},
        )

    def save(
        self,
        owner: Owner,
        subscriptions: Sequence[Subscription],
        *,
        seen: int,
        now: int,
        dispute: tuple[str, bool] | None = None,
        event: str | None = None,
    ) -> None:
        """Replace the account's subscriptions if they still have version ``seen``.

        ``dispute``: id of one and whether it is open; while one is, no credits can be spent. Raises `StaleVersion` when
        they were changed since, `AlreadyApplied` when the event was applied before, `NotFound` without an account.
        """
        values: Record = {":found": [asdict(one) for one in subscriptions], ":next": seen + 1}
        unchanged = "attribute_not_exists(billing_version)"
        if seen:
            unchanged, values[":seen"] = "billing_version = :seen", seen
        update = "SET subscriptions = :found, billing_version = :next"
        if dispute:
            update += (" ADD" if dispute[1] else " DELETE") + " disputes :dispute"
            values[":dispute"] = {dispute[0]}
        account = Write(
            "Update",
            keys.account(owner),
            update=update,
            condition=f"attribute_exists(#plan) AND {unchanged}",
            names={"#plan": "plan"},
            values=values,
            refusal=lambda found: StaleVersion() if "plan" in found else NotFound(),
        )
        self._table.transact([*event_once(owner, event, now), account])

    def mark_applied(self, owner: Owner, event: str | None, *, now: int) -> None:
        """Mark an event that changes nothing as applied; raise `AlreadyApplied` when it was applied before."""
        if event:
            self._table.transact(event_once(owner, event, now))

    def was_applied(self, owner: Owner, event: str) -> bool:
        """Return whether an event was applied before."""
        return self._table.get(keys.event_once(owner, event)) is not None

    def everybody(self) -> Iterable[Owner]:
        """Yield every owner with an account record, also guests and deleted ones; scans the whole table."""
        for record in self._table.everywhere("ACCOUNT"):
            yield keys.owner_of(record["pk"])
