"""What a run costs us, unit by unit, in whole micros, never too little."""

import re

import pytest

from enhancer.domain import costs
from enhancer.domain.costs import PRICES, cost, estimated, lambda_cost
from enhancer.domain.models import CATALOGUE, model_named

ESRGAN, TOPAZ, NANO = "nightmareai/real-esrgan", "topazlabs/image-upscale", "google/nano-banana"
GFPGAN, SD15, FLUX = (model_named(name).slug for name in ("gfpgan", "sd15", "flux-klein"))


@pytest.mark.parametrize("slug", [ESRGAN, GFPGAN])
@pytest.mark.parametrize(
    ("seconds", "micros"),
    [(0.0, 0), (1.0, 225), (1.8, 405), (10.0, 2250), (0.001, 1), (2.0001, 451), (600.0, 135_000)],
)
def test_active_seconds_are_charged_and_rounded_up(slug, seconds, micros):
    """A started micro is a whole one."""
    assert cost(slug, seconds=seconds, output_size=(100, 100)) == micros


@pytest.mark.parametrize("slug", [ESRGAN, GFPGAN])
def test_seconds_that_nobody_counted_are_the_estimate(slug):
    """Unknown is not free."""
    assert cost(slug, seconds=None) == estimated(slug) == 2300


@pytest.mark.parametrize(("size", "micros"), [((1024, 1024), 39_000), ((1, 1), 39_000), ((0, 0), 0)])
def test_a_price_per_picture_is_due_when_there_is_one(size, micros):
    """Whatever its size."""
    assert cost(NANO, output_size=size) == micros


@pytest.mark.parametrize(
    ("size", "micros"),
    [
        ((0, 0), 0), ((1, 1), 50_000), ((4000, 3000), 50_000), ((4000, 3001), 80_000), ((6000, 4000), 80_000),
        ((6000, 4001), 160_000), ((20_000, 20_000), 160_000),
    ],
)  # fmt: skip
def test_a_price_by_megapixels_steps_up_exactly_beyond_each_limit(size, micros):
    """12 and 24 megapixels still belong to the lower price."""
    assert cost(TOPAZ, output_size=size) == micros


@pytest.mark.parametrize(
    ("sent", "received", "micros"),
    [
        ((512, 512), (512, 512), 346), ((1024, 1024), (1024, 1024), 1384), ((513, 512), (512, 512), 405),
        ((1, 1), (513, 513), 1207), ((512, 512), (0, 0), 59), ((0, 0), (0, 0), 0),
    ],
)  # fmt: skip
def test_started_tiles_are_whole_ones_on_the_way_in_and_out(sent, received, micros):
    """59 for each of the input's, 287 for each of the output's."""
    assert cost(FLUX, input_size=sent, output_size=received) == micros


def test_a_free_model_is_free():
    """Whatever it did."""
    assert cost(SD15, seconds=99.0, input_size=(768, 768), output_size=(768, 768)) == 0
    assert estimated(SD15) == 0


@pytest.mark.parametrize("slug", ["local/real-esrgan", "nobody/knows-it", ""])
def test_what_no_provider_runs_costs_nothing_there(slug):
    """The embedded model is counted by its function, and no cap stops it."""
    assert (cost(slug, seconds=9.0, output_size=(99, 99)), estimated(slug)) == (0, 0)


@pytest.mark.parametrize(
    "model", [one for one in CATALOGUE if one.provider != "embedded"], ids=lambda m: m.alias
)
def test_every_hosted_model_has_a_price_under_its_own_name(model):
    """Pinned versions included: a new model without a line here would look free."""
    assert costs._price(model.slug) is not None
    assert estimated(model.slug) == costs._price(model.slug).estimate


def test_no_price_is_for_a_model_that_is_gone():
    """The file has no dead lines."""
    used = [costs._price(model.slug) for model in CATALOGUE]
    assert all(any(price is one for one in used) for price in PRICES.values())


@pytest.mark.parametrize(
    ("seconds", "memory", "micros"),
    [(0.0, 3008, 0), (1.0, 1024, 17), (1.0, 2048, 34), (0.5, 1024, 9), (10.0, 1769, 288), (0.001, 128, 1)],
)
def test_our_own_function_costs_time_and_memory_rounded_up(seconds, memory, micros):
    """0.0000166667 dollars for each gigabyte and second."""
    assert lambda_cost(seconds=seconds, memory_mb=memory) == micros


def test_the_price_file_is_dated_and_every_line_has_a_source():
    """Who reads it knows how old it is."""
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", costs.DATED)
    assert costs.DATED in (costs.__doc__ or "")
    for provider in ("Replicate", "Workers AI", "AWS Lambda"):
        assert provider in (costs.__doc__ or "")


def test_the_default_cap_is_some_hundred_runs_of_the_dearest_model():
    """Neither nothing nor a fortune: 20 dollars."""
    dearest = max(price.estimate for price in PRICES.values())
    assert costs.SPEND_CAP_MICROS == 20_000_000
    assert costs.SPEND_CAP_MICROS // dearest == 400
