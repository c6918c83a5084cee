"""What we rely on at Workers AI: body kinds, sizes, refusals."""

from io import BytesIO

import pytest
from PIL import Image

from enhancer.domain import errors
from tests.contract.conftest import workers_at
from tests.support.bucket import job_for
from tests.support.client import SAMPLES


@pytest.fixture(scope="module")
def photo():
    """A part of a real photo."""
    image = Image.open(SAMPLES / "chelsea.jpg").convert("RGB").crop((0, 0, 320, 256))
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("alias", ["sd15", "flux-klein"])
def test_an_edit_gives_a_picture_of_the_size_it_was_asked_for(workers_ai, bucket, photo, alias):
    """Raw bytes or an envelope, JSON or a form: the picture arrives whole."""
    job, item = job_for(bucket, alias, size=(320, 256), data=photo, prompt="a watercolor painting of a cat")
    output = workers_ai.predict(job, item, seconds_max=60).output
    assert (output.width, output.height) == (320, 256)


def test_the_options_of_stable_diffusion_are_accepted(workers_ai, bucket, photo):
    """Every field that we may send is one that it knows."""
    options = {"negative_prompt": "text", "strength": 0.2, "guidance": 5.0, "steps": 10}
    job, item = job_for(
        bucket, "sd15", size=(320, 256), data=photo, prompt="a sharp photo of a cat", **options
    )
    assert workers_ai.predict(job, item, seconds_max=60).output.width == 320


def test_a_wrong_token_is_forbidden(workers_ai, bucket, photo):
    """Whatever code it comes with."""
    stranger = workers_at(workers_ai._base_url, workers_ai._credentials(False)[0], "wrong", bucket)
    job, item = job_for(bucket, "sd15", size=(320, 256), data=photo)
    with pytest.raises(errors.ProviderForbidden):
        stranger.predict(job, item, seconds_max=60)


def test_more_steps_than_it_knows_are_rejected(workers_ai, bucket, photo):
    """A schema violation is nobody's fault but ours, and permanent."""
    job, item = job_for(bucket, "sd15", size=(320, 256), data=photo, steps=500)
    with pytest.raises(errors.ProviderRejected):
        workers_ai.predict(job, item, seconds_max=60)
