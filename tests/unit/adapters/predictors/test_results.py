"""What providers send back: only a picture of the right size that shows something is kept, and never as it came."""

from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from enhancer.adapters.images import pixels
from enhancer.adapters.predictors import results as module
from enhancer.adapters.predictors.results import Results
from enhancer.domain.errors import OutputTooLarge, ProviderOutputInvalid
from enhancer.domain.images import COMPOSITED, ENHANCED, About
from tests.support.bucket import Bucket, job_for
from tests.support.images import encoded, picture, png


@pytest.fixture
def bucket():
    return Bucket()


def keep(bucket, job, item, data, cost=7):
    return Results(bucket).keep(job, item, data, cost=lambda size: cost)


def refused(bucket, job, item, data):
    """Assert that nothing is kept, and return the error."""
    with pytest.raises(ProviderOutputInvalid) as failed:
        keep(bucket, job, item, data)
    assert item.target not in bucket.stored
    assert failed.value.details == {"provider": job.model_of(item).provider}
    return failed.value


def test_a_result_is_encoded_anew_in_the_format_asked_for(bucket):
    """What the provider wrote into its file is gone; ours says what kind of picture it is."""
    job, item = job_for(bucket, "real-esrgan", output_format="jpeg")
    out = BytesIO()
    picture((64, 48)).save(out, "PNG", pnginfo=_text("hidden"))
    outcome = keep(bucket, job, item, out.getvalue())
    data, content_type, facts = bucket.stored[item.target]
    assert (outcome.output.width, outcome.output.height, outcome.cost) == (64, 48, 7)
    assert (content_type, data[:2], facts) == (
        "image/jpeg",
        b"\xff\xd8",
        {"width": 64, "height": 48, "cost": 7},
    )
    assert b"hidden" not in data
    assert ENHANCED.encode() in data


def test_a_result_says_of_its_photo_what_the_original_says_and_not_what_the_provider_says(bucket):
    """Date and author are the photographer's; a provider's Exif is dropped."""
    job, item = job_for(bucket, "real-esrgan", output_format="jpeg")
    kept = About(taken="2026:11:20 10:30:00", artist="Zoë", dpi=300)
    theirs = Image.Exif()
    theirs[0x013B] = "a provider"
    out = BytesIO()
    picture((64, 48)).save(out, "JPEG", exif=theirs.tobytes())
    keep(bucket, job, replace(item, about=kept), out.getvalue())
    data = bucket.stored[item.target][0]
    assert pixels.read(data, pixels_max=10_000).about == kept
    assert b"a provider" not in data


def _text(value):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", value)
    return info


def test_an_edit_is_marked_as_partly_generated(bucket):
    """Its size is the model's own choice."""
    job, item = job_for(bucket, "nano-banana")
    outcome = keep(bucket, job, item, png((100, 40)))
    assert (outcome.output.width, outcome.output.height) == (100, 40)
    assert COMPOSITED.encode() in bucket.stored[item.target][0]


def test_a_result_that_is_kept_is_found_again(bucket):
    """With its size and cost, from the store alone."""
    job, item = job_for(bucket, "real-esrgan")
    assert Results(bucket).find(item) is None
    outcome = keep(bucket, job, item, png((64, 48)))
    assert Results(bucket).find(item) == outcome


def test_an_item_without_a_target_has_no_result(bucket):
    """Nobody has looked at its picture yet."""
    _, item = job_for(bucket, "real-esrgan")
    assert Results(bucket).find(replace(item, target="")) is None


