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
    ImageMissing,
    InvalidFields,
    InvalidMultipart,
    TooManyImages,
)
from enhancer.domain.images import FILE_BYTES_MAX

PARTS_MAX = 32
FIELD_BYTES_MAX = 16_384
HEADER_BYTES_MAX = 32_768
"""Longest header of a part: file names can be long, and nothing is made of them."""
HEADER_CHARSET = "latin-1"
"""In which no byte is wrong; names are read as UTF-8 afterwards."""
IMAGE_FIELD = "image"
NAME_SHOWN_MAX = 60
CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii"}
"""What a text may say it is written in; nothing else is asked of the codecs of Python, of which some are no texts."""


def parse(body: bytes, content_type: str) -> dict[str, Any]:
    """Return text fields as str and the picture as UploadFile, by name. An empty text field is an absent one.

    Raises `InvalidMultipart`, `TooManyImages`, `FileTooLarge`, `ImageMissing` for a file under another name, or
    `InvalidFields` for a repeated field.
    """
    boundary = parse_options_header(content_type)[1].get("boundary")
    if not boundary:
        raise InvalidMultipart(field="boundary")
    parser = MultipartParser(
        BytesIO(body),
        boundary,
        content_length=len(body),
        charset=HEADER_CHARSET,
        headersize_limit=HEADER_BYTES_MAX,
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
    elsewhere = [_utf8(part.name) for part in parts if part.name != IMAGE_FIELD and part.filename]
    if elsewhere and not images:
        raise ImageMissing(field=IMAGE_FIELD, found=elsewhere[0][:NAME_SHOWN_MAX])
    fields: dict[str, Any] = _texts([part for part in parts if part.name != IMAGE_FIELD])
    if images:
        fields[IMAGE_FIELD] = _image(images[0])
    return fields


def _image(part: MultipartPart) -> UploadFile:
    if part.size > FILE_BYTES_MAX:
        raise FileTooLarge(
            field=IMAGE_FIELD, size=part.size, limit=FILE_BYTES_MAX, uploads="/api/ai-image/uploads"
        )
    return UploadFile(content=part.raw, filename=_utf8(part.filename or ""), content_type=part.content_type)


def _utf8(header: str) -> str:
    """Return a name from a part's header, read as UTF-8 as far as it is."""
    return header.encode("latin-1").decode(errors="replace")


def _texts(parts: list[MultipartPart]) -> dict[str, Any]:
    texts: dict[str, str] = {}
    for part in parts:
        name, charset = _utf8(part.name), part.charset.lower()
        if name in texts:
            raise InvalidFields(fields=[{"field": name, "problem": "repeated"}])
        if part.size > FIELD_BYTES_MAX:
            raise InvalidFields(fields=[{"field": name, "problem": "too_long", "limit": FIELD_BYTES_MAX}])
        try:
            texts[name] = part.raw.decode()
        except UnicodeDecodeError:
            raise _not_utf8(name) from None
        if charset not in CHARSETS and charset != HEADER_CHARSET:
            raise _not_utf8(name)
    return {name: text for name, text in texts.items() if text.strip()}


def _not_utf8(name: str) -> InvalidFields:
    return InvalidFields(fields=[{"field": name, "problem": "not UTF-8"}])
