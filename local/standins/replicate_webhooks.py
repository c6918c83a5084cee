"""Webhooks of the Replicate stand-in: signed, retried for a minute, with faults on demand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

import requests

from local.standins.control import Control, Json, Names
from local.standins.replicate_predictions import Prediction

EVENTS = frozenset({"start", "output", "logs", "completed"})
ATTEMPTS_AT_S = (0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 59.5)  # simulated, after the first
ANSWER_TIMEOUT_S = 5.0
SHIFTS_S = {"stale": -600, "future": 600}  # what is wrong with the timestamp of such a signature
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ATTEMPTS_KEPT = 1000


def allowed(url: object) -> bool:
    """Return whether a webhook may go to a URL: https, or http on loopback (which the real Replicate refuses)."""
    if not isinstance(url, str):
        return False
    parts = urlsplit(url)
    return (parts.scheme == "https" and bool(parts.hostname)) or (
        parts.scheme == "http" and parts.hostname in LOOPBACK
    )


def signed(secret: str, message_id: str, body: bytes, signature: str = "good") -> dict[str, str]:
    """Return the headers of a delivery, signed as Standard Webhooks specifies.

    Args:
        secret: ``whsec_`` and the key in base64.
        message_id: the same on every attempt to deliver this message.
        body: what is signed, together with id and time.
        signature: ``good``, ``bad`` (another key), ``stale`` or ``future`` (ten minutes off).
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    if signature == "bad":
        key = hashlib.sha256(key).digest()
    stamp = str(int(time.time()) + SHIFTS_S.get(signature, 0))
    digest = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "user-agent": "replicate-stand-in",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


class WebhookSender:
    """Delivers webhooks, one thread per prediction.

    Args:
        control: clock and pauses.
        secret: what is signed with.
        names: where message ids come from.
        body_of: the body that describes a prediction now.
    """

    def __init__(
        self, control: Control, *, secret: str, names: Names, body_of: Callable[[Prediction], bytes]
    ) -> None:
        self.attempts: deque[Json] = deque(maxlen=ATTEMPTS_KEPT)
        self._control = control
        self._secret = secret
        self._names = names
        self._body_of = body_of

    def announce(self, prediction: Prediction, event: str) -> None:
        """Queue an event of a prediction for delivery; ``""`` means that no other follows."""
        if not event:
            prediction.mail.put(None)
        elif prediction.webhook and event in prediction.events:
            prediction.mail.put((event, self._body_of(prediction)))

    def follow(self, prediction: Prediction) -> None:
        """Deliver the queued events of a prediction, in order, until the last one."""
        threading.Thread(target=self._follow, args=(prediction,), daemon=True).start()

    def send(
        self,
        url: str,
        body: bytes,
        *,
        message_id: str | None = None,
        signature: str = "good",
        event: str = "",
    ) -> Json:
        """Make one attempt; return what was sent, and ``status`` and ``body`` of the answer, or an ``error``."""
        headers = signed(self._secret, message_id or self.new_id(), body, signature)
        attempt: Json = {"url": url, "event": event, "webhook_id": headers["webhook-id"], "at": time.time()}
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    url, data=body, headers=headers, timeout=ANSWER_TIMEOUT_S, allow_redirects=False
                )
                attempt |= {"status": answer.status_code, "body": answer.text}
        except OSError as problem:
            attempt |= {"status": None, "error": str(problem)}
        self.attempts.append(attempt)
        return attempt

    def new_id(self) -> str:
        """Return the id of a new message."""
        return f"msg_{self._names.next()}"

    def _follow(self, prediction: Prediction) -> None:
        fault, held = prediction.webhook_fault.kind, []
        while (item := prediction.mail.get()) is not None and not prediction.forgotten:
            event, body = item
            if fault == "never":
                continue
            if fault == "reordered" and event != "completed":
                held.append(item)
            elif event == "completed":
                self._completed(prediction, body)
            else:
                self._once(prediction, event, body)
        for event, body in held:
            self._once(prediction, event, body)
        prediction.told.set()

    def _once(self, prediction: Prediction, event: str, body: bytes) -> None:
        self.send(str(prediction.webhook), body, signature=self._signature(prediction), event=event)

    def _completed(self, prediction: Prediction, body: bytes) -> None:
        fault = prediction.webhook_fault
        if fault.kind == "late":
            self._control.pause(fault.number("seconds", 5.0))
        if fault.kind == "unknown_id":
            self._once(prediction, "completed", renamed(body, self._names.next()))
        message_id = self.new_id()
        deliveries = int(fault.number("deliveries", 2)) if fault.kind == "duplicate" else 1
        for _ in range(deliveries):
            self._until_taken(prediction, message_id, body)

    def _until_taken(self, prediction: Prediction, message_id: str, body: bytes) -> None:
        """Try for about a minute; a redirect counts as delivered and is not followed."""
        first, signature = self._control.clock.now(), self._signature(prediction)
        for offset in ATTEMPTS_AT_S:
            if self._control.clock.wait(first + offset, lambda: prediction.forgotten):
                return
            attempt = self.send(
                str(prediction.webhook), body, message_id=message_id, signature=signature, event="completed"
            )
            if attempt["status"] is not None and attempt["status"] < 400:
                return

    @staticmethod
    def _signature(prediction: Prediction) -> str:
        kind = prediction.webhook_fault.kind
        return {"bad_signature": "bad", "stale": "stale", "future": "future"}.get(kind, "good")


def renamed(body: bytes, prediction_id: str) -> bytes:
    """Return the same event about a prediction with another id."""
    document = json.loads(body)
    text = json.dumps(document).replace(document["id"], prediction_id)
    return text.encode()
