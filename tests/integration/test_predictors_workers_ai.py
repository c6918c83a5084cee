"""The Workers AI adapter against its stand-in: every model, every fault, one call each."""

import pytest

from enhancer.domain import errors
from enhancer.domain.predictions import OutOfTime
from tests.support.bucket import job_for
from tests.support.images import size_of


@pytest.mark.parametrize(
    ("alias", "size", "made"),
    [
        ("sd15", (320, 256), (320, 256)),
        ("sd15", (8, 6), (344, 256)),
        ("flux-klein", (1600, 1200), (1024, 768)),
        ("flux-klein", (40, 30), (336, 256)),
    ],
)
def test_every_model_delivers_a_picture_of_its_working_size(
    workers_ai, workers_ai_api, bucket, alias, size, made
):
    """The stand-in checks fields, ranges and sizes as the provider does."""
    job, item = job_for(bucket, alias, size=size)
    outcome = workers_ai.predict(job, item, seconds_max=25)
    assert (outcome.output.width, outcome.output.height) == made
    assert size_of(bucket.get(item.target)) == made
    assert len(workers_ai_api.calls("POST")) == 1


FAULTS = {
    **{
        str(code): ("code", {"code": code}, raised)
        for raised, codes in {
            errors.ProviderExhausted: (3036, 4006),
            errors.ProviderThrottled: (3040,),
            errors.ProviderForbidden: (10000, 3023, 3041, 5016, 5018),
            errors.PromptRefused: (3030,),
            errors.ProviderRejected: (3003, 3006, 3042, 5004, 5005, 5006, 5007, 5019, 7003),
            errors.ProviderUnavailable: (3007, 3008),
        }.items()
        for code in codes
    },
    "500": ("html", {"status": 500}, errors.ProviderUnavailable),
    "502": ("html", {"status": 502}, errors.ProviderUnavailable),
    "reset": ("reset", {}, errors.ProviderUnavailable),
    "reset after": ("reset_after", {}, errors.ProviderUnavailable),
    "no success": ("success_false", {}, errors.ProviderThrottled),
    "no image": ("no_image", {}, errors.ProviderOutputInvalid),
    "bad base64": ("bad_base64", {}, errors.ProviderOutputInvalid),
    "truncated": ("truncated_image", {}, errors.ProviderOutputInvalid),
    "black": ("black", {}, errors.ProviderOutputInvalid),
    "tiny": ("tiny", {}, errors.ProviderOutputInvalid),
    "page": ("wrong_type", {}, errors.ProviderOutputInvalid),
    "list": ("json_error_list", {"code": 9999}, errors.ProviderUnavailable),
}


@pytest.mark.parametrize("alias", ["sd15", "flux-klein"])
@pytest.mark.parametrize(("fault", "more", "raised"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_our_error_after_one_call(workers_ai, workers_ai_api, bucket, alias, fault, more, raised):
    """Nothing is stored, nothing of the provider's words is shown."""
    workers_ai_api.script("run", fault, **more)
    job, item = job_for(bucket, alias)
    with pytest.raises(errors.EnhancerError) as failed:
        workers_ai.start(job, item)
    assert type(failed.value) is raised
    assert set(failed.value.details) <= {"provider", "model"}
    assert (len(workers_ai_api.calls("POST")), item.target in bucket.stored) == (1, False)


@pytest.mark.parametrize("fault", ["hang", "hang_mid_body"])
def test_a_provider_that_hangs_runs_out_of_time(workers_ai, workers_ai_api, bucket, fault):
    """Nothing goes on without us."""
    workers_ai_api.script("run", fault, seconds=20)
    job, item = job_for(bucket, "sd15")
    with pytest.raises(OutOfTime):
        workers_ai.predict(job, item, seconds_max=3.1)
    assert len(workers_ai_api.calls("POST")) == 1


def test_a_redirect_gets_no_token(workers_ai, workers_ai_api, bucket):
    """It is not followed: one call in all."""
    elsewhere = {"Location": f"{workers_ai_api.url}/elsewhere"}
    workers_ai_api.script("run", "status", status=307, headers=elsewhere)
    job, item = job_for(bucket, "sd15")
    with pytest.raises(errors.ProviderUnavailable):
        workers_ai.start(job, item)
    assert len(workers_ai_api.calls("POST")) == 1
    assert workers_ai_api.calls("GET", "/elsewhere") == []
