"""Signatures as Stripe makes them."""

from __future__ import annotations

import hashlib
import hmac


def signed(body: bytes, secret: str, now: int) -> str:
    """The header over this body, made now (epoch ms)."""
    seconds = now // 1000
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"
