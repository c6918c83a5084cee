"""Random ids and names. Ids begin with the time, so that they sort by it; names are only random."""

from __future__ import annotations

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
RANDOM_BYTES = 16
"""Random bytes in every id and name: 128 bits, so that none is ever guessed or made twice."""


def ordered_id(prefix: str, now_ms: int, random: bytes) -> str:
    """Return ``<prefix>_`` and 36 characters: 48 bits of time and 128 random ones in Crockford's base 32.

    As texts, ids of one prefix sort by time. Source: https://www.crockford.com/base32.html, in lower case.
    """
    number = (now_ms << 8 * len(random)) | int.from_bytes(random, "big")
    return f"{prefix}_{_base32(number, 36)}"


def random_name(random: bytes) -> str:
    """Return 128 random bits as 26 characters of the same base 32: the names of artifacts and guests."""
    return _base32(int.from_bytes(random, "big"), 26)


def _base32(number: int, length: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))
