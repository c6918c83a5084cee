"""The models and what they can do, cell by cell."""

import pytest

from enhancer.domain.errors import UnknownModel
from enhancer.domain.models import (
    CATALOGUE,
    DEFAULT_MODEL,
    DEFAULT_SCALE,
    DEFAULT_STRENGTH,
    default_model,
    filled,
    model_named,
)

VALUES = dict.fromkeys(
    ("image", "scale", "face", "prompt", "negative_prompt", "width", "height", "strength", "guidance", "steps"), 1
)  # fmt: skip

ESRGAN, ALL = "nightmareai/real-esrgan", (2, 4, 6, 8)
GFPGAN = "tencentarc/gfpgan:0fbacf7afc6c144e5be9767cff80f25aff23e52b0708f17e20f9879b2f21516c"
COLUMNS = ("slug", "alias", "provider", "kind", "scales", "face", "prompt", "base_tenths", "factor", "fallback",
           "input_megapixels_max", "work_side_max", "multipart")  # fmt: skip
ROWS = [
    ("local/photo", "local", "embedded", "upscale", ALL, False, False, 10, 1, None, None, None, False),
    ("local/real-esrgan", "restore", "embedded", "upscale", ALL, False, False, 10, 1, None, None, None, False),
    (ESRGAN, "real-esrgan", "replicate", "upscale", ALL, True, False, 10, 1, "local", 2.0, None, False),
    (GFPGAN, "gfpgan", "replicate", "restore", (), False, False, 10, 2, None, 4.0, None, False),
    ("topazlabs/image-upscale", "topaz", "replicate", "upscale", (), False, False, 50, 2, "local", 3.0, None, False),
    ("google/nano-banana", "nano-banana", "replicate", "edit", (), False, True, 100, 1, "flux-klein", None, None,
     False),
    ("@cf/runwayml/stable-diffusion-v1-5-img2img", "sd15", "workers_ai", "edit", (), False, True, 10, 1, None, None,
     504, False),
    ("@cf/black-forest-labs/flux-2-klein-4b", "flux-klein", "workers_ai", "edit", (), False, True, 12, 1, "sd15",
     None, 1024, True),
]  # fmt: skip
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
    assert (DEFAULT_MODEL, DEFAULT_SCALE) == ("local/photo", 2)
    assert model_named(DEFAULT_MODEL).provider == "embedded"
    assert [default_model(quality) for quality in ("standard", "pro", "x")] == [
        "local/photo", "local/real-esrgan", "local/photo",
    ]  # fmt: skip


def test_only_one_built_in_model_has_the_pro_quality():
    """Other models have one quality."""
    assert [model.alias for model in CATALOGUE if "pro" in model.qualities] == ["restore"]


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.alias)
def test_a_fallback_is_a_known_model_of_the_same_kind_at_most_as_dear(model):
    """Whoever asked for a larger picture gets a larger picture, and no chain goes round in a circle."""
    seen = [model]
    while seen[-1].fallback:
        seen.append(model_named(seen[-1].fallback))
        assert seen[-1].kind == model.kind
        assert seen[-1].base_tenths <= model.base_tenths
        assert len(seen) <= len(CATALOGUE)


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.alias)
def test_an_input_can_always_be_filled_in(model):
    """Every name in a template is one that the adapters know; only the model of our own has none."""
    assert bool(filled(model.input, VALUES)) is (model.provider != "embedded")


def test_a_template_is_filled_by_name_and_what_is_missing_is_left_out():
    """Fixed values stay, lists are filled inside, None leaves its field out, and false is a value."""
    template = {
        "image": "$image",
        "list": ["$image"],
        "face": "$face",
        "seed": "$seed",
        "fixed": "2x",
        "n": 2,
    }
    found = filled(template, {"image": "https://x", "face": False, "seed": None})
    assert found == {"image": "https://x", "list": ["https://x"], "face": False, "fixed": "2x", "n": 2}
    assert template["list"] == ["$image"]


def test_a_name_that_nobody_fills_in_is_a_bug():
    """It is never sent as it is written."""
    with pytest.raises(KeyError):
        filled({"image": "$imgae"}, {"image": "x"})


def test_what_a_stranger_wrote_is_never_a_name():
    """Values are put in once: a prompt that looks like a name stays a prompt."""
    assert filled({"prompt": "$prompt"}, {"prompt": "$image", "image": "x"}) == {"prompt": "$image"}


def test_the_upscaler_is_always_told_its_scale_and_its_face():
    """The provider's defaults are 4 and off; ours are sent."""
    sent = filled(model_named("real-esrgan").input, VALUES | {"scale": 2, "face": False})
    assert (sent["scale"], sent["face_enhance"]) == (2, False)


def test_the_restorers_picture_is_called_img():
    """The one model with another field name."""
    sent = filled(model_named("gfpgan").input, VALUES | {"image": "u"})
    assert (sent["img"], "image" in sent) == ("u", False)


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.alias)
def test_only_the_edit_with_options_has_options_and_a_prompt_of_its_own(model):
    """Four further parameters and a default prompt, for one model."""
    is_sd15 = model.alias == "sd15"
    expected = ("negative_prompt", "strength", "guidance", "steps") if is_sd15 else ()
    assert (model.options, model.prompt_default is not None) == (expected, is_sd15)


@pytest.mark.parametrize("alias", ["real-esrgan", "gfpgan"])
def test_a_community_model_is_run_in_a_pinned_version(alias):
    """What its author changes tomorrow is not what we run."""
    model = model_named(alias)
    assert len(model.version) == 64
    assert any(name.endswith(f":{model.version}") for name in (model.slug, *model.pins))


def test_an_edit_keeps_most_of_the_picture_unless_told_otherwise():
    """The provider's default would ignore it."""
    assert 0 < DEFAULT_STRENGTH < 0.5
