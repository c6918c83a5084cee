"""What the quantisation tables of a JPEG say about its quality."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from enhancer.adapters.images import pixels
from enhancer.adapters.images.compression import jpeg_quality

PICTURE = Image.effect_noise((40, 24), 60).convert("RGB")


def photo(file_format="JPEG", image=PICTURE, **options):
    file = BytesIO()
    image.save(file, file_format, **options)
    return pixels.read(file.getvalue(), pixels_max=10_000)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_the_quality_it_was_saved_with_is_found(mode, options):
    """Exactly, for tables of libjpeg, whatever the colour, the sampling and the order of its scans."""
    qualities = range(30, 96, 5)
    assert [
        jpeg_quality(photo(image=PICTURE.convert(mode), quality=one, **options)) for one in qualities
    ] == [*qualities]


@pytest.mark.parametrize(("quality", "found"), [(1, 1), (100, 100)])
def test_the_ends_of_the_scale(quality, found):
    """The coarsest and the finest tables."""
    assert jpeg_quality(photo(quality=quality)) == found


@pytest.mark.parametrize(
    ("step", "found"), [(1, 100), (9, range(90, 95)), (29, range(70, 80)), (255, 1)], ids=str
)
def test_tables_of_another_shape_are_rated_by_their_mean(step, found):
    """A camera's own tables: the quality whose steps are as large on average; nothing leaves 1 to 100."""
    estimate = jpeg_quality(photo(qtables=[[step] * 64, [255] * 64]))
    assert estimate in (found if isinstance(found, range) else [found])


def test_the_stored_original_says_what_the_upload_said():
    """The copy that is kept, and that the model reads, has the tables of what came."""
    kept, _ = photo(quality=61).clean_copy()
    assert jpeg_quality(pixels.read(kept, pixels_max=10_000)) == 61


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "AVIF"])
def test_other_formats_say_nothing(file_format):
    """Only a JPEG's tables are on that scale."""
    assert jpeg_quality(photo(file_format)) is None
