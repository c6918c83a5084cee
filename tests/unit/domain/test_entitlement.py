"""What models can do and what plans include, refused before anything is held."""

from contextlib import nullcontext

import pytest

from enhancer.domain.entitlement import (
    SYNC_MEGAPIXELS_MAX,
    check_input,
    check_job,
    check_model,
    check_plan,
    check_size,
    check_sync,
    resolve_scale,
)
from enhancer.domain.errors import (
    NeedsJob,
    OptionNotSupported,
    OutputTooLarge,
    PlanRequired,
    PromptRequired,
    ScaleNotSupported,
    TooManyPixels,
    TooMuchWork,
)
from enhancer.domain.images import ImageInfo
from enhancer.domain.models import Params, model_named
from enhancer.domain.plans import PLANS

LOCAL = model_named("local")
UPSCALERS, KEEPERS = ("local", "real-esrgan"), ("gfpgan", "topaz", "nano-banana", "sd15", "flux-klein")


@pytest.mark.parametrize("alias", UPSCALERS)
def test_an_omitted_scale_means_two(alias):
    """The provider's own default is never used."""
    assert resolve_scale(model_named(alias), None) == 2


@pytest.mark.parametrize("alias", KEEPERS)
def test_a_model_that_keeps_the_size_has_scale_zero(alias):
    """Without scales there is nothing to resolve."""
    assert resolve_scale(model_named(alias), None) == 0


@pytest.mark.parametrize("alias", KEEPERS)
def test_a_scale_for_a_model_that_keeps_the_size_is_refused(alias):
    """A wish that would be ignored is refused instead."""
    with pytest.raises(ScaleNotSupported) as refused:
        resolve_scale(model_named(alias), 2)
    assert refused.value.details == {"scale": 2, "allowed": []}


@pytest.mark.parametrize("scale", [-2, 0, 1, 3, 5, 7, 9, 16])
def test_a_scale_nobody_offers_is_refused_with_what_there_is(scale):
    """Only 2, 4, 6 and 8 exist; zero is no way to say "default"."""
    with pytest.raises(ScaleNotSupported) as refused:
        resolve_scale(model_named("local"), scale)
    assert refused.value.details == {"scale": scale, "allowed": [2, 4, 6, 8]}


@pytest.mark.parametrize(
    ("alias", "params", "option"),
    [
        ("local", Params(2, face=True), "face_enhance"),
        ("gfpgan", Params(0, face=True), "face_enhance"),
        ("real-esrgan", Params(2, quality="pro"), "quality=pro"),
        ("local", Params(2, prompt="x"), "prompt"),
        ("local", Params(2, negative_prompt="x"), "negative_prompt"),
        ("local", Params(2, strength=0.0), "strength"),
        ("topaz", Params(0, guidance=1.0), "guidance"),
        ("real-esrgan", Params(2, steps=1), "steps"),
        ("flux-klein", Params(0, prompt="x", strength=0.0), "strength"),
        ("flux-klein", Params(0, prompt="x", negative_prompt="y"), "negative_prompt"),
        ("nano-banana", Params(0, prompt="x", guidance=1.0), "guidance"),
        ("nano-banana", Params(0, prompt="x", steps=1), "steps"),
    ],
)
def test_an_option_the_model_lacks_is_refused_by_name(alias, params, option):
    """Nothing that was asked for is silently ignored, zero included."""
    with pytest.raises(OptionNotSupported) as refused:
        check_model(model_named(alias), params)
    assert refused.value.details == {"option": option, "model": alias}


@pytest.mark.parametrize("alias", ["nano-banana", "flux-klein"])
def test_an_edit_without_a_prompt_is_refused(alias):
    """A model that edits by prompt needs one."""
    with pytest.raises(PromptRequired):
        check_model(model_named(alias), Params(0))


@pytest.mark.parametrize(
    ("alias", "params"),
    [
        ("sd15", Params(0)),
        ("sd15", Params(0, prompt="x", negative_prompt="y", strength=1.0, guidance=12.0, steps=20)),
        ("nano-banana", Params(0, prompt="x")),
        ("real-esrgan", Params(8, face=True)),
        ("restore", Params(8, quality="pro")),
    ],
)
def test_what_the_model_can_do_passes(alias, params):
    """Every offered combination is let through; the restoration model has a prompt of its own."""
    assert check_model(model_named(alias), params) is None


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("scale", [0, 2, 4, 6, 8])
def test_a_scale_passes_exactly_up_to_the_plans_maximum(plan, scale):
    """Beyond it the refusal names the first plan that has it."""
    if scale <= PLANS[plan].scale_max:
        assert check_plan(PLANS[plan], Params(scale)) is None
        return
    with pytest.raises(PlanRequired) as refused:
        check_plan(PLANS[plan], Params(scale))
    needed = {4: "pro", 6: "premium", 8: "enterprise"}[scale]
    assert refused.value.details == {"feature": f"scale {scale}", "plan": plan, "requiredPlan": needed}


