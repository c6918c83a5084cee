"""Texts that only we can have signed: HMAC with SHA-256 by itsdangerous, for guests' cookies and call-back paths."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import itsdangerous
from itsdangerous.encoding import base64_decode, base64_encode


class Signer:
    """Signs and verifies with ``keys``, newest first: the newest one signs, each of them verifies.

    ``purpose`` is the salt: what was signed for one purpose does not verify for another, although the key is the same.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = list(reversed(keys))  # itsdangerous wants the newest last

    def sign(self, purpose: str, value: str) -> str:
        """Return ``<value>.<signature>``; the signature has 43 characters that need no escaping in a URL."""
        return self._signer(purpose).sign(value).decode()

    def verified(self, purpose: str, text: str) -> str | None:
        """Return the value of a text that `sign` made for this purpose, None for every other text."""
        signed = text.encode(errors="replace")
        try:
            value = self._signer(purpose).unsign(signed)
        except itsdangerous.BadSignature:
            return None
        signature = signed.rpartition(b".")[2]
        if base64_encode(base64_decode(signature)) != signature:
            return None  # the same bits spelled in another way, which itsdangerous reads leniently
        return value.decode()

    def _signer(self, purpose: str) -> itsdangerous.Signer:
        return itsdangerous.Signer(self._keys, salt=purpose, key_derivation="hmac", digest_method=sha256)