GARBAGE = {
    "empty": b"",
    "page": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "gif": encoded(picture((64, 48)), "GIF"),
    "truncated": png((64, 48))[:100],
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_picture_of_ours_is_invalid_and_has_its_cost(bucket, data):
    """Whatever the provider calls it."""
    job, item = job_for(bucket, "real-esrgan")
    assert refused(bucket, job, item, data).cost == 7


def test_an_animation_is_invalid(bucket):
    """One picture in, one picture out."""
    job, item = job_for(bucket, "real-esrgan")
    out = BytesIO()
    picture((64, 48)).save(out, "WEBP", save_all=True, append_images=[picture((64, 48), shade=99)])
    assert refused(bucket, job, item, out.getvalue()).cost == 7


def test_more_pixels_than_memory_allows_are_invalid(bucket, monkeypatch):
    """Told by the header, before anything is decoded."""
    monkeypatch.setattr(module, "PIXELS_MAX", 64 * 48 - 1)
    job, item = job_for(bucket, "real-esrgan")
    assert refused(bucket, job, item, png((64, 48))).cost == 7


@pytest.mark.parametrize("size", [(66, 48), (64, 46), (62, 50)])
def test_one_pixel_of_the_input_more_or_less_is_accepted(bucket, size):
    """Models round: at 2x, two pixels."""
    job, item = job_for(bucket, "real-esrgan")
    outcome = keep(bucket, job, item, png(size))
    assert (outcome.output.width, outcome.output.height) == size


@pytest.mark.parametrize("size", [(67, 48), (64, 51), (32, 24), (128, 96), (48, 64), (1, 1)])
def test_another_scale_than_the_one_paid_for_is_invalid(bucket, size):
    """Four times, not at all, or turned."""
    job, item = job_for(bucket, "real-esrgan")
    assert refused(bucket, job, item, png(size)).cost == 7


@pytest.mark.parametrize(("size", "good"), [((400, 300), True), ((404, 297), True), ((200, 150), False)])
def test_a_model_with_a_factor_of_its_own_may_miss_it_by_little(bucket, size, good):
    """Two in a hundred."""
    job, item = job_for(bucket, "gfpgan", size=(200, 150))
    if good:
        assert keep(bucket, job, item, png(size)).output.width == size[0]
    else:
        assert refused(bucket, job, item, png(size)).cost == 7


@pytest.mark.parametrize(
    ("input_size", "size", "good"), [((32, 24), (15, 40), False), ((8, 6), (8, 6), True)]
)
def test_an_edit_must_not_be_tiny_unless_its_input_was(bucket, input_size, size, good):
    """Sixteen pixels, or what came in."""
    job, item = job_for(bucket, "nano-banana", size=input_size)
    if good:
        assert keep(bucket, job, item, png(size)).output.height == size[1]
    else:
        assert refused(bucket, job, item, png(size)).cost == 7


FLAT = {
    "black": Image.new("RGB", (64, 48)),
    "nearly black": Image.eval(picture((64, 48)), lambda level: level % 8),
    "white": Image.new("RGB", (64, 48), "white"),
    "one colour": Image.new("RGB", (64, 48), (200, 30, 90)),
    "invisible": picture((64, 48)).convert("RGBA"),
}
FLAT["invisible"].putalpha(0)


@pytest.mark.parametrize("image", FLAT.values(), ids=FLAT)
def test_a_picture_that_shows_nothing_is_invalid(bucket, image):
    """What a filter or a broken model hands out."""
    job, item = job_for(bucket, "real-esrgan")
    assert refused(bucket, job, item, encoded(image)).cost == 7


def test_a_flat_picture_may_stay_flat(bucket):
    """White paper enlarged is white paper."""
    job, item = job_for(bucket, "real-esrgan", data=encoded(Image.new("RGB", (32, 24), "white")))
    assert keep(bucket, job, item, encoded(FLAT["white"])).output.width == 64


def test_a_flat_result_of_an_original_that_is_gone_is_invalid(bucket):
    """Without the input nothing speaks for it."""
    job, item = job_for(bucket, "real-esrgan")
    del bucket.stored[item.input.key]
    assert refused(bucket, job, item, encoded(FLAT["white"])).cost == 7


def test_transparency_that_the_provider_dropped_is_accepted(bucket):
    """Few models know it."""
    source = picture((32, 24)).convert("RGBA")
    source.putalpha(100)
    job, item = job_for(bucket, "real-esrgan", data=encoded(source))
    assert keep(bucket, job, item, png((64, 48))).output.width == 64


def test_a_format_that_ends_before_the_picture_does_is_our_own_error_with_its_cost(bucket, monkeypatch):
    """It is the request that cannot be fulfilled, not the provider's fault."""
    monkeypatch.setitem(pixels.images.SIDE_MAX, "webp", 50)
    job, item = job_for(bucket, "real-esrgan", output_format="webp")
    with pytest.raises(OutputTooLarge) as failed:
        keep(bucket, job, item, png((64, 48)))
    assert failed.value.cost == 7
