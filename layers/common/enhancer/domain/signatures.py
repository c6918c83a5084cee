"""Keyed hashes: what only we can have made."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode


def signature(purpose: str, value: str, key: bytes) -> str:
    """Return a keyed hash of a value; the purpose keeps one kind of it from passing as another."""
    digest = hmac.digest(key, f"{purpose}:{value}".encode(), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
