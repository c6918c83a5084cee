"""Keyed hashes: names for values that must not be stored or told themselves."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode


def keyed_hash(purpose: str, value: str, key: bytes) -> str:
    """Return the HMAC-SHA-256 of a value, base64url (43 characters); each purpose has hashes of its own."""
    digest = hmac.digest(key, f"{purpose}:{value}".encode(), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
