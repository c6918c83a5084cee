"""Fingerprints: what makes two requests the same, and two results."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from enhancer.domain.entitlement import Params
from enhancer.domain.errors import InvalidIdempotencyKey

KEY_CHARACTERS_MAX = 128


def digest(pixels: str, model: str, params: Params, *more: str) -> str:
    """Return the hex SHA-256 of a picture (its own digest) and everything that shapes its result."""
    text = json.dumps([pixels, model, asdict(params), *more], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def key_hash_of(key: str | None) -> str | None:
    """Return the hex SHA-256 of an idempotency key, None for none; raise `InvalidIdempotencyKey`."""
    if key is None:
        return None
    if not 1 <= len(key) <= KEY_CHARACTERS_MAX or not key.isascii() or not key.isprintable():
        raise InvalidIdempotencyKey(header="Idempotency-Key", limit=KEY_CHARACTERS_MAX)
    return hashlib.sha256(key.encode()).hexdigest()
