"""SHA-256 digests that tell whether two requests, or two results, are the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from enhancer.domain.errors import InvalidIdempotencyKey
from enhancer.domain.models import Params

KEY_CHARACTERS_MAX = 128
"""Longest idempotency key, in characters."""


def digest(pixels: str, model: str, params: Params, *more: str) -> str:
    """Return the hex SHA-256 of what shapes a result: the picture's own digest, model, parameters and ``more``."""
    text = json.dumps([pixels, model, asdict(params), *more], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def key_of(sent: str | None) -> str | None:
    """Return an idempotency key without the blanks around it, which HTTP does not count; None where there is none.

    Raises `InvalidIdempotencyKey` unless 1 to 128 printable ASCII characters are left.
    """
    if sent is None:
        return None
    key = sent.strip(" \t")
    if not 1 <= len(key) <= KEY_CHARACTERS_MAX or not key.isascii() or not key.isprintable():
        raise InvalidIdempotencyKey(header="Idempotency-Key", limit=KEY_CHARACTERS_MAX)
    return key


def key_hash_of(sent: str | None) -> str | None:
    """Return the hex SHA-256 of an idempotency key (see `key_of`), None where there is none."""
    key = key_of(sent)
    return None if key is None else hashlib.sha256(key.encode()).hexdigest()
