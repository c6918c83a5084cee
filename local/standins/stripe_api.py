"""The calls of the Stripe stand-in's API: each takes the parameters of the request and returns an object or a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.standins import stripe_objects as objects
from local.standins.control import Json
from local.standins.stripe_checkout import Checkout
from local.standins.stripe_events import Events
from local.standins.stripe_http import Refused, flag, integer, merged, missing, no_such
from local.standins.stripe_payments import Payments
from local.standins.stripe_store import Store
from local.standins.stripe_subscriptions import OVER, Subscriptions, items_of

Call = Callable[..., Json]
RESOURCES = {
    "sessions": ("/v1/checkout/sessions", "checkout.session"),
    "customers": ("/v1/customers", "customer"),
    "products": ("/v1/products", "product"),
    "prices": ("/v1/prices", "price"),
    "subscriptions": ("/v1/subscriptions", "subscription"),
    "invoices": ("/v1/invoices", "invoice"),
    "invoice_payments": ("/v1/invoice_payments", "invoice_payment"),
    "payment_intents": ("/v1/payment_intents", "payment_intent"),
    "charges": ("/v1/charges", "charge"),
    "refunds": ("/v1/refunds", "refund"),
    "disputes": ("/v1/disputes", "dispute"),
    "balance_transactions": ("/v1/balance_transactions", "balance_transaction"),
    "events": ("/v1/events", "event"),
    "subscription_schedules": ("/v1/subscription_schedules", "subscription_schedule"),
}  # the name that scripts use, the path, and the kind of object
PORTAL = "/v1/billing_portal/sessions"
METADATA_ONLY = ("payment_intents", "charges", "refunds", "disputes", "products", "prices")
OTHER_CALLS = (
    "sessions.create", "sessions.expire", "sessions.line_items", "portal.create", "customers.create",
    "customers.update", "customers.delete", "products.create", "prices.create", "subscriptions.update",
    "subscriptions.cancel", "subscription_schedules.release", "refunds.create", "disputes.close",
    "invoices.line_items",
)  # fmt: skip
CALLS = (
    *(f"{name}.{verb}" for name in RESOURCES for verb in ("list", "retrieve")),
    *(f"{name}.update" for name in METADATA_ONLY),
    *OTHER_CALLS,
)  # the names that scripts use
TEXTS = ("description", "nickname", "lookup_key", "name", "active", "receipt_email", "url", "unit_label")
CUSTOMER_TEXTS = ("description", "email", "name", "phone", "individual_name", "business_name")
EVENTS_KEPT_S = 30 * 86400


class Api:
    """The API of one account."""

    def __init__(
        self,
        store: Store,
        events: Events,
        payments: Payments,
        subscriptions: Subscriptions,
        checkout: Checkout,
        base: str,
    ) -> None:
        self._store = store
        self._events = events
        self._payments = payments
        self._subscriptions = subscriptions
        self._checkout = checkout
        self._base = base

    def calls(self) -> list[tuple[str, str, str, Call]]:
        """Return every call: verb, path, name for scripted faults, handler."""
        table: list[tuple[str, str, str, Call]] = []
        for name, (path, kind) in RESOURCES.items():
            table.append(("GET", path, f"{name}.list", self._lister(name, path, kind)))
            table.append(("GET", f"{path}/<wanted>", f"{name}.retrieve", self._retriever(kind)))
            if name in METADATA_ONLY:
                table.append(("POST", f"{path}/<wanted>", f"{name}.update", self._updater(kind)))
        sessions, subscription = RESOURCES["sessions"][0], "/v1/subscriptions/<wanted>"
        return [
            *table,
            ("POST", sessions, "sessions.create", self._checkout.create),
            ("POST", f"{sessions}/<wanted>/expire", "sessions.expire", self._expire),
            ("GET", f"{sessions}/<wanted>/line_items", "sessions.line_items", self._line_items),
            ("POST", PORTAL, "portal.create", self._open_portal),
            ("POST", "/v1/customers", "customers.create", self._create_customer),
            ("POST", "/v1/customers/<wanted>", "customers.update", self._update_customer),
            ("DELETE", "/v1/customers/<wanted>", "customers.delete", self._delete_customer),
            ("POST", "/v1/products", "products.create", self._create_product),
            ("POST", "/v1/prices", "prices.create", self._create_price),
            ("POST", subscription, "subscriptions.update", self._update_subscription),
            ("DELETE", subscription, "subscriptions.cancel", self._cancel_subscription),
            (
                "POST",
                "/v1/subscription_schedules/<wanted>/release",
                "subscription_schedules.release",
                self._release,
            ),
            ("GET", "/v1/invoices/<wanted>/lines", "invoices.line_items", self._invoice_lines),
            ("POST", "/v1/refunds", "refunds.create", self._payments.refund),
            ("POST", "/v1/disputes/<wanted>/close", "disputes.close", self._close_dispute),
        ]

    def _retriever(self, kind: str) -> Call:
        def retrieve(form: Json, wanted: str) -> Json:
            del form
            found = self._store.get(kind, wanted)
            if kind == "customer" and found.get("deleted"):
                return {"id": wanted, "object": kind, "deleted": True}
            if kind == "event" and found["created"] + EVENTS_KEPT_S < self._store.now():
                raise no_such(kind, wanted)
            return found

        return retrieve

    def _updater(self, kind: str) -> Call:
        def update(form: Json, wanted: str) -> Json:
            found = self._store.get(kind, wanted)
            found["metadata"] = merged(found["metadata"], form.get("metadata"))
            for name in TEXTS:
                if name in form:
                    found[name] = flag(form, name) if name == "active" else form[name] or None
            return found

        return update

    def _lister(self, name: str, path: str, kind: str) -> Call:
        fits: dict[str, Callable[[Json, Json], bool]] = {
            "subscriptions": subscription_fits,
            "invoices": invoice_fits,
            "invoice_payments": invoice_payment_fits,
            "events": event_fits,
            "customers": lambda found, _: not found.get("deleted"),
            "prices": price_fits,
            "products": lambda found, form: found["id"] in form.get("ids", [found["id"]]),
        }
        own = {
            "price",
            "types",
            "subscription",
            "payment",
            "ids",
            "lookup_keys",
            "active",
            "created",
            "expand",
        }
        own |= {"limit", "starting_after", "ending_before"} | (
            {"status"} if name == "subscriptions" else set()
        )
        own -= {"subscription"} if name == "sessions" else set()

        def page(form: Json) -> Json:
            where = {field: value for field, value in form.items() if field not in own}
            if (active := flag(form, "active")) is not None:
                where["active"] = active
            found = self._store.all(kind, **where)
            fit = fits.get(name, any_fits)
            return self._store.page(path, [one for one in found if fit(one, form)], form)

        return page

    def _expire(self, form: Json, wanted: str) -> Json:
        del form
        return self._checkout.expire(self._store.get("checkout.session", wanted))

    def _line_items(self, form: Json, wanted: str) -> Json:
        lines = self._checkout.lines(self._store.get("checkout.session", wanted))
        return self._store.page(lines["url"], lines["data"], form)

    def _open_portal(self, form: Json) -> Json:
        if not form.get("customer"):
            raise missing("customer")
        customer = self._store.get("customer", form["customer"], "customer")
        session_id = self._store.new_id("billing_portal.session")
        return self._store.add(
            {
                "id": session_id,
                "object": "billing_portal.session",
                "configuration": form.get("configuration", "bpc_local"),
                "created": self._store.now(),
                "customer": customer["id"],
                "customer_account": None,
                "flow": form.get("flow_data"),
                "livemode": False,
                "locale": form.get("locale"),
                "on_behalf_of": None,
                "return_url": form.get("return_url"),
                "url": f"{self._base}/p/session/{session_id}",
            }
        )

    def _create_customer(self, form: Json) -> Json:
        made = objects.customer(self._store.new_id("customer"), self._store.now())
        self._change_customer(made, form)
        self._store.add(made)
        self._events.tell("customer.created", made)
        return made

    def _update_customer(self, form: Json, wanted: str) -> Json:
        found = self._store.get("customer", wanted)
        if found.get("deleted"):
            raise no_such("customer", wanted)
        self._change_customer(found, form)
        self._events.tell("customer.updated", found)
        return found

    @staticmethod
    def _change_customer(found: Json, form: Json) -> None:
        found["metadata"] = merged(found["metadata"], form.get("metadata"))
        found |= {
            name: form[name] or None for name in (*CUSTOMER_TEXTS, "address", "shipping") if name in form
        }

    def _delete_customer(self, form: Json, wanted: str) -> Json:
        del form
        found = self._store.get("customer", wanted)
        if found.get("deleted"):
            raise no_such("customer", wanted)
        for subscription in self._store.all("subscription", customer=wanted):
            if subscription["status"] not in OVER:
                self._subscriptions.end(subscription)
        found["deleted"] = True
        self._events.tell("customer.deleted", found)
        return {"id": wanted, "object": "customer", "deleted": True}

    def _create_product(self, form: Json) -> Json:
        if not form.get("name"):
            raise missing("name")
        product_id = form.get("id") or self._store.new_id("product")
        made = objects.product(
            product_id, self._store.now(), name=form["name"], description=form.get("description")
        )
        made["metadata"] = merged({}, form.get("metadata"))
        return self._store.add(made)

    def _create_price(self, form: Json) -> Json:
        for name in ("currency", "product", "unit_amount"):
            if not form.get(name):
                raise missing(name)
        recurring = form.get("recurring") or {}
        if recurring and recurring.get("interval") not in ("month", "year"):
            raise Refused("Here an interval is month or year.", param="recurring[interval]")
        made = objects.price(
            self._store.new_id("price"),
            self._store.now(),
            of=self._store.get("product", form["product"], "product")["id"],
            amount=integer(form, "unit_amount") or 0,
            currency=form["currency"].lower(),
            recurring=recurring.get("interval"),
        )
        made |= {name: form[name] for name in ("nickname", "lookup_key") if name in form}
        made["metadata"] = merged({}, form.get("metadata"))
        return self._store.add(made)

    def _update_subscription(self, form: Json, wanted: str) -> Json:
        return self._subscriptions.update(self._store.get("subscription", wanted), form)

    def _cancel_subscription(self, form: Json, wanted: str) -> Json:
        found = self._store.get("subscription", wanted)
        if found["status"] in OVER:
            raise no_such("subscription", wanted)
        self._subscriptions.schedules.check(found)
        found["cancellation_details"] |= form.get("cancellation_details") or {}
        self._subscriptions.end(found)
        return found

    def _release(self, form: Json, wanted: str) -> Json:
        del form
        return self._subscriptions.schedules.let_go(self._store.get("subscription_schedule", wanted))

    def _invoice_lines(self, form: Json, wanted: str) -> Json:
        lines = self._store.get("invoice", wanted)["lines"]
        return self._store.page(lines["url"], lines["data"], form)

    def _close_dispute(self, form: Json, wanted: str) -> Json:
        del form
        return self._payments.close_dispute(self._store.get("dispute", wanted), "lost")


def any_fits(found: Json, form: Json) -> bool:
    """Return whether an object has the requested values of its fields."""
    del found, form
    return True


def subscription_fits(found: Json, form: Json) -> bool:
    """Return whether a subscription has the requested status and price; ended ones only if requested."""
    status, price = form.get("status"), form.get("price")
    if price and price not in [item["price"]["id"] for item in items_of(found)]:
        return False
    if status == "ended":
        return found["status"] in OVER
    return bool(found["status"] != "canceled") if status is None else status in ("all", found["status"])


def invoice_fits(found: Json, form: Json) -> bool:
    """Return whether an invoice is of the requested subscription."""
    wanted = form.get("subscription")
    return wanted is None or found["parent"]["subscription_details"]["subscription"] == wanted


def invoice_payment_fits(found: Json, form: Json) -> bool:
    """Return whether an invoice payment is by the requested payment."""
    wanted: Any = form.get("payment")
    return wanted is None or found["payment"]["payment_intent"] == wanted.get("payment_intent")


def event_fits(found: Json, form: Json) -> bool:
    """Return whether an event has one of the requested types; ``invoice.*`` means all of that object."""
    types = form.get("types")
    return not types or any(
        found["type"] == kind or kind == f"{found['type'].split('.')[0]}.*" for kind in types
    )


def price_fits(found: Json, form: Json) -> bool:
    """Return whether a price has the requested product and lookup keys."""
    return form.get("lookup_keys") is None or found["lookup_key"] in form["lookup_keys"]
