"""Call-backs as a provider sends them, signed after Standard Webhooks by hand, so that the library is checked too."""

from __future__ import annotations

import base64
import hashlib
import hmac


def _secret(seed: str) -> str:
    return "whsec_" + base64.b64encode(hashlib.sha256(seed.encode()).digest()).decode()


RECORDED_AT = 1_767_225_600
"""When the example call-backs were signed, epoch s: long ago, so each is refused until a test sets its clock to it."""
WEBHOOK_SECRET, OLD_SECRET, FOREIGN_SECRET = _secret("new"), _secret("old"), _secret("foreign")


def stripe_signed(body: bytes, secret: str, *, at: int) -> dict[str, str]:
    """The header of an event that Stripe tells ``at`` (epoch s)."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={at},v1={mac}"}


def signed(
    body: bytes, secret: str, *, at: int, message: str = "msg_1", stamp: str | None = None
) -> dict[str, str]:
    """The three headers of a call-back sent ``at`` (epoch s); ``stamp``: what it says instead."""
    moment = str(at) if stamp is None else stamp
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{message}.{moment}.".encode() + body
    mac = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return {"webhook-id": message, "webhook-timestamp": moment, "webhook-signature": f"v1,{mac}"}
