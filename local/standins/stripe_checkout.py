"""Checkout sessions of the Stripe stand-in: created, paid, settled later, declined, expired."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from local.standins import stripe_objects as objects
from local.standins.control import Json
from local.standins.stripe_events import Events
from local.standins.stripe_http import Refused, flag, integer, merged, missing
from local.standins.stripe_payments import Payments
from local.standins.stripe_store import Store, public
from local.standins.stripe_subscriptions import Subscriptions

SHORTEST_S, LONGEST_S = 30 * 60, 24 * 3600
SLACK_S = 60  # between the clock of who asks and ours
PLACE = "{CHECKOUT_SESSION_ID}"
COPIED = (
    "locale",
    "submit_type",
    "billing_address_collection",
    "payment_method_collection",
    "customer_creation",
)


class Checkout:
    """The checkout sessions of the account."""

    def __init__(
        self, store: Store, events: Events, payments: Payments, subscriptions: Subscriptions, base: str
    ) -> None:
        self._store = store
        self._events = events
        self._payments = payments
        self._subscriptions = subscriptions
        self._base = base
        store.hidden["checkout.session", "line_items"] = self.lines

    def create(self, form: Json) -> Json:
        """Create a session, which can be paid for a day."""
        mode = self._mode(form)
        lines = self._lines(form, mode)
        data = form.get("payment_intent_data") or form.get("subscription_data") or {}
        merged({}, data.get("metadata"))
        total = 0 if data.get("trial_period_days") else sum(line["amount_total"] for line in lines)
        session = objects.session(
            self._store.new_id("checkout.session"),
            self._store.now(),
            mode=mode,
            currency=lines[0]["currency"],
            amount_subtotal=total,
            amount_total=total,
            success_url=form["success_url"],
            cancel_url=form.get("cancel_url"),
            client_reference_id=self._reference(form),
            metadata=merged({}, form.get("metadata")),
            expires_at=self._expiry(form),
            allow_promotion_codes=flag(form, "allow_promotion_codes"),
            **self._payer(form, mode),
            **{name: form[name] for name in COPIED if form.get(name)},
        )
        session["url"] = f"{self._base}/c/pay/{session['id']}"
        session |= {"_lines": lines, "_data": data}
        if mode == "payment" and not session["customer"] and not session["customer_creation"]:
            session["customer_creation"] = "if_required"
        return self._store.add(session)

    def lines(self, session: Json) -> Json:
        """Return the line items of a session."""
        url = f"/v1/checkout/sessions/{session['id']}/line_items"
        return {"object": "list", "data": session["_lines"], "has_more": False, "url": url}

    def pay(self, session: Json, *, later: bool = False, who: Json | None = None) -> None:
        """Pay a session, at once or with a delayed payment method."""
        self._must_be_open(session)
        self._set_customer(session, who or {})
        free = not session["amount_total"]
        if session["mode"] == "payment":
            self._pay_once(session, later=later)
        else:
            free = self._subscribe(session, later=later) or free
        done = {"status": "complete", "url": None}
        session |= done | {"payment_status": "no_payment_required" if free else "unpaid" if later else "paid"}
        self._events.tell("checkout.session.completed", session)

    def discount(self, session: Json, amount: int) -> None:
        """Take so much off the price of a session, as a promotion code does."""
        if not amount:
            return
        self._must_be_open(session)
        if not session["allow_promotion_codes"]:
            raise Refused("This session has no field for a promotion code.")
        session["total_details"] |= {"amount_discount": min(amount, session["amount_subtotal"])}
        session["amount_total"] = session["amount_subtotal"] - session["total_details"]["amount_discount"]

    def settle(self, session: Json) -> None:
        """Let a delayed payment succeed."""
        self._must_wait(session)
        if session["mode"] == "payment":
            intent = self._store.get("payment_intent", session["payment_intent"])
            self._payments.succeed(intent)
        else:
            self._subscriptions.recover(self._store.get("subscription", session["subscription"]))
        session["payment_status"] = "paid"
        self._events.tell("checkout.session.async_payment_succeeded", session)

    def fail(self, session: Json) -> None:
        """Decline the card, so that the session stays open, or let a delayed payment fail."""
        if session["status"] == "open":
            self._decline(session)
            return
        self._must_wait(session)
        session["_failed"] = True
        if session["mode"] == "payment":
            self._payments.fail(self._store.get("payment_intent", session["payment_intent"]))
        else:
            subscription = self._store.get("subscription", session["subscription"])
            self._subscriptions.fail_renewal(subscription, final="incomplete")
        self._events.tell("checkout.session.async_payment_failed", session)

    def expire(self, session: Json) -> Json:
        """Expire a session."""
        if session["status"] != "open":
            message = 'Only Checkout Sessions with a status in ["open"] can be expired. This one is '
            raise Refused(f"{message}{session['status']}.")
        session |= {"status": "expired", "url": None}
        self._events.tell("checkout.session.expired", session)
        return session

    def sweep(self) -> None:
        """Expire the sessions whose time is over."""
        now = self._store.now()
        for session in self._store.all("checkout.session", status="open"):
            if session["expires_at"] <= now:
                self.expire(session)

    @staticmethod
    def target(session: Json) -> str:
        """Return the URL that the customer is sent to after paying."""
        return str(session["success_url"]).replace(PLACE, session["id"])

    def _mode(self, form: Json) -> str:
        """Check the basic parameters of a session and return its mode."""
        mode = form.get("mode")
        if not mode:
            raise missing("mode")
        if mode not in ("payment", "subscription"):
            raise Refused(
                f"Invalid mode: must be one of payment, subscription; here is no {mode}", param="mode"
            )
        foreign = "subscription_data" if mode == "payment" else "payment_intent_data"
        if foreign in form:
            raise Refused(f"You can not pass `{foreign}` in `{mode}` mode.", param=foreign)
        if form.get("ui_mode", "hosted_page") != "hosted_page":
            raise Refused("Here is only the ui_mode hosted_page.", param="ui_mode")
        for name in ("success_url", "cancel_url"):
            self._check_url(form, name)
        return str(mode)

    def _pay_once(self, session: Json, *, later: bool) -> None:
        if not session["amount_total"]:
            return
        intent = self._intent(session)
        session["payment_intent"] = intent["id"]
        if later:
            self._payments.wait(intent, session["customer_details"])
        else:
            self._payments.succeed(intent, session["customer_details"])

    def _subscribe(self, session: Json, *, later: bool) -> bool:
        """Start the subscription of a session; return True if nothing had to be paid."""
        begun = self._subscriptions.begin(
            session["customer"],
            session["_lines"],
            session["_data"],
            status="incomplete" if later else "active",
            discount=session["total_details"]["amount_discount"],
        )
        invoice = self._subscriptions.invoice(begun)
        session |= {"subscription": begun["id"], "invoice": invoice["id"]}
        self._events.tell("customer.subscription.created", begun)
        self._subscriptions.collect(invoice, later=later)
        return not invoice["amount_due"]

    def _decline(self, session: Json) -> None:
        """Record a declined attempt to pay."""
        if session["mode"] == "payment" and session["amount_total"]:
            intent = self._store.objects.get(str(session.get("_intent"))) or self._intent(session)
            self._payments.fail(intent, session["customer_details"])

    def _intent(self, session: Json) -> Json:
        """Return the payment intent of a session, with the metadata of ``payment_intent_data``."""
        intent = self._store.objects.get(str(session.get("_intent")))
        if intent is None:
            intent = self._payments.begin(
                amount=session["amount_total"],
                currency=session["currency"],
                customer=session["customer"],
                metadata=merged({}, session["_data"].get("metadata")),
                description=session["_data"].get("description"),
            )
            session["_intent"] = intent["id"]
        return intent

    def _set_customer(self, session: Json, who: Json) -> None:
        """Set the customer of a session, a new one if it needs one."""
        known = self._store.objects.get(str(session["customer"])) or {}
        email = who.get("email") or known.get("email") or session["customer_email"] or "buyer@example.com"
        name = who.get("name") or known.get("name") or "Local Buyer"
        session["customer_details"] = {
            "address": objects.NOBODY | {"country": "DE"}, "business_name": None, "email": email,
            "individual_name": None, "name": name, "phone": None, "tax_exempt": "none", "tax_ids": [],
        }  # fmt: skip
        if not known and (session["mode"] == "subscription" or session["customer_creation"] == "always"):
            customer_id = self._store.new_id("customer")
            made = objects.customer(customer_id, self._store.now(), email=email, name=name)
            session["customer"] = self._store.add(made)["id"]
            self._events.tell("customer.created", made)

    def _lines(self, form: Json, mode: str) -> list[Json]:
        wanted = form.get("line_items")
        if not isinstance(wanted, list) or not wanted:
            raise missing("line_items")
        lines = [self._line(line, f"line_items[{place}]") for place, line in enumerate(wanted)]
        recurring = [bool(line["price"]["recurring"]) for line in lines]
        if mode == "payment" and any(recurring):
            message = (
                "You specified `payment` mode but passed a recurring price. Either switch to `subscription` "
            )
            raise Refused(message + "mode or use only one-time prices.", param="line_items[0]")
        if mode == "subscription" and not any(recurring):
            message = (
                "You must provide at least one recurring price in `subscription` mode when using prices."
            )
            raise Refused(message, param="line_items")
        if len({line["currency"] for line in lines}) > 1:
            raise Refused("All prices must have the same currency.", param="line_items")
        return lines

    def _line(self, wanted: Json, where: str) -> Json:
        if not wanted.get("price"):
            raise missing(f"{where}[price]")
        price = self._store.get("price", wanted["price"], f"{where}[price]")
        if not price["active"]:
            message = "The price specified is inactive. This field only accepts active prices."
            raise Refused(message, param=where)
        quantity = integer(wanted, "quantity", least=1)
        if quantity is None:
            raise missing(f"{where}[quantity]")
        name = self._store.objects[price["product"]]["name"]
        return objects.item(self._store.new_id("item"), public(price), name=name, quantity=quantity)

    def _payer(self, form: Json, mode: str) -> Json:
        customer, email = form.get("customer"), form.get("customer_email")
        if customer and email:
            message = "You may only specify one of these parameters: customer, customer_email."
            raise Refused(message, param="customer")
        if mode == "subscription" and form.get("customer_creation"):
            raise Refused(
                "`customer_creation` can only be used in `payment` mode.", param="customer_creation"
            )
        if customer:
            found = self._store.get("customer", customer, "customer")
            if found.get("deleted"):
                raise Refused(f"No such customer: '{customer}'", code="resource_missing", param="customer")
        if email and not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
            raise Refused(f"Invalid email address: {email}", code="email_invalid", param="customer_email")
        return {"customer": customer, "customer_email": email}

    def _expiry(self, form: Json) -> int:
        now = self._store.now()
        expires_at = integer(form, "expires_at")
        if expires_at is None:
            return now + LONGEST_S
        if not now + SHORTEST_S - SLACK_S <= expires_at <= now + LONGEST_S + SLACK_S:
            message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from now."
            raise Refused(message, param="expires_at")
        return expires_at

    @staticmethod
    def _reference(form: Json) -> str | None:
        reference = form.get("client_reference_id")
        if reference and len(reference) > 200:
            raise Refused("Invalid string: at most 200 characters", param="client_reference_id")
        return reference or None

    @staticmethod
    def _check_url(form: Json, name: str) -> None:
        url = form.get(name)
        if not url:
            if name == "success_url":
                raise missing(name)
            return
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused("Not a valid URL", code="url_invalid", param=name)

    @staticmethod
    def _must_be_open(session: Json) -> None:
        if session["status"] != "open":
            raise Refused(f"Checkout session {session['id']} is {session['status']}.")

    @staticmethod
    def _must_wait(session: Json) -> None:
        if (session["status"], session["payment_status"]) != ("complete", "unpaid") or session.get("_failed"):
            raise Refused(f"Checkout session {session['id']} does not wait for a payment.")