@pytest.mark.parametrize("plan", ["guest", "free"])
def test_faces_need_a_paying_plan(plan):
    """The refusal names it."""
    with pytest.raises(PlanRequired) as refused:
        check_plan(PLANS[plan], Params(2, face=True))
    assert refused.value.details == {"feature": "face_enhance", "plan": plan, "requiredPlan": "pro"}


@pytest.mark.parametrize("plan", ["pro", "premium", "team", "enterprise"])
def test_paying_plans_include_faces(plan):
    """What was paid for is there."""
    assert check_plan(PLANS[plan], Params(2, face=True)) is None


@pytest.mark.parametrize(
    ("width", "scale", "file_format", "fits"),
    [(8191, 2, "webp", True), (8192, 2, "webp", False), (16375, 4, "jpeg", True), (16376, 4, "jpeg", False)],
)
def test_a_result_must_fit_into_its_format(width, scale, file_format, fits):
    """The side after enlarging counts, exactly to the format's limit."""
    image = ImageInfo("png", width, 10, alpha=False, digest="d")
    if fits:
        assert check_size(LOCAL, image, Params(scale), file_format) is None
    else:
        with pytest.raises(OutputTooLarge) as refused:
            check_size(LOCAL, image, Params(scale), file_format)
        assert refused.value.details["width"] == width * scale


def test_a_model_that_keeps_the_size_is_checked_at_that_size():
    """Scale 0 means once the size, not none of it."""
    image = ImageInfo("png", 16_384, 10, alpha=False, digest="d")
    with pytest.raises(OutputTooLarge):
        check_size(model_named("nano-banana"), image, Params(0), "webp")


@pytest.mark.parametrize("alias", ["topaz", "gfpgan"])
def test_a_model_that_enlarges_by_itself_is_checked_at_its_own_factor(alias):
    """Its result would be made, and paid for by us, before it turned out not to fit."""
    for width, fits in ((8191, True), (8192, False)):
        image = ImageInfo("png", width, 10, alpha=False, digest="d")
        with nullcontext() if fits else pytest.raises(OutputTooLarge):
            check_size(model_named(alias), image, Params(0), "webp")


@pytest.mark.parametrize("quality", ["standard", "pro"])
@pytest.mark.parametrize(("scale", "factor"), [(2, 1), (4, 1), (6, 5), (8, 5)])
def test_work_beyond_one_request_is_refused_at_the_exact_limit(quality, scale, factor):
    """Two passes count five times the input; at the limit it runs, a pixel above it does not."""
    limit = SYNC_MEGAPIXELS_MAX[quality] / factor
    local, params = model_named("local"), Params(scale, quality=quality)
    assert check_sync(local, limit, params) is None
    with pytest.raises(NeedsJob) as refused:
        check_sync(local, limit + 1e-6, params)
    assert refused.value.details["limit"] == round(limit, 3)


def test_a_model_that_runs_elsewhere_has_no_such_limit():
    """Only our own function's time is bounded by the request."""
    assert check_sync(model_named("real-esrgan"), 1000.0, Params(8)) is None


@pytest.mark.parametrize(
    ("alias", "scale", "limit"),
    [
        ("real-esrgan", 2, 2.0), ("real-esrgan", 4, 2.0), ("real-esrgan", 6, 64 / 36), ("real-esrgan", 8, 1.0),
        ("gfpgan", 0, 4.0), ("topaz", 0, 3.0), ("nano-banana", 0, 64.0), ("sd15", 0, 64.0), ("flux-klein", 0, 64.0),
    ],
)  # fmt: skip
def test_a_hosted_model_takes_pictures_exactly_up_to_its_own_limit(alias, scale, limit):
    """Its provider's memory or dearer price, or a result that we could not hold; the refusal names the model."""
    model = model_named(alias)
    assert check_input(model, limit, Params(scale)) is None
    with pytest.raises(TooManyPixels) as refused:
        check_input(model, limit + 0.001, Params(scale))
    assert refused.value.details == {"megapixels": round(limit, 1), "limit": limit, "model": alias}


def test_a_size_that_is_not_known_yet_passes():
    """It is looked at again once it is."""
    assert check_input(model_named("real-esrgan"), 0.0, Params(8)) is None


def test_the_embedded_model_has_limits_of_work_and_not_of_pixels():
    """A picture that is too much for a request may be a job's."""
    assert check_input(model_named("local"), 48.0, Params(2)) is None
    assert check_job(model_named("local"), 48.0, Params(2)) is None
    with pytest.raises(TooMuchWork):
        check_job(model_named("local"), 48.1, Params(2))
