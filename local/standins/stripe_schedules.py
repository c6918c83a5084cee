"""Subscription schedules of the Stripe stand-in, and when its portal makes one: a plan begins with the next period."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from local.standins import stripe_objects as objects
from local.standins.control import Json
from local.standins.stripe_events import Events
from local.standins.stripe_http import Refused
from local.standins.stripe_store import Store

UPDATED = "customer.subscription.updated"
OWN = ("cancel_at_period_end", "cancel_at")  # what a schedule decides about its subscription


@dataclass
class Portal:
    """What the portal does when a customer changes the plan.

    ``proration_behavior``: as in the API. ``at_period_end``: a smaller plan or a shorter interval waits for it.
    ``pays``: what is due at once can be collected.
    """

    proration_behavior: str = "always_invoice"
    at_period_end: bool = True
    pays: bool = True

    def set(self, order: Json) -> Json:
        """Change what the order names; return everything."""
        for name, value in order.items():
            if name not in asdict(self):
                raise Refused(f"{name} is no setting of the portal")
            setattr(self, name, value)
        return asdict(self)

    def waits(self, now: Json, price: Json) -> bool:
        """Return whether a price begins with the next period only."""
        shorter = (now["recurring"]["interval"], price["recurring"]["interval"]) == ("year", "month")
        return self.at_period_end and (shorter or bool(price["unit_amount"] < now["unit_amount"]))


class Schedules:
    """The schedules of subscriptions; each has a phase that runs and one that follows."""

    def __init__(self, store: Store, events: Events) -> None:
        self._store = store
        self._events = events

    def begin(self, subscription: Json, price: Json) -> Json:
        """Let another price begin with the next period, in place of what was scheduled before."""
        self.release(subscription)
        item = subscription["items"]["data"][0]
        now, start, end = self._store.now(), item["current_period_start"], item["current_period_end"]
        after = objects.later(end, price["recurring"]["interval"], subscription["billing_cycle_anchor"])
        made = objects.schedule(
            self._store.new_id("subscription_schedule"),
            now,
            of=subscription,
            phases=[(item["price"], start, end), (price, end, after)],
        )
        self._store.add(made)
        self._events.tell("subscription_schedule.created", made)
        self._events.update(UPDATED, subscription, {"schedule": made["id"]})
        return made

    def following(self, subscription: Json) -> Json | None:
        """Return the price that the next period begins with, and move on; None without a schedule."""
        if not subscription["schedule"]:
            return None
        found = self._store.get("subscription_schedule", subscription["schedule"])
        phase = found["phases"][1]
        if found["current_phase"]["start_date"] == phase["start_date"]:
            self.release(subscription)
            return None
        found["current_phase"] = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
        return self._store.get("price", phase["items"][0]["price"])

    def release(self, subscription: Json) -> None:
        """Let a subscription go on without its schedule, if it has one."""
        if subscription["schedule"]:
            self.let_go(self._store.get("subscription_schedule", subscription["schedule"]))

    def let_go(self, found: Json) -> Json:
        """Release a schedule, as the API does."""
        if found["status"] not in ("not_started", "active"):
            message = f"You cannot release a subscription schedule that is currently in the `{found['status']}` status."
            raise Refused(message)
        subscription = self._store.get("subscription", found["subscription"])
        found |= {
            "status": "released", "released_at": self._store.now(), "current_phase": None,
            "released_subscription": subscription["id"], "subscription": None,
        }  # fmt: skip
        self._events.tell("subscription_schedule.released", found)
        self._events.update(UPDATED, subscription, {"schedule": None})
        return found

    @staticmethod
    def check(subscription: Json, form: Json | None = None) -> None:
        """Raise Refused for a change that only the schedule may make; without a form: for ending it at once."""
        if subscription["schedule"] and (form is None or any(name in form for name in OWN)):
            raise Refused(
                f"The subscription is managed by the subscription schedule `{subscription['schedule']}`, and updating "
                "any cancelation behavior directly is not allowed. Please update the schedule instead."
            )
