"""The models and what they can do, cell by cell."""

import pytest

from enhancer.domain.errors import UnknownModel
from enhancer.domain.models import CATALOGUE, DEFAULT_MODEL, DEFAULT_SCALE, model_named

ESRGAN, ALL = "nightmareai/real-esrgan", (2, 4, 6, 8)
GFPGAN = "tencentarc/gfpgan:0fbacf7afc6c144e5be9767cff80f25aff23e52b0708f17e20f9879b2f21516c"
COLUMNS = ("slug", "alias", "provider", "kind", "scales", "face", "prompt", "base_tenths")
ROWS = [
    ("local/real-esrgan", "local", "embedded", "upscale", ALL, False, False, 10),
    (ESRGAN, "real-esrgan", "replicate", "upscale", ALL, True, False, 10),
    (GFPGAN, "gfpgan", "replicate", "restore", (), False, False, 10),
    ("topazlabs/image-upscale", "topaz", "replicate", "restore", (), False, False, 10),
    ("google/nano-banana", "nano-banana", "replicate", "edit", (), False, True, 100),
    ("@cf/runwayml/stable-diffusion-v1-5-img2img", "sd15", "workers_ai", "edit", (), False, True, 10),
    ("@cf/black-forest-labs/flux-2-klein-4b", "flux-klein", "workers_ai", "edit", (), False, True, 12),
]
PINS = [
    "42fed1c4974146d4d2414e2be2c5277c7fcf05fcc3a73abf41610695738c1d7b",
    "f0992969a94014d73864d08e6d9a39286868328e4263d9ce2da6fc4049d01a1a",
]
CELLS = [(row[0], column, value) for row in ROWS for column, value in zip(COLUMNS, row, strict=True)]


@pytest.mark.parametrize(("slug", "column", "value"), CELLS)
def test_every_cell_of_the_catalogue_is_as_promised(slug, column, value):
    """Each ability of each model is the one that was promised."""
    assert getattr(model_named(slug), column) == value


def test_there_are_these_models_and_no_others():
    """The catalogue is complete."""
    assert [model.slug for model in CATALOGUE] == [row[0] for row in ROWS]


@pytest.mark.parametrize(("alias", "slug"), [(row[1], row[0]) for row in ROWS])
def test_an_alias_means_its_model(alias, slug):
    """Every model answers to its short name."""
    assert model_named(alias).slug == slug


@pytest.mark.parametrize("pin", PINS)
def test_a_pinned_version_means_its_model(pin):
    """Both pinned versions of the upscaler are accepted."""
    assert model_named(f"{ESRGAN}:{pin}").slug == ESRGAN


@pytest.mark.parametrize("name", ["", "LOCAL", "local ", f"{ESRGAN}:0000", "real_esrgan", "gfpgan:latest"])
def test_an_unknown_model_is_refused_with_what_there_is(name):
    """A name that is merely similar is refused; the answer lists the aliases."""
    with pytest.raises(UnknownModel) as refused:
        model_named(name)
    assert refused.value.details == {"model": name, "allowed": [row[1] for row in ROWS]}


def test_a_long_unknown_name_is_cut_in_the_answer():
    """What a stranger sends is not sent back at length."""
    with pytest.raises(UnknownModel) as refused:
        model_named("x" * 10_000)
    assert len(refused.value.details["model"]) == 200


def test_no_name_means_two_models():
    """Slugs, aliases and pins are all different."""
    names = [name for model in CATALOGUE for name in (model.slug, model.alias, *model.pins)]
    assert len(names) == len(set(names))


def test_the_defaults_are_the_built_in_model_and_twice_the_size():
    """Without a key and without a wish: our own model, scale 2."""
    assert (DEFAULT_MODEL, DEFAULT_SCALE) == ("local/real-esrgan", 2)
    assert model_named(DEFAULT_MODEL).provider == "embedded"


def test_only_the_built_in_model_has_the_pro_quality():
    """Other models have one quality."""
    assert [model.alias for model in CATALOGUE if "pro" in model.qualities] == ["local"]
