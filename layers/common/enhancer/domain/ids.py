"""Identifiers: time-ordered where lists are sorted by them, unguessable where a URL carries them."""

from __future__ import annotations

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
RANDOM_BYTES = 16
"""Every name and id carries 128 random bits."""


def ordered_id(prefix: str, now_ms: int, random: bytes) -> str:
    """Return ``<prefix>_<48-bit time><128 random bits>`` in Crockford base 32; sorts by time as text."""
    number = (now_ms << 8 * len(random)) | int.from_bytes(random, "big")
    return f"{prefix}_{_base32(number, 36)}"


def random_name(random: bytes) -> str:
    """Return 128 random bits as 26 characters, for the names of artifacts and guests."""
    return _base32(int.from_bytes(random, "big"), 26)


def _base32(number: int, length: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))
