"""Rules about pictures: formats, upload sizes, result sizes."""

import json
from pathlib import Path

import pytest

from enhancer.api.shapes import error_texts
from enhancer.api.shapes.wire import GenerateForm
from enhancer.domain import images
from enhancer.domain.errors import FileTooLarge, ImageFormatUnsupported, OutputTooLarge


@pytest.mark.parametrize(
    ("requested", "source", "alpha", "result"),
    [
        ("same", "jpeg", False, "jpeg"), ("same", "jpeg", True, "png"), ("same", "png", True, "png"),
        ("same", "webp", True, "webp"), ("same", "avif", False, "avif"), ("jpeg", "png", True, "jpeg"),
        ("png", "jpeg", False, "png"), ("webp", "avif", True, "webp"),
        ("same", "heic", False, "jpeg"), ("same", "heic", True, "png"),
    ],
)  # fmt: skip
def test_the_result_keeps_its_format_unless_told_or_transparent(requested, source, alpha, result):
    """A wish wins; "same" never loses transparency."""
    assert images.output_format(requested, source, alpha=alpha) == result


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/avif", "image/heic", "image/heif"])
def test_an_upload_of_an_accepted_type_up_to_25_mb_is_prepared(content_type):
    """The limit itself is allowed."""
    assert images.check_upload(content_type, 25_000_000) is None


def test_an_upload_one_byte_too_large_is_refused():
    """The refusal says size and limit."""
    with pytest.raises(FileTooLarge) as refused:
        images.check_upload("image/png", 25_000_001)
    assert refused.value.details == {"field": "size", "size": 25_000_001, "limit": 25_000_000}


@pytest.mark.parametrize(
    "content_type", ["", "image/gif", "image/svg+xml", "IMAGE/PNG", "image/png; a=b", "text/html"]
)
def test_an_upload_of_another_type_is_refused(content_type):
    """What could never become a picture is refused before it is uploaded."""
    with pytest.raises(ImageFormatUnsupported):
        images.check_upload(content_type, 1)


def test_texts_name_every_accepted_format():
    """What people read follows the one list: errors in both languages, the page, the API's description."""
    root = Path(__file__).parents[3]
    names = [images.NAMES[file_format] for file_format in images.CONTENT_TYPES]
    texts = [
        error_texts.message("image_format_unsupported", details, language)
        for details in ({}, {"found": "GIF"})
        for language in ("en", "de")
    ]
    for language in ("en", "de"):
        page = json.loads((root / f"web/locales/{language}.json").read_text("utf-8"))
        texts.append(page["html"]["drop"]["types"])
    texts.append((root / "web/js/problems.js").read_text("utf-8"))
    texts.append(GenerateForm.model_fields["image"].description or "")
    for text in texts:
        assert [name for name in names if name not in text] == []


@pytest.mark.parametrize(
    ("file_format", "width", "height", "limit"),
    [
        ("png", 65_536, 1, 65_535), ("png", 1, 65_536, 65_535), ("png", 16_000, 12_001, 192_000_000),
        ("jpeg", 16_000, 16_001, 256_000_000), ("webp", 8000, 8001, 64_000_000), ("avif", 8000, 8001, 64_000_000),
    ],
)  # fmt: skip
def test_a_result_beyond_side_or_total_is_refused(file_format, width, height, limit):
    """Side and total are two limits; the refusal names the one that was hit."""
    with pytest.raises(OutputTooLarge) as refused:
        images.check_output_size(width, height, file_format=file_format)
    assert refused.value.details == {"width": width, "height": height, "limit": limit}


def test_a_result_at_its_limits_is_made():
    """Exactly the limits are allowed."""
    assert images.check_output_size(16_000, 16_000, file_format="jpeg") is None
    assert images.check_output_size(8000, 8000, file_format="webp") is None
    assert images.check_output_size(65_500, 1, file_format="jpeg") is None
