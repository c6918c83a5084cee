"""Who is who at the cashier: customers, their orders under way, and what they subscribe to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.ledger_writes import event_once
from enhancer.adapters.dynamodb.table import ConditionFailed, Record, Table, Write, absent
from enhancer.domain.errors import IdempotencyMismatch, NotFound
from enhancer.domain.ledger import StaleVersion
from enhancer.domain.owners import Owner
from enhancer.domain.subscriptions import Subscription

ORDER_KEPT_SECONDS = 23 * 3600
"""A checkout can be paid for a day; an idempotency key stands for it a little less long."""


class Enrolled(Exception):
    """The account is a customer already."""

    def __init__(self, customer: str) -> None:
        super().__init__(customer)
        self.customer = customer


@dataclass(frozen=True, slots=True)
class Opened:
    """What an idempotency key stands for: our id of the order, and its checkout session and page once they are known.

    ``turn`` counts the times the cashier said no, or the session expired: it would repeat that under the same key.
    """

    id: str
    turn: int = 0
    session: str = ""
    url: str = ""


class StripeLinks:
    """Customers of the cashier."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def owner_of(self, customer: str | None) -> Owner | None:
        """Return whom a customer is here, None for a stranger."""
        record = self._table.get(keys.customer(customer)) if customer else None
        return Owner("user", record["user"]) if record else None

    def enroll(self, owner: Owner, customer: str, *, instead_of: str = "") -> str:
        """Let the account be this customer; return the one that it is, which may be another. Raises `NotFound`.

        ``instead_of``: the customer it was, who is no more.
        """
        pointer = Write("Put", keys.customer(customer), {"user": owner.id})
        account = Write(
            "Update",
            keys.account(owner),
            update="SET customer = :customer",
            condition="attribute_exists(#plan) AND (attribute_not_exists(customer) OR customer = :before)",
            names={"#plan": "plan"},
            values={":customer": customer, ":before": instead_of},
            refusal=lambda found: Enrolled(found["customer"]) if "customer" in found else NotFound(),
        )
        try:
            self._table.transact([account, pointer])
        except Enrolled as already:
            return already.customer
        return customer

    def order(self, owner: Owner, key_hash: str, *, fingerprint: str, new_id: str, now: int) -> Opened:
        """Return what the idempotency key stands for; raise `IdempotencyMismatch` where that is something else."""
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
            return Opened(found["id"], found.get("turn", 0), found.get("session", ""), found.get("url", ""))
        return Opened(new_id)

    def opened(self, owner: Owner, key_hash: str, session: str, url: str) -> None:
        """Remember where the order is paid."""
        self._table.update(
            keys.order(owner, key_hash),
            "SET #session = :session, #url = :url",
            values={":session": session, ":url": url},
            names={"#session": "session", "#url": "url"},
        )

    def expire_checkout(self, owner: Owner, key_hash: str, *, turn: int) -> None:
        """Remember that nothing comes of this turn any more: the next try is a new one to the cashier."""
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
        """Let these be the account's subscriptions, if nobody changed them since version ``seen`` was read.

        Raises `StaleVersion` otherwise, `AlreadyApplied` when the event was applied before,
        `NotFound` when the account is gone.
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

    def note(self, owner: Owner, event: str | None, *, now: int) -> None:
        """Remember an event that changed nothing; raise `AlreadyApplied` when it was dealt with."""
        if event:
            self._table.transact(event_once(owner, event, now))

    def was_heard(self, owner: Owner, event: str) -> bool:
        """Return whether an event was dealt with."""
        return self._table.get(keys.event_once(owner, event)) is not None

    def everybody(self) -> Iterable[Owner]:
        """Yield every owner with an account, guests and deleted ones too; reads the whole table."""
        for record in self._table.everywhere("ACCOUNT"):
            yield keys.owner_of(record["pk"])
