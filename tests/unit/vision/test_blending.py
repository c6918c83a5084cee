"""How much of the drawing network a photo gets."""

from __future__ import annotations

import itertools

import pytest

from enhancer.domain.entitlement import JOB_MEGAPIXELS_MAX
from vision import blending
from vision.blending import drawn_share


@pytest.mark.parametrize(
    ("quality", "share"),
    [(None, 0), (100, 0), (95, 0), (90, 0.3), (75, 0.5), (50, 0.5), (1, 0.5)],
)
def test_the_share_follows_the_compression(quality, share):
    """As measured in docs/quality.md; what is clean, or says nothing, gets none."""
    assert drawn_share("photo", jpeg_quality=quality, scale=2, megapixels=1) == share


def test_a_little_more_compression_changes_a_little():
    """No quality is treated much unlike its neighbour, and a stronger one never gets less."""
    shares = [drawn_share("photo", jpeg_quality=one, scale=2, megapixels=1) for one in range(1, 101)]
    steps = [before - after for before, after in itertools.pairwise(shares)]
    assert min(steps) >= 0
    assert max(steps) < 0.07


@pytest.mark.parametrize("model", ["standard", "pro"])
def test_only_the_photo_model_is_blended(model):
    """Who chose the model for drawings gets that one."""
    assert drawn_share(model, jpeg_quality=50, scale=2, megapixels=1) == 0


@pytest.mark.parametrize(("scale", "largest"), [(2, 20), (4, 20), (6, 6.66), (8, 6.66)])
def test_large_pictures_are_not_blended(scale, largest):
    """The doubled work stays below what a job's step can wait for; a pixel more goes through one network."""
    assert drawn_share("photo", jpeg_quality=50, scale=scale, megapixels=largest) == 0.5
    assert drawn_share("photo", jpeg_quality=50, scale=scale, megapixels=largest + 0.1) == 0
    assert JOB_MEGAPIXELS_MAX["standard"] > blending.WORK_MEGAPIXELS_MAX
