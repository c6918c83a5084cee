"""Events of the Stripe stand-in: recorded, signed with every active secret, delivered and retried."""

from __future__ import annotations

import hashlib
import heapq
import hmac
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
from flask import g, has_request_context, request

from local.standins.control import POLL_S, Control, Fault, Json
from local.standins.stripe_http import API_VERSION
from local.standins.stripe_store import Store, public

DELIVERED = frozenset(
    {
        "checkout.session.completed", "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed", "checkout.session.expired", "customer.subscription.created",
        "customer.subscription.updated", "customer.subscription.deleted", "invoice.paid",
        "invoice.payment_failed", "invoice.payment_action_required", "charge.refunded", "refund.created",
        "refund.updated", "refund.failed", "charge.dispute.created", "charge.dispute.updated",
        "charge.dispute.closed", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
    }
)  # fmt: skip
RETRIES_AT_S = (
    0,
    300,
    1800,
    7200,
    18000,
    36000,
    72000,
    115200,
    158400,
    201600,
    244800,
)  # simulated, three days
ANSWER_TIMEOUT_S = 10.0
ATTEMPTS_KEPT = 2000
SHIFT_S = 600  # how far off a stale or future signature is unless told
FAULTS = frozenset(
    {"duplicate", "twin", "reorder", "drop", "delay", "wrong_secret", "stale", "future", "livemode"}
)


def signature(secrets: Sequence[str], body: bytes, stamp: int) -> str:
    """Return the ``Stripe-Signature`` header: one ``v1`` per secret, whose whole text is the key."""
    signed = f"{stamp}.".encode() + body
    codes = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={stamp}", *(f"v1={code}" for code in codes)])


def body_of(event: Json, change: Mapping[str, Any] | None = None) -> bytes:
    """Return the body of a delivery, with the values at dotted paths replaced."""
    document = public(event)
    for place, value in (change or {}).items():
        put(document, place, value)
    return json.dumps(document, indent=2).encode()


def put(document: Json, place: str, value: Any) -> None:
    """Set a value at a dotted path; numbers are list indices."""
    at: Any = document
    *way, last = place.split(".")
    for part in way:
        at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
    at[int(last) if isinstance(at, list) else last] = value


@dataclass(order=True, slots=True)
class _Job:
    due: float
    number: int
    event: Json = field(compare=False)
    tried: int = field(compare=False, default=0)
    first: float = field(compare=False, default=0.0)
    fault: Fault = field(compare=False, default=Fault(""))


