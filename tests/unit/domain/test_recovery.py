"""What follows a failed try: every class of problem, every number of tries, every fallback."""

import itertools

import pytest

from enhancer.domain import errors
from enhancer.domain.entitlement import JOB_MEGAPIXELS_MAX, check_model
from enhancer.domain.models import CATALOGUE, Params, model_named
from enhancer.domain.pricing import price
from enhancer.domain.recovery import (
    BACKOFF_SECONDS,
    PATIENCE_SECONDS,
    TRIES,
    TURNS_TRIES,
    Again,
    Instead,
    after,
)

ESRGAN, LOCAL, NANO = model_named("real-esrgan"), model_named("local"), model_named("nano-banana")
FLUX, SD15, GFPGAN, TOPAZ = (model_named(name) for name in ("flux-klein", "sd15", "gfpgan", "topaz"))
PROVIDER = [leaf for leaf in errors.leaves(errors.ProviderError) if leaf is not errors.JobExpired]
ONCE = [leaf for leaf in PROVIDER if leaf not in TRIES]
HOPELESS = [leaf for leaf in errors.leaves() if leaf not in PROVIDER]
LIMIT = JOB_MEGAPIXELS_MAX["standard"]


def name(leaf):
    return leaf.__name__


def made(leaf, **details):
    waits = issubclass(leaf, errors.LimitReached | errors.RunsPaused)
    limit = {"retry_after_seconds": 1} if waits else {}
    return leaf(**limit, **details)


def following(problem, model=ESRGAN, params=None, *, tries=1, megapixels=0.5, off=(), chance=0.0):
    """What comes after a problem, with everything switched on but ``off``."""
    found = params or Params(2 if model.scales else 0, prompt="x" if model.prompt else None)
    return after(
        problem, model=model, params=found, tries=tries, megapixels=megapixels,
        enabled=lambda asked: asked.alias not in off, chance=chance,
    )  # fmt: skip


@pytest.mark.parametrize("leaf", HOPELESS, ids=name)
def test_what_is_not_the_providers_fault_is_given_up(leaf):
    """Wrong input, a refused token, a cancel or our own bug: no other try and no other model would help."""
    assert following(made(leaf)) is None


@pytest.mark.parametrize("leaf", PROVIDER, ids=name)
@pytest.mark.parametrize("tries", [1, 2, 3, 4])
def test_a_model_is_tried_as_often_as_the_table_says_and_then_replaced(leaf, tries):
    """Throttled and unavailable three times, a useless picture twice, everything else once; then the fallback."""
    found = following(leaf(), tries=tries)
    expected = Again(0.0) if tries < TRIES.get(leaf, 1) else Instead(LOCAL, Params(2))
    assert found == expected


@pytest.mark.parametrize("leaf", PROVIDER, ids=name)
def test_a_model_without_a_fallback_gives_up_after_its_tries(leaf):
    """Nothing comes after the last try of the model that has none."""
    assert following(leaf(), LOCAL, tries=TRIES.get(leaf, 1)) is None


@pytest.mark.parametrize("leaf", TRIES, ids=name)
@pytest.mark.parametrize("tries", [1, 2])
@pytest.mark.parametrize("chance", [0.0, 0.25, 1.0])
def test_waits_double_and_are_spread_from_zero(leaf, tries, chance):
    """Full jitter: between nothing and two seconds, then between nothing and four."""
    found = following(leaf(), tries=tries, chance=chance)
    most = BACKOFF_SECONDS * 2 ** (tries - 1)
    expected = Again(most * chance) if tries < TRIES[leaf] else Instead(LOCAL, Params(2))
    assert found == expected


@pytest.mark.parametrize("asked", [0.0, 1.0, 7.5, PATIENCE_SECONDS])
def test_a_wait_that_was_asked_for_is_kept(asked):
    """Never earlier than the provider said."""
    assert following(errors.ProviderThrottled(retry_after=asked)) == Again(asked)


@pytest.mark.parametrize("tries", range(1, TURNS_TRIES + 2))
@pytest.mark.parametrize(("model", "end"), [(ESRGAN, Instead(LOCAL, Params(2))), (GFPGAN, None)])
def test_a_provider_that_lets_few_through_is_waited_for_but_not_for_ever(tries, model, end):
    """Six tries where it says when; then the fallback, or the end."""
    found = following(errors.ProviderThrottled(retry_after=10.0), model, tries=tries)
    assert found == (Again(10.0) if tries < TURNS_TRIES else end)
    assert following(errors.ProviderUnavailable(retry_after=10.0), model, tries=3) == end


def test_callers_who_were_told_the_same_wait_do_not_come_back_together():
    """A little more than was asked for, differently for each."""
    assert following(errors.ProviderThrottled(retry_after=5.0), chance=0.5) == Again(5.5)


