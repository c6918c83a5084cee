"""multipart/form-data, parsed by the ``multipart`` library within fixed limits.

Powertools' own parser splits on the boundary wherever it occurs, also inside a picture, and knows no limits.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from aws_lambda_powertools.event_handler.openapi.params import UploadFile
from multipart import MultipartError, MultipartParser, MultipartPart, parse_options_header

from enhancer.domain.errors import (
    FileTooLarge,
    InvalidFields,
    InvalidMultipart,
    TooManyImages,
)
from enhancer.domain.images import FILE_BYTES_MAX

PARTS_MAX = 32
FIELD_BYTES_MAX = 16_384
IMAGE_FIELD = "image"


def parse(body: bytes, content_type: str) -> dict[str, Any]:
    """Return text fields as str and the picture as UploadFile, by name. An empty text field is an absent one.

    Raises `InvalidMultipart`, `TooManyImages`, `FileTooLarge`, or `InvalidFields` for a repeated field.
    """
    boundary = parse_options_header(content_type)[1].get("boundary")
    if not boundary:
        raise InvalidMultipart(field="boundary")
    parser = MultipartParser(
        BytesIO(body),
        boundary,
        content_length=len(body),
        part_limit=PARTS_MAX,
        spool_limit=len(body) + 1,
        memory_limit=len(body) + 1,
    )
    try:
        parts = parser.parts()
    except MultipartError:
        raise InvalidMultipart(field="body") from None
    images = [part for part in parts if part.name == IMAGE_FIELD]
    if len(images) > 1:
        raise TooManyImages(field=IMAGE_FIELD, count=len(images), limit=1)
    fields: dict[str, Any] = _texts([part for part in parts if part.name != IMAGE_FIELD])
    if images:
        fields[IMAGE_FIELD] = _image(images[0])
    return fields


def _image(part: MultipartPart) -> UploadFile:
    if part.size > FILE_BYTES_MAX:
        raise FileTooLarge(
            field=IMAGE_FIELD, size=part.size, limit=FILE_BYTES_MAX, uploads="/api/ai-image/uploads"
        )
    return UploadFile(content=part.raw, filename=part.filename, content_type=part.content_type)


def _texts(parts: list[MultipartPart]) -> dict[str, Any]:
    texts: dict[str, str] = {}
    for part in parts:
        if part.name in texts:
            raise InvalidFields(fields=[{"field": part.name, "problem": "repeated"}])
        if part.size > FIELD_BYTES_MAX:
            raise InvalidFields(
                fields=[{"field": part.name, "problem": "too_long", "limit": FIELD_BYTES_MAX}]
            )
        try:
            texts[part.name] = part.value
        except (UnicodeDecodeError, LookupError):
            raise InvalidFields(fields=[{"field": part.name, "problem": "not UTF-8"}]) from None
    return {name: text for name, text in texts.items() if text.strip()}
