"""Subscriptions of the Stripe stand-in: started by a checkout, renewed, unpaid, changed and ended."""

from __future__ import annotations

from local.standins import stripe_objects as objects
from local.standins.control import Json
from local.standins.stripe_events import Events
from local.standins.stripe_http import Refused, flag, integer, merged
from local.standins.stripe_invoices import Invoices, Line
from local.standins.stripe_schedules import UPDATED, Portal, Schedules
from local.standins.stripe_store import Store, public

INCOMPLETE_S = 23 * 3600  # how long the first payment may take
OVER = frozenset({"canceled", "incomplete_expired"})
PRORATIONS = ("create_prorations", "none", "always_invoice")


class Subscriptions:
    """The subscriptions of the account."""

    def __init__(self, store: Store, events: Events, invoices: Invoices, schedules: Schedules) -> None:
        self._store = store
        self._events = events
        self._invoices = invoices
        self.schedules = schedules
        self.portal = Portal()
        store.hidden["customer", "subscriptions"] = self._of_customer

    def begin(self, customer: str, lines: list[Json], data: Json, *, status: str, discount: int = 0) -> Json:
        """Create the subscription of a checkout session and its first invoice, without events."""
        store, now = self._store, self._store.now()
        days = integer(data, "trial_period_days", least=1)
        subscription = objects.subscription(
            store.new_id("subscription"),
            now,
            customer=customer,
            currency=lines[0]["currency"],
            description=data.get("description"),
            metadata=merged({}, data.get("metadata")),
            status="trialing" if days else status,
            trial_start=now if days else None,
            trial_end=now + days * 86400 if days else None,
        )
        items = []
        for line in lines:
            if not line["price"]["recurring"]:
                continue
            end = subscription["trial_end"] or objects.later(now, line["price"]["recurring"]["interval"], now)
            items.append(self._item(subscription, line["price"], (now, end), line["quantity"]))
        store.add(subscription)
        self._set_items(subscription, items)
        due = [Line(items[0], "Trial period", 0)] if days else [
            Line(items[0], line["description"], line["amount_total"]) for line in lines
        ]  # fmt: skip
        self._invoices.make(subscription, due, "subscription_create", discount=discount)
        return subscription

    def invoice(self, subscription: Json) -> Json:
        """Return the latest invoice of a subscription."""
        return self._store.get("invoice", subscription["latest_invoice"])

    def collect(self, invoice: Json, *, later: bool) -> None:
        """Let the first payment succeed or be pending."""
        if later and invoice["amount_due"]:
            self._invoices.wait(invoice)
        else:
            self._invoices.pay(invoice)

    def renew(self, subscription: Json, *, amount: int | None = None) -> None:
        """End the period: start and pay the next one, or end the subscription."""
        self.must_run(subscription)
        if self.leaving(subscription):
            self.end(subscription, at=period_end(subscription))
            return
        self._invoices.pay(self._next_period(subscription, amount))
        self._events.update(UPDATED, subscription, {"status": "active"})

    def fail_renewal(
        self, subscription: Json, *, final: str | None = None, action_required: bool = False
    ) -> None:
        """The period ends and its invoice is not paid, or once again is not.

        Args:
            subscription: which one.
            final: ``canceled`` or ``unpaid``: this was the last try, and that is what comes of it.
            action_required: the bank asks for the customer.
        """
        self.must_run(subscription)
        invoice = self.invoice(subscription)
        if invoice["status"] != "open":
            invoice = self._next_period(subscription, None)
        self._invoices.fail(invoice, final=final is not None, action_required=action_required)
        if final == "canceled":
            self.end(subscription, reason="payment_failed")
        else:
            self._events.update(UPDATED, subscription, {"status": final or "past_due"})

    def recover(self, subscription: Json) -> None:
        """Pay the open invoice."""
        self.must_run(subscription)
        invoice = self.invoice(subscription)
        if invoice["status"] != "open":
            raise Refused(f"Invoice {invoice['id']} is {invoice['status']}.")
        self._invoices.pay(invoice)
        self._events.update(UPDATED, subscription, {"status": "active"})

    def leave(self, subscription: Json, *, leaving: bool, portal: bool = False) -> None:
        """Cancel at the end of the period, or go on after all; the portal writes it as a moment only."""
        self.must_run(subscription)
        self.schedules.release(subscription)
        self._events.update(
            UPDATED, subscription, self._end_fields(subscription, leaving=leaving, portal=portal)
        )

    def end(
        self, subscription: Json, *, at: int | None = None, reason: str = "cancellation_requested"
    ) -> None:
        """End a subscription at once."""
        now = self._store.now()
        subscription |= {
            "status": "canceled",
            "canceled_at": subscription["canceled_at"] or now,
            "ended_at": at or now,
            "cancellation_details": subscription["cancellation_details"] | {"reason": reason},
        }
        self._events.tell("customer.subscription.deleted", subscription)

    def switch(
        self, subscription: Json, price: Json, proration: str = "create_prorations", *, pays: bool = True
    ) -> None:
        """Change the price of the first item; ``pays``: what is due at once can be collected."""
        changed = [{"id": items_of(subscription)[0]["id"], "price": price["id"]}]
        self.update(subscription, {"items": changed, "proration_behavior": proration}, pays=pays)

    def schedule(self, subscription: Json, price: Json) -> None:
        """Let another price begin with the next period."""
        self.must_run(subscription)
        self.schedules.begin(subscription, self._price(subscription, price["id"], "price"))

    def choose(self, subscription: Json, price: Json) -> None:
        """Change the plan as the portal's settings have it."""
        self._price(subscription, price["id"], "price")
        if self.portal.waits(items_of(subscription)[0]["price"], price):
            self.schedule(subscription, price)
        else:
            self.schedules.release(subscription)
            self.switch(subscription, price, self.portal.proration_behavior, pays=self.portal.pays)

    def update(self, subscription: Json, form: Json, *, pays: bool = True) -> Json:
        """Change a subscription as the API allows."""
        self.schedules.check(subscription, form)
        if subscription["status"] in OVER and set(form) - {"metadata", "cancellation_details", "expand"}:
            message = "A canceled subscription can only update its cancellation_details and metadata."
            raise Refused(message)
        if form.get("proration_behavior") not in (None, *PRORATIONS):
            raise Refused("Invalid proration_behavior", param="proration_behavior")
        change: Json = {"metadata": merged(subscription["metadata"], form.get("metadata"))}
        if "description" in form:
            change["description"] = form["description"] or None
        if details := form.get("cancellation_details"):
            change["cancellation_details"] = subscription["cancellation_details"] | details
        leaving = flag(form, "cancel_at_period_end")
        if leaving is not None:
            change = self._end_fields(subscription, leaving=leaving) | change
        elif "cancel_at" in form:
            change["cancel_at"] = self._moment(subscription, form)
            change["canceled_at"] = self._store.now() if change["cancel_at"] else None
        if form.get("items"):
            self._replace(subscription, form, change, pays=pays)
        else:
            self._events.update(UPDATED, subscription, change)
        return subscription

    def sweep(self) -> None:
        """Apply what is due: end canceled subscriptions and those whose first payment never came."""
        now = self._store.now()
        for found in self._store.all("subscription"):
            if found["status"] == "incomplete" and found["created"] + INCOMPLETE_S <= now:
                self._events.update(UPDATED, found, {"status": "incomplete_expired", "ended_at": now})
            elif found["status"] not in OVER and found["cancel_at"] and found["cancel_at"] <= now:
                self.end(found, at=found["cancel_at"])

    @staticmethod
    def leaving(subscription: Json) -> bool:
        """Return whether a subscription ends with its period."""
        return bool(subscription["cancel_at"] and subscription["cancel_at"] <= period_end(subscription))

    def _end_fields(self, subscription: Json, *, leaving: bool, portal: bool = False) -> Json:
        """Return the changed fields when a subscription is to end with its period, or no longer is."""
        details = subscription["cancellation_details"]
        if not leaving:
            gone = {"cancel_at": None, "canceled_at": None}
            return {"cancel_at_period_end": False, **gone, "cancellation_details": details | {"reason": None}}
        return {
            "cancel_at_period_end": not portal,
            "cancel_at": period_end(subscription),
            "canceled_at": self._store.now(),
            "cancellation_details": details | {"reason": "cancellation_requested"},
        }

    def _next_period(self, subscription: Json, amount: int | None) -> Json:
        """Start the next period and its invoice."""
        anchor, old = subscription["billing_cycle_anchor"], public(subscription["items"])
        items = items_of(subscription)
        if price := self.schedules.following(subscription):
            items[0] |= {"price": public(price), "plan": objects.plan(price)}
        for item in items:
            start = item["current_period_end"]
            interval = item["price"]["recurring"]["interval"]
            item |= {
                "current_period_start": start,
                "current_period_end": objects.later(start, interval, anchor),
            }
        due = [
            *subscription.pop("_pending", []),
            *(
                Line(item, self._name(item), item["price"]["unit_amount"] * item["quantity"])
                for item in items
            ),
        ]
        if amount is not None:
            due = [Line(items[0], self._name(items[0]), amount)]
        before = subscription["latest_invoice"]
        invoice = self._invoices.make(subscription, due, "subscription_cycle")
        invoice |= {"period_start": old["data"][0]["current_period_start"]}
        invoice |= {"period_end": old["data"][0]["current_period_end"]}
        self._events.tell(UPDATED, subscription, {"items": old, "latest_invoice": before})
        return invoice

    def _replace(self, subscription: Json, form: Json, change: Json, *, pays: bool) -> None:
        """Replace the items; another interval and ``always_invoice`` are billed at once, the rest later."""
        old = public(subscription["items"])
        items, now = self._items_after(subscription, form["items"]), self._store.now()
        was, becomes = old["data"][0]["price"]["recurring"], items[0]["price"]["recurring"]
        restarts = was["interval"] != becomes["interval"] or form.get("billing_cycle_anchor") == "now"
        if restarts:
            change["billing_cycle_anchor"] = now
            for item in items:
                end = objects.later(now, item["price"]["recurring"]["interval"], now)
                item |= {"current_period_start": now, "current_period_end": end}
        before = {
            name: public(subscription[name]) for name, value in change.items() if subscription[name] != value
        }
        subscription |= change
        self._set_items(subscription, items)
        lines = self._proration(
            old["data"], items, restarts=restarts, behavior=form.get("proration_behavior")
        )
        billed = restarts or form.get("proration_behavior") == "always_invoice"
        invoice = self._invoices.make(subscription, lines, "subscription_update") if billed else None
        if invoice is None and lines:
            subscription["_pending"] = [*subscription.get("_pending", []), *lines]
        self._events.tell(UPDATED, subscription, before | {"items": old})
        if invoice is not None and (pays or not invoice["amount_due"]):
            self._invoices.pay(invoice)
        elif invoice is not None:
            self._invoices.fail(invoice)
            self._events.update(UPDATED, subscription, {"status": "past_due"})

    def _proration(
        self, old: list[Json], items: list[Json], *, restarts: bool, behavior: str | None
    ) -> list[Line]:
        """Return the lines for what is left of a period: the old items given back, the new ones billed."""
        given_back = [] if behavior == "none" else [self._rest(item, "Unused time on", -1) for item in old]
        if restarts:
            return given_back + [
                Line(item, self._name(item), item["price"]["unit_amount"] * item["quantity"])
                for item in items
            ]
        return given_back and given_back + [self._rest(item, "Remaining time on", 1) for item in items]

    def _rest(self, item: Json, text: str, sign: int) -> Line:
        now, end = self._store.now(), item["current_period_end"]
        part = max(0, end - now) / (end - item["current_period_start"])
        amount = sign * round(item["price"]["unit_amount"] * item["quantity"] * part)
        return Line(public(item), f"{text} {self._name(item)}", amount, proration=True, start=now)

    def _items_after(self, subscription: Json, asked: list[Json]) -> list[Json]:
        """Return the items after a change; one without an id is added."""
        items = {item["id"]: public(item) for item in items_of(subscription)}
        first = items_of(subscription)[0]
        for place, wanted in enumerate(asked):
            where = f"items[{place}]"
            price = self._price(subscription, wanted["price"], where) if wanted.get("price") else None
            if not wanted.get("id"):
                if price is None:
                    raise Refused(f"Missing required param: {where}[price].", param=f"{where}[price]")
                period = (first["current_period_start"], first["current_period_end"])
                made = self._item(subscription, price, period, integer(wanted, "quantity") or 1)
                items[made["id"]] = made
                continue
            item = items.get(wanted["id"])
            if item is None:
                raise Refused(
                    f"No such subscription item: '{wanted['id']}'", code="resource_missing", param=where
                )
            if flag(wanted, "deleted"):
                del items[wanted["id"]]
            elif price is not None:
                item |= {"price": public(price), "plan": objects.plan(price)}
            item["quantity"] = integer(wanted, "quantity") or item["quantity"]
        if not items:
            raise Refused("A subscription must have at least one item.", param="items")
        if len({item["price"]["id"] for item in items.values()}) < len(items):
            raise Refused("Cannot add multiple subscription items with the same plan.", param="items")
        return list(items.values())

    def _price(self, subscription: Json, wanted: str, where: str) -> Json:
        price = self._store.get("price", wanted, f"{where}[price]")
        if not price["recurring"] or price["currency"] != subscription["currency"]:
            raise Refused("The price must be recurring and of the subscription's currency.", param=where)
        return price

    def _item(self, subscription: Json, price: Json, period: tuple[int, int], quantity: int) -> Json:
        return objects.subscription_item(
            self._store.new_id("subscription_item"),
            public(price),
            subscription=subscription["id"],
            start=period[0],
            end=period[1],
            quantity=quantity,
            created=self._store.now(),
        )

    def _set_items(self, subscription: Json, items: list[Json]) -> None:
        url = f"/v1/subscription_items?subscription={subscription['id']}"
        subscription["items"] = {
            "object": "list", "data": items, "has_more": False, "total_count": len(items), "url": url
        }  # fmt: skip

    def _moment(self, subscription: Json, form: Json) -> int | None:
        if form["cancel_at"] in ("min_period_end", "max_period_end"):
            return period_end(subscription)
        return integer(form, "cancel_at", least=1)

    def _name(self, item: Json) -> str:
        return str(self._store.objects[item["price"]["product"]]["name"])

    def must_run(self, subscription: Json) -> None:
        """Raise Refused for a subscription that has ended."""
        if subscription["status"] in OVER:
            raise Refused(f"Subscription {subscription['id']} is {subscription['status']}.")

    def _of_customer(self, customer: Json) -> Json:
        found = [
            one
            for one in self._store.all("subscription", customer=customer["id"])
            if one["status"] not in OVER
        ]
        url = f"/v1/customers/{customer['id']}/subscriptions"
        return {"object": "list", "data": found, "has_more": False, "url": url}


def items_of(subscription: Json) -> list[Json]:
    """Return the items of a subscription."""
    return list(subscription["items"]["data"])


def period_end(subscription: Json) -> int:
    """Return the end of the current period."""
    return max(int(item["current_period_end"]) for item in items_of(subscription))
