"""Commands of tests to the Stripe stand-in: pay, settle, renew, refund, and deliver events with faults."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Blueprint, Response, jsonify

from local.standins.control import Control, Json, answer_json, json_object
from local.standins.stripe_checkout import Checkout
from local.standins.stripe_events import Events, WebhookSender, body_of, put
from local.standins.stripe_http import Refused
from local.standins.stripe_payments import Payments
from local.standins.stripe_store import Store, public
from local.standins.stripe_subscriptions import Subscriptions

DRAIN_S = 20.0


class Actions:
    """What customers, their banks and Stripe's dashboard would do, as routes under ``/_ctl``."""

    def __init__(
        self,
        control: Control,
        store: Store,
        events: Events,
        courier: WebhookSender,
        payments: Payments,
        subscriptions: Subscriptions,
        checkout: Checkout,
    ) -> None:
        self._control = control
        self._store = store
        self._events = events
        self._courier = courier
        self._payments = payments
        self._subscriptions = subscriptions
        self._checkout = checkout

    def add_to(self, channel: Blueprint) -> None:
        """Add the routes under ``/_ctl``."""
        orders: dict[str, Callable[[Json], Json]] = {
            "pay": self.pay,
            "pay_later": lambda order: self.pay(order | {"later": True}),
            "settle": self._on_session(self._checkout.settle),
            "fail": self._on_session(self._checkout.fail),
            "expire": self._on_session(self._checkout.expire),
            "renew": self.renew,
            "fail_renewal": self.fail_renewal,
            "recover": self.recover,
            "cancel": self.cancel,
            "switch": self.switch,
            "refund": lambda order: self._payments.refund(texts(order)),
            "fail_refund": self.fail_refund,
            "dispute": lambda order: self._payments.dispute(texts(order)),
            "close_dispute": self.close_dispute,
            "update_dispute": self.update_dispute,
            "schedule": self.schedule,
            "change": self.change,
        }
        for name, work in orders.items():
            channel.add_url_rule(f"/{name}", name, self._ordered(work), methods=["POST"])
        whole: dict[str, Callable[[], Response]] = {
            "event": self.event, "deliver": self.deliver, "drain": self.drain, "webhook": self.webhook,
            "portal": self.portal,
        }  # fmt: skip
        for name, answer in whole.items():
            channel.add_url_rule(f"/{name}", name, refusing(answer), methods=["POST"])
        channel.add_url_rule("/events", "events", self.listed, methods=["GET"])
        channel.add_url_rule("/objects/<kind>", "objects", self.objects, methods=["GET"])
        channel.add_url_rule("/deliveries", "deliveries", self.deliveries, methods=["GET"])

    def pay(self, order: Json) -> Json:
        """Pay a session, now or later, as the customer ``email``, ``name``; ``discount``: cents off by a code."""
        session = self._store.get("checkout.session", order.get("session"))
        self._checkout.discount(session, int(order.get("discount", 0)))
        self._checkout.pay(session, later=bool(order.get("later")), who=order)
        return session

    def renew(self, order: Json) -> Json:
        """End the period and pay the next one; ``amount`` is its price."""
        subscription = self._subscription(order)
        self._subscriptions.renew(subscription, amount=order.get("amount"))
        return subscription

    def fail_renewal(self, order: Json) -> Json:
        """Let the payment of the next period fail, once more if it failed; ``final`` is ``canceled`` or ``unpaid``."""
        subscription, final = self._subscription(order), order.get("final")
        if final not in (None, "canceled", "unpaid"):
            raise Refused("final is canceled or unpaid")
        required = bool(order.get("action_required"))
        self._subscriptions.fail_renewal(subscription, final=final, action_required=required)
        return subscription

    def recover(self, order: Json) -> Json:
        """Pay the open invoice."""
        subscription = self._subscription(order)
        self._subscriptions.recover(subscription)
        return subscription

    def cancel(self, order: Json) -> Json:
        """Cancel with the period, ``portal`` as the portal writes it; ``now`` at once; ``resume`` not at all."""
        subscription = self._subscription(order)
        if order.get("now"):
            self._subscriptions.must_run(subscription)
            self._subscriptions.end(subscription, reason=order.get("reason", "cancellation_requested"))
        else:
            leaving, portal = not order.get("resume"), bool(order.get("portal"))
            self._subscriptions.leave(subscription, leaving=leaving, portal=portal)
        return subscription

    def switch(self, order: Json) -> Json:
        """Change the price of a subscription; ``pays`` false: what is due at once cannot be collected."""
        subscription = self._subscription(order)
        price = self._store.get("price", order.get("price"), "price")
        proration = order.get("proration_behavior", "create_prorations")
        self._subscriptions.switch(subscription, price, proration, pays=order.get("pays", True))
        return subscription

    def schedule(self, order: Json) -> Json:
        """Let another price begin with the next period."""
        subscription = self._subscription(order)
        self._subscriptions.schedule(subscription, self._store.get("price", order.get("price"), "price"))
        return subscription

    def fail_refund(self, order: Json) -> Json:
        """Let a refund fail."""
        return self._payments.fail_refund(self._store.get("refund", order.get("refund")))

    def close_dispute(self, order: Json) -> Json:
        """Close a dispute with its last ``status``."""
        dispute = self._store.get("dispute", order.get("dispute"))
        return self._payments.close_dispute(dispute, str(order.get("status")))

    def update_dispute(self, order: Json) -> Json:
        """Let a dispute have another ``status``."""
        dispute = self._store.get("dispute", order.get("dispute"))
        return self._payments.update_dispute(dispute, str(order.get("status")))

    def change(self, order: Json) -> Json:
        """Set fields of an object at dotted paths without an event."""
        found = self._store.objects.get(str(order.get("id")))
        if found is None:
            raise Refused("No such object", status=404)
        for place, value in dict(order.get("set") or {}).items():
            put(found, place, value)
        return found

    def event(self) -> Response:
        """Make and deliver an event: ``type``, and the ``object`` or its id."""
        order, about = json_object(), json_object().get("object")
        found = self._store.objects.get(about) if isinstance(about, str) else about
        if not isinstance(found, dict) or not isinstance(order.get("type"), str):
            return answer_json({"error": "type, and object as an id or as an object"}, 400)
        with self._control.clock.changed:
            data = {"object": found}
            event = self._events.record(order["type"], data) | dict(order.get("set") or {})
            self._store.add(event)
        sent = [] if order.get("deliver") is False else [self._courier.send(event, body_of(event))]
        return jsonify(event=event, deliveries=sent)

    def deliver(self) -> Response:
        """Send events again, now: in another order, several times, changed, or signed as they should not be."""
        order = json_object()
        wanted = order.get("events") or [order.get("event")]
        events = self._copies([self._store.get("event", one) for one in wanted], order)
        times = order.get("times", 1)
        change, raw = dict(order.get("body_change") or {}), order.get("raw")
        secret = order.get("secret")
        try:
            bodies = [(one, body_of(one, change) if raw is None else str(raw).encode()) for one in events]
        except (LookupError, TypeError, ValueError) as problem:
            raise Refused(f"body_change does not fit: {problem!r}") from problem

        def send(one: tuple[Json, bytes]) -> Json:
            return self._courier.send(
                *one,
                secrets=None if secret is None else [secret],
                offset=float(order.get("timestamp_offset", 0)),
                header=order.get("header"),
                url=order.get("url", ""),
            )

        with ThreadPoolExecutor(max_workers=16 if order.get("parallel") else 1) as pool:
            sent = list(pool.map(send, bodies * times))
        return jsonify(deliveries=sent)

    def drain(self) -> Response:
        """Wait until nothing is due to be delivered."""
        done = self._courier.drain(float(json_object().get("seconds", DRAIN_S)))
        return answer_json({"drained": done}, 200 if done else 504)

    def webhook(self) -> Response:
        """Set the webhook's URL and the secrets that sign: ``active`` is a list of ``first``, ``second`` or secrets."""
        order, secrets = json_object(), self._courier.secrets
        named = dict(zip(("first", "second"), secrets, strict=False))
        with self._control.clock.changed:
            if "url" in order:
                self._courier.url = str(order["url"])
            if "active" in order:
                self._courier.active = [named.get(one, one) for one in order["active"]]
        return jsonify(url=self._courier.url, active=self._courier.active)

    def portal(self) -> Response:
        """Set what the portal does when a plan is changed: see `stripe_schedules.Portal`."""
        with self._control.clock.changed:
            return jsonify(self._subscriptions.portal.set(json_object()))

    def listed(self) -> Response:
        """Return every event, oldest first."""
        with self._control.clock.changed:
            return jsonify(events=[public(one) for one in reversed(self._store.all("event"))])

    def objects(self, kind: str) -> Response:
        """Return every object of a kind, oldest first."""
        with self._control.clock.changed:
            return jsonify(objects=[public(one) for one in reversed(self._store.all(kind))])

    def deliveries(self) -> Response:
        """Return every attempt to deliver, with its answer."""
        return jsonify(deliveries=list(self._courier.attempts))

    def _copies(self, events: list[Json], order: Json) -> list[Json]:
        """Return the events in the requested order, each twice if ``twin`` is set."""
        asked = order.get("order")
        if asked == "reverse":
            events.reverse()
        elif asked == "shuffle":
            events = random.Random(order.get("seed", 0)).sample(events, len(events))  # noqa: S311
        elif isinstance(asked, list):
            if sorted(asked) != list(range(len(events))):
                raise Refused("order is reverse, shuffle, or the places of all events")
            events = [events[place] for place in asked]
        if not order.get("twin"):
            return events
        with self._control.clock.changed:
            return [self._events.record(one["type"], one["data"]) for one in events]

    def _subscription(self, order: Json) -> Json:
        return self._store.get("subscription", order.get("subscription"))

    def _on_session(self, work: Callable[[Json], Any]) -> Callable[[Json], Json]:
        def run(order: Json) -> Json:
            session = self._store.get("checkout.session", order.get("session"))
            work(session)
            return session

        return run

    def _ordered(self, work: Callable[[Json], Json]) -> Callable[[], Response]:
        """Return a route that does the work and answers with the object and the events it caused."""

        def view() -> Response:
            with self._control.clock.changed:
                before = {one["id"] for one in self._store.all("event")}
                found = public(work(json_object()))
                caused = [one for one in reversed(self._store.all("event")) if one["id"] not in before]
                events = [{"id": one["id"], "type": one["type"]} for one in caused]
                return jsonify(object=found, events=events)

        return refusing(view)


def refusing(work: Callable[[], Response]) -> Callable[[], Response]:
    """Answer 400 and the reason for a command that cannot be carried out."""

    def view() -> Response:
        try:
            return work()
        except Refused as problem:
            return answer_json({"error": str(problem)}, 400)

    return view


def texts(order: Json) -> Json:
    """Return numbers as the texts of a form."""
    return {name: str(value) if isinstance(value, int) else value for name, value in order.items()}
