"""The embedded model's function: what it stores says of its photo what the original says."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace

import pytest
from PIL import Image

from enhancer import runtime
from enhancer.adapters.images import about, pixels
from enhancer.domain.images import ENHANCED, About
from tests.support import functions
from tests.support.bucket import Bucket
from tests.support.events import CONTEXT
from tests.support.pictures import photo, saved

KEPT = About(taken="2026:11:20 10:30:00", offset="+01:00", artist="Zoë", make="Apple", dpi=300)


@pytest.fixture
def bucket(monkeypatch):
    """The stored artifacts that the function sees."""
    stored = Bucket()
    monkeypatch.setattr(runtime, "artifacts", lambda: stored)
    monkeypatch.setattr(runtime, "settings", lambda: SimpleNamespace(memory_mb=1769))
    return stored


@pytest.mark.parametrize("file_format", ["jpeg", "png", "webp", "avif"])
def test_the_result_keeps_what_the_original_says_of_its_photo(bucket, file_format):
    """Date, author, camera and density, beside the mark of how it was made."""
    app = functions.load("upscale")
    source, target = (f"ai-enhancer/{folder}/guest/x/y.jpg" for folder in ("uploads", "results"))
    bucket.put(source, saved(photo(), "JPEG", exif=b"Exif\0\0" + about.block(KEPT)), "image/jpeg")
    event = {
        "source": source,
        "target": target,
        "model": "local/photo",
        "scale": 2,
        "quality": "standard",
        "format": file_format,
    }
    answer = app.lambda_handler(event, CONTEXT)
    data = bucket.get(target)
    got = pixels.read(data, pixels_max=100_000)
    assert (answer["width"], answer["height"], answer["bytes"]) == (96, 64, len(data))
    assert got.about == KEPT
    assert ENHANCED.encode() in data
    assert Image.open(BytesIO(data)).size == (96, 64)
