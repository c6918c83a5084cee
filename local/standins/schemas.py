"""Inputs of the providers' models as JSON Schemas, in ``schemas/``, one file per model.

The stand-ins refuse what does not fit, and tests hold the product's requests to the same files, so that a stand-in
cannot be kinder than they are. Each file says where it comes from.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

FOLDER = Path(__file__).with_name("schemas")
DATA_URL_CHARACTERS = 1_400_000  # about 1 MB of data: larger inputs have to be uploaded or fetched
_URI = re.compile(r"(https?://|data:)\S+")
_FORMATS = FormatChecker(formats=())


def is_uri(value: object) -> bool:
    """Return whether an input can be fetched: http, https, or a data URL that is not too long."""
    return isinstance(value, str) and len(value) <= DATA_URL_CHARACTERS and bool(_URI.fullmatch(value))


_FORMATS.checks("uri")(is_uri)


@cache
def schema_of(model: str) -> dict[str, Any]:
    """Return the schema of a model's input by the model's name, with or without its owner."""
    found: dict[str, Any] = json.loads((FOLDER / f"{model.rpartition('/')[2]}.json").read_text("utf-8"))
    return found


def violations(model: str, given: object) -> list[ValidationError]:
    """Return what is wrong with an input, [] for a valid one."""
    return list(Draft202012Validator(schema_of(model), format_checker=_FORMATS).iter_errors(given))
