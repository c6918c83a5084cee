"""The balance of the Stripe stand-in's account: a transaction for everything that moves money, with Stripe's fees."""

from __future__ import annotations

from local.standins import stripe_objects as objects
from local.standins.control import Json
from local.standins.stripe_store import Store

FEES = {"usd": (290, 30), "eur": (150, 25), "gbp": (150, 20), "jpy": (360, 0)}
"""What a payment costs: hundredths of a percent, and a fixed part in the smallest unit."""
OTHER_FEE = (290, 30)
DISPUTE_FEE = 1500
"""What a dispute costs; a dispute that is won does not give it back."""


class Balance:
    """Writes balance transactions; amounts are in the smallest unit of a currency, and no money is converted."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def paid(self, charge: Json) -> None:
        """A payment arrived, less the fee."""
        rate, fixed = FEES.get(charge["currency"], OTHER_FEE)
        fee = min(charge["amount"], round(charge["amount"] * rate / 10_000) + fixed)
        charge["balance_transaction"] = self._add(charge, "charge", "charge", charge["amount"], fee)

    def refunded(self, refund: Json) -> None:
        """A refund left; the fee of the payment does not come back."""
        refund["balance_transaction"] = self._add(refund, "refund", "refund", -refund["amount"])

    def refund_failed(self, refund: Json) -> None:
        """The bank sent a refund back."""
        made = self._add(refund, "refund_failure", "refund_failure", refund["amount"])
        refund["failure_balance_transaction"] = made

    def withdrawn(self, dispute: Json) -> None:
        """A dispute took its amount and a fee."""
        self._about(dispute, "dispute", -dispute["amount"], DISPUTE_FEE)

    def reinstated(self, dispute: Json) -> None:
        """A dispute was won: its amount comes back."""
        self._about(dispute, "dispute_reversal", dispute["amount"], 0)

    def _about(self, dispute: Json, category: str, amount: int, fee: int) -> None:
        made = self._add(dispute, "adjustment", category, amount, fee)
        dispute["balance_transactions"].append(dict(self._store.objects[made]))

    def _add(self, of: Json, kind: str, category: str, amount: int, fee: int = 0) -> str:
        store = self._store
        made = objects.balance_transaction(
            store.new_id("balance_transaction"),
            store.now(),
            of=of,
            kind=kind,
            category=category,
            amount=amount,
            fee=fee,
        )
        return str(store.add(made)["id"])
