"""Secrets Manager in a dictionary."""

from __future__ import annotations

import json
from typing import Any

from tests.support.aws import SECRETS


class SecretStore:
    """The one call that `enhancer.adapters.aws.secrets.Secrets` makes; it starts with the secrets of the tests."""

    def __init__(self) -> None:
        self._stored = {name: dict(value) for name, value in SECRETS.items()}
        self.asked: list[str] = []

    def store(self, name: str, value: dict[str, str]) -> None:
        """Put this JSON object where ``name`` is read from."""
        self._stored[name] = value

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        """The secret as JSON; ``asked`` remembers who asked for what."""
        self.asked.append(SecretId)
        return {"SecretString": json.dumps(self._stored[SecretId])}
