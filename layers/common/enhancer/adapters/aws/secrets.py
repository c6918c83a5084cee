"""Secrets from Secrets Manager, cached for some minutes, so that a rotation needs no deploy."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

FRESH_SECONDS = 300
FORCED_SECONDS = 5
"""Shortest time between two reads of one secret, however often a fresh one is asked for."""


class Secrets:
    """A cache of secrets in this process. Values never reach a log or an environment variable."""

    def __init__(self, client: SecretsManagerClient) -> None:
        self._client = client
        self._kept: dict[str, tuple[float, dict[str, str]]] = {}

    def get(self, name: str, *, fresh: bool = False) -> dict[str, str]:
        """Return the JSON object stored under ``name``, at most `FRESH_SECONDS` old.

        ``fresh`` is for a value that was refused: the one returned is at most `FORCED_SECONDS` old.
        """
        fetched, value = self._kept.get(name, (float("-inf"), {}))
        if time.monotonic() - fetched > (FORCED_SECONDS if fresh else FRESH_SECONDS):
            value = json.loads(self._client.get_secret_value(SecretId=name)["SecretString"])
            self._kept[name] = (time.monotonic(), value)
        return value

    def signing_keys(self, name: str) -> list[bytes]:
        """Return the current signing key, then the one before the last rotation if it is still kept."""
        value = self.get(name)
        return [value[field].encode() for field in ("signing", "previous") if value.get(field)]
