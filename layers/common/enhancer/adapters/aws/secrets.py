"""Secrets by name, fetched when first needed and again every few minutes, so a rotation needs no deploy."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

FRESH_SECONDS = 300
FORCED_SECONDS = 5
"""However often somebody wants a secret anew, the store is asked no more often than this."""


class Secrets:
    """A small cache in front of Secrets Manager. Values never reach a log or an environment variable."""

    def __init__(self, client: SecretsManagerClient) -> None:
        self._client = client
        self._kept: dict[str, tuple[float, dict[str, str]]] = {}

    def get(self, name: str, *, fresh: bool = False) -> dict[str, str]:
        """Return the JSON object stored under ``name``, at most `FRESH_SECONDS` old.

        ``fresh``: what we have was refused, so look for a newer one; then it is at most `FORCED_SECONDS` old.
        """
        fetched, value = self._kept.get(name, (float("-inf"), {}))
        if time.monotonic() - fetched > (FORCED_SECONDS if fresh else FRESH_SECONDS):
            value = json.loads(self._client.get_secret_value(SecretId=name)["SecretString"])
            self._kept[name] = (time.monotonic(), value)
        return value

    def signing_keys(self, name: str) -> list[bytes]:
        """Return the key to sign with, then the one before it, if a rotation kept it."""
        value = self.get(name)
        return [value[field].encode() for field in ("signing", "previous") if value.get(field)]