class WebhookSender:
    """Delivers events to one endpoint, one at a time, in the order in which they fall due.

    Args:
        control: the clock.
        url: the endpoint, ``""`` for none.
        secrets: what is signed with; all of them are active at first.
        tick: called before each look at the queue.
    """

    def __init__(
        self, control: Control, *, url: str, secrets: Sequence[str], tick: Callable[[], None]
    ) -> None:
        self.attempts: deque[Json] = deque(maxlen=ATTEMPTS_KEPT)
        self.url = url
        self.secrets = list(secrets)
        self.active = list(secrets)
        self._first = (url, list(secrets))
        self._clock = control.clock
        self._jobs: list[_Job] = []
        self._held: list[_Job] = []
        self._trying: list[_Job] = []
        self._number = self._busy = self._age = 0
        self._tick = tick

    def start(self) -> None:
        """Start to deliver."""
        threading.Thread(target=self._work, daemon=True).start()

    def reset(self) -> None:
        """Delete queued deliveries and settings."""
        with self._clock.changed:
            self._jobs.clear()
            self._held.clear()
            self._age += 1
            self.attempts.clear()
            self.url, self.active = self._first[0], list(self._first[1])

    def post(self, event: Json, fault: Fault) -> None:
        """Queue an event for delivery, with a fault if one is given."""
        if not self.url or fault.kind == "drop":
            return
        now = self._clock.now()
        due = now + (fault.number("seconds", 60) if fault.kind == "delay" else 0)
        times = int(fault.number("deliveries", 2)) if fault.kind == "duplicate" else 1
        with self._clock.changed:
            if fault.kind == "reorder":
                self._held.append(self._job(event, due, fault))
                return
            for _ in range(times):
                heapq.heappush(self._jobs, self._job(event, due, fault))
            for held in self._held:  # what was held back comes right after the next one
                heapq.heappush(self._jobs, self._job(held.event, due, held.fault))
            self._held.clear()
            self._clock.changed.notify_all()

    def waiting(self) -> list[Json]:
        """Return the deliveries that are queued or being made: event id and, for `resume`, its times and tries."""
        return [
            {"event": job.event["id"], "when": {"due": job.due, "first": job.first, "tried": job.tried}}
            for job in [*self._jobs, *self._held, *self._trying]
        ]

    def resume(self, event: Json, *, due: float, first: float, tried: int) -> None:
        """Queue a delivery that an earlier run had not finished; at once, if it failed because nobody was there."""
        job = self._job(event, min(due, self._clock.now()) if tried else due, Fault(""))
        job.first, job.tried = first, tried
        heapq.heappush(self._jobs, job)

    def drain(self, seconds: float) -> bool:
        """Wait until nothing is due; return False if that took too long."""
        with self._clock.changed:
            return self._clock.changed.wait_for(
                lambda: not self._busy and not (self._jobs and self._jobs[0].due <= self._clock.now()),
                seconds,
            )

    def send(
        self,
        event: Json,
        body: bytes,
        *,
        secrets: Sequence[str] | None = None,
        offset: float = 0,
        header: str | None = None,
        url: str = "",
    ) -> Json:
        """Make one attempt; return what was sent, and ``status`` and ``body`` of the answer, or an ``error``."""
        signed = signature(self.active if secrets is None else secrets, body, int(time.time() + offset))
        headers: dict[str, str | bytes] = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": (signed if header is None else header).encode("utf-8"),
        }
        attempt: Json = {
            "event": event.get("id"),
            "type": event.get("type"),
            "url": url or self.url,
            "signature": signed if header is None else header,
            "at": time.time(),
        }
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    url or self.url,
                    data=body,
                    headers=headers,
                    timeout=ANSWER_TIMEOUT_S,
                    allow_redirects=False,
                )
                attempt |= {"status": answer.status_code, "body": answer.text}
        except OSError as problem:
            attempt |= {"status": None, "error": str(problem)}
        self.attempts.append(attempt)
        return attempt

    def _job(self, event: Json, due: float, fault: Fault) -> _Job:
        self._number += 1
        return _Job(due, self._number, event, first=due, fault=fault)

    def _work(self) -> None:
        while True:
            with self._clock.changed:
                self._tick()
                left = self._jobs[0].due - self._clock.now() if self._jobs else POLL_S
                if left > 0:
                    self._clock.changed.wait(min(left, POLL_S))
                    continue
                job, age = heapq.heappop(self._jobs), self._age
                self._trying.append(job)
                self._busy += 1
            taken = self._attempt(job)
            with self._clock.changed:
                self._busy -= 1
                self._trying.remove(job)
                if not taken and age == self._age and job.tried < len(RETRIES_AT_S):
                    job.due, job.fault = job.first + RETRIES_AT_S[job.tried], Fault("")
                    heapq.heappush(self._jobs, job)
                self._clock.changed.notify_all()

    def _attempt(self, job: _Job) -> bool:
        """Send an event as its fault says; only the first attempt has a bad signature."""
        fault, offset, secrets = job.fault, 0.0, None
        job.tried += 1
        if fault.kind in ("stale", "future"):
            offset = fault.number("seconds", SHIFT_S) * (1 if fault.kind == "future" else -1)
        if fault.kind == "wrong_secret":
            secrets = [fault.text("secret", "whsec_of_somebody_else")]
        attempt = self.send(job.event, body_of(job.event), secrets=secrets, offset=offset)
        return attempt["status"] is not None and 200 <= attempt["status"] < 300


class Events:
    """The events of the account, oldest first.

    Args:
        control: where faults of the route ``webhook`` come from.
        store: where events are kept.
        courier: what delivers them.
        delivered: the types that the endpoint asked for; ``*`` is all of them.
    """

    def __init__(
        self, control: Control, store: Store, courier: WebhookSender, delivered: frozenset[str]
    ) -> None:
        self._control = control
        self._store = store
        self._courier = courier
        self._delivered = delivered

    def tell(self, kind: str, about: Json, previous: Json | None = None) -> Json:
        """Record an event of an object, and deliver it if the endpoint wants its type."""
        data: Json = {"object": self._store.view(about)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = self.record(kind, data)
        if not self._wanted(kind):
            return event
        fault = self._control.take("webhook", lambda fault: fault.text("type", kind) == kind) or Fault("")
        if fault.kind == "livemode":
            event["livemode"] = True
        self._courier.post(event, fault)
        if fault.kind == "twin":
            self._courier.post(self.record(kind, data), Fault(""))
        return event

    def tell_again(self, event: Json) -> None:
        """Deliver a recorded event once more, if the endpoint wants its type."""
        if self._wanted(event["type"]):
            self._courier.post(event, Fault(""))

    def record(self, kind: str, data: Json) -> Json:
        """Record an event without delivering it."""
        asked = has_request_context() and request.path.startswith("/v1/")
        return self._store.add(
            {
                "id": self._store.new_id("event"),
                "object": "event",
                "api_version": API_VERSION,
                "created": self._store.now(),
                "data": public(data),
                "livemode": False,
                "pending_webhooks": int(bool(self._courier.url) and self._wanted(kind)),
                "request": {
                    "id": g.request_id if asked else None,
                    "idempotency_key": request.headers.get("Idempotency-Key") if asked else None,
                },
                "type": kind,
            }
        )

    def update(self, kind: str, about: Json, change: Json) -> Json | None:
        """Change an object and emit an event with the previous values; no event if nothing changed."""
        before = {name: public(about.get(name)) for name, value in change.items() if about.get(name) != value}
        about |= change
        return self.tell(kind, about, before) if before else None

    def _wanted(self, kind: str) -> bool:
        return kind in self._delivered or "*" in self._delivered