@pytest.mark.parametrize("asked", [PATIENCE_SECONDS + 0.001, 60.0, 86_400.0])
def test_a_provider_that_asks_for_too_much_patience_counts_as_down(asked):
    """Beyond half a minute the fallback runs at once."""
    assert following(errors.ProviderThrottled(retry_after=asked)) == Instead(LOCAL, Params(2))


def test_too_much_patience_without_a_fallback_is_the_end():
    """Nobody waits for minutes."""
    assert following(errors.ProviderThrottled(retry_after=60.0), GFPGAN) is None


def test_a_model_that_was_switched_off_meanwhile_is_not_tried_again():
    """The operator's switch is felt between two tries."""
    assert following(errors.ProviderThrottled(), off=["real-esrgan"]) == Instead(LOCAL, Params(2))


def test_a_chain_is_gone_down_past_what_is_switched_off():
    """Nano Banana, FLUX, Stable Diffusion: the first one that is on."""
    found = following(errors.ProviderFailed(), NANO, Params(0, prompt="x"), off=["flux-klein"])
    assert found == Instead(SD15, Params(0, prompt="x"))


@pytest.mark.parametrize(
    ("model", "off"), [(ESRGAN, ["local"]), (NANO, ["flux-klein", "sd15"]), (FLUX, ["sd15"])],
    ids=["real-esrgan", "nano-banana", "flux-klein"],
)  # fmt: skip
def test_a_chain_that_is_switched_off_whole_is_the_end(model, off):
    """The last try's error is what remains."""
    assert following(errors.ProviderFailed(), model, off=off) is None


@pytest.mark.parametrize(
    ("scale", "megapixels", "fits"),
    [
        (2, 2.0, True),
        (8, LIMIT / 5, True),
        (8, LIMIT / 5 + 0.001, False),
        (2, LIMIT, True),
        (2, LIMIT + 0.001, False),
    ],
)
def test_the_built_in_model_steps_in_only_for_what_it_finishes(scale, megapixels, fits):
    """A picture too big for a whole job of ours is not begun."""
    found = following(errors.ProviderFailed(), ESRGAN, Params(scale), megapixels=megapixels)
    assert (found == Instead(LOCAL, Params(scale))) is fits
    assert (found is None) is not fits


def test_a_face_is_left_out_where_the_fallback_cannot_do_it():
    """What is not done is not asked for, so it is not charged."""
    found = following(errors.ProviderFailed(), ESRGAN, Params(4, face=True, output_format="webp"))
    assert found == Instead(LOCAL, Params(4, face=False, output_format="webp"))


def test_a_model_with_a_fixed_factor_is_replaced_at_that_scale():
    """Topaz doubles, so the built-in model doubles."""
    assert following(errors.ProviderFailed(), TOPAZ, Params(0)) == Instead(LOCAL, Params(2))


def test_options_of_an_edit_are_kept_only_where_they_exist():
    """The prompt goes along; what only the first model knows does not."""
    params = Params(0, prompt="a castle", negative_prompt="blur", strength=0.4, guidance=7.0, steps=9)
    assert following(errors.ProviderFailed(), FLUX, params) == Instead(SD15, params)
    assert following(errors.ProviderFailed(), NANO, params) == Instead(FLUX, Params(0, prompt="a castle"))


def every_order():
    """Every model with every combination of parameters that may be ordered of it."""
    for model in CATALOGUE:
        scales = model.scales or (0,)
        faces, prompts = (False, True)[: 1 + model.face], ("x",) if model.prompt else (None,)
        for scale, face, quality, prompt in itertools.product(scales, faces, model.qualities, prompts):
            yield model, Params(scale, face=face, quality=quality, prompt=prompt)


def test_every_order_there_is_is_looked_at_here():
    """Four scales, four in two qualities, four scales with and without faces, and five models without a choice."""
    orders = {(model.alias, params) for model, params in every_order()}
    assert len(orders) == len(list(every_order())) == 4 + 8 + 8 + 5


@pytest.mark.parametrize(
    ("model", "params"), list(every_order()), ids=lambda found: getattr(found, "alias", None)
)
@pytest.mark.parametrize("off", [(), ("flux-klein",)])
def test_no_fallback_costs_more_than_was_held_or_is_asked_for_what_it_cannot_do(model, params, off):
    """All the way down the chain: the price never goes up, and the translated order is one that is accepted."""
    held = price(model, scale=params.scale, face=params.face, quality=params.quality)
    while found := following(errors.ProviderFailed(), model, params, off=off):
        model, params = found.model, found.params
        assert check_model(model, params) is None
        assert params.scale in (model.scales or (0,))
        now = price(model, scale=params.scale, face=params.face, quality=params.quality)
        assert now <= held
        held = now
    assert model.fallback is None
