"""Fingerprints: what makes two requests the same, and two results."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from enhancer.domain.entitlement import Params


def digest(pixels: str, model: str, params: Params, *more: str) -> str:
    """Return the hex SHA-256 of a picture (its own digest) and everything that shapes its result."""
    text = json.dumps([pixels, model, asdict(params), *more], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
