"""Every kind of model on the page: chosen, told what to do, replaced by another, and in trouble."""

from __future__ import annotations

import re

import pytest

from tests.e2e.browser import Open, photo
from tests.e2e.page_jobs import a_job, focused, list_jobs
from tests.e2e.page_models import (
    BANANA,
    CATALOGUE,
    DEFAULT_PROMPT,
    ESRGAN,
    GFPGAN,
    KLEIN,
    LOCAL,
    SD15,
    TOPAZ,
    make,
    offer,
    pick,
)
from tests.e2e.test_page import refuse

pytestmark = pytest.mark.browser
HOSTED = (ESRGAN, GFPGAN, TOPAZ, BANANA, SD15, KLEIN)
CHOSEN = "#models [aria-checked=true]"
LAID_OUT = "() => document.querySelector('#stage .compare .frame').offsetWidth > 0"
FITTED = """() => { const image = document.querySelector('#stage .before img');
    return [getComputedStyle(image).objectFit, image.offsetWidth === image.closest('.frame').offsetWidth]; }"""


def ready(visit: Open, path="/en/", **options):
    """The page with all models and a photo, without motion."""
    seen = visit("", reduced_motion="reduce")
    offer(seen.page, path, **options)
    seen.choose(photo(tint=400))
    return seen


@pytest.mark.parametrize(
    ("slug", "shown", "hidden"),
    [
        (ESRGAN, ["scale", "face"], ["prompt", "quality"]),
        (TOPAZ, [], ["scale", "face", "prompt", "quality"]),
        (GFPGAN, [], ["scale", "face", "prompt", "quality"]),
        (BANANA, ["prompt"], ["scale", "face", "quality"]),
        (SD15, ["prompt"], ["scale", "face", "quality"]),
        (LOCAL, ["scale", "quality"], ["face", "prompt"]),
    ],
)
def test_model_of_each_kind_is_chosen_with_its_own_settings_only_and_runs(visit: Open, slug, shown, hidden):
    """Each model shows what it can be told, and the API gets its name and nothing it does not know."""
    seen = ready(visit)
    page = seen.page
    sent = make(page)
    pick(page, slug)
    for name in shown:
        assert page.is_visible(f"#group-{name}")
    for name in hidden:
        assert page.is_hidden(f"#group-{name}")
    if slug == BANANA:
        page.fill("#prompt", "remove the fence")
    seen.enhance()
    asked = {"model": slug} | ({"prompt": "remove the fence"} if slug == BANANA else {})
    extras = {"scale": "2"} if "scale" in shown else {}
    assert sent == [asked | extras | ({"quality": "standard"} if slug == LOCAL else {})]


def test_hosted_model_of_each_kind_really_makes_a_picture(visit: Open):
    """Nothing is played here: a provider enlarges, restores and edits, and each result is compared and named."""
    seen = visit(reduced_motion="reduce")
    for kind, choice, name in (
        ("upscale", ESRGAN, "Real-ESRGAN"),
        ("restore", "", "GFPGAN"),
        ("edit", SD15, "Stable"),
    ):
        page = seen.choose(photo(320, 240, tint=410))
        page.click(f"#kinds [data-value={kind}]")
        if choice:
            page.click(f"#models [data-value='{choice}']")
        seen.enhance()
        assert name in page.inner_text("#result-rows")
        assert page.eval_on_selector("#stage .after img", "(image) => image.naturalWidth") >= 320


def test_models_are_grouped_by_what_they_do_and_chosen_with_arrow_keys(visit: Open):
    """What should happen comes first, the cheapest model of it is taken, and each says its price."""
    page = ready(visit).page
    kinds = page.locator("#kinds [role=radio]")
    assert kinds.all_inner_texts() == ["Enlarge", "Restore", "Edit"]
    page.focus("#kinds [aria-checked=true]")
    page.keyboard.press("ArrowLeft")
    assert page.get_attribute(CHOSEN, "data-value") == SD15
    assert focused(page, "dataset.value === 'edit'")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.get_attribute(CHOSEN, "data-value") == BANANA
    assert "10 credits" in page.inner_text(CHOSEN)
    page.wait_for_selector("#quote >> text=10 credits")
    pick(page, ESRGAN)
    assert "from 1 credit" in page.inner_text(CHOSEN)
    page.click("#kinds [data-value=edit]")
    assert page.get_attribute(CHOSEN, "data-value") == BANANA


def test_result_size_is_told_before_the_run_also_where_the_model_chooses_it(visit: Open):
    """Twice the size where a model doubles by itself, and the longest side of an edit that makes a photo smaller."""
    page = ready(visit).page
    for slug in (TOPAZ, GFPGAN):
        pick(page, slug)
        assert re.search(r"192\s×\s128", page.inner_text("#quote"))
    pick(page, KLEIN)
    assert page.inner_text("#enhance-why") == ""
    page.set_input_files("#file", {"name": "wide.jpg", "mimeType": "image/jpeg", "buffer": photo(1200, 400)})
    page.wait_for_selector("#enhance-why:text('at most 1,024 pixels on the long side')")
    assert page.get_attribute("#enhance", "aria-disabled") == "false"


def test_model_that_is_not_available_here_stays_visible_with_its_reason(visit: Open):
    """Locked models are named with what they do and why; kinds without any other are not offered."""
    page = ready(visit, locked=(GFPGAN, TOPAZ, BANANA)).page
    assert page.locator("#kinds [role=radio]").all_inner_texts() == ["Enlarge", "Edit"]
    page.click("#more-models summary")
    locked = page.locator("#locked-models li")
    assert locked.count() == 3
    assert "Topaz" in locked.first.inner_text()
    assert "Not available here" in locked.first.inner_text()


def test_only_the_built_in_model_leaves_nothing_to_choose(visit: Open):
    """Where no provider is switched on, one model is shown, and the others below it."""
    page = ready(visit, locked=HOSTED).page
    assert page.is_hidden("#kinds")
    assert "Built in" in page.inner_text("#models")
    assert page.inner_text("#more-models-label") == "6 more models"


def test_edit_sends_the_words_and_only_settings_that_were_changed(visit: Open):
    """Finer settings start at their usual values and travel only when moved; one button takes them back."""
    seen = ready(visit)
    page = seen.page
    sent = make(page)
    pick(page, SD15)
    assert page.get_attribute("#prompt", "placeholder") == DEFAULT_PROMPT
    assert page.is_hidden("#negative")
    page.click("#tuning summary")
    usual = [page.input_value(f"#tune-{name}") for name in ("strength", "guidance", "steps")]
    assert usual == ["0.3", "7.5", "20"]
    page.focus("#tune-strength")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#tune-strength", "aria-valuetext") == "35\u202f%"
    page.fill("#negative", "text")
    assert page.inner_text("#tuning-changed") == "2 changed"
    seen.enhance()
    assert sent[0] == {"model": SD15, "negative_prompt": "text", "strength": "0.35"}
    page.click("#change")
    page.click("#tuning-reset")
    page.fill("#prompt", "  a sepia print ")
    page.wait_for_selector("#run:not([hidden])")
    page.click("#enhance")
    page.wait_for_function("() => document.querySelector('main').dataset.state === 'done'")
    assert sent[1] == {"model": SD15, "prompt": "a sepia print"}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/en/", "Say in a sentence what should change."),
        ("/de/", "Bitte in einem Satz sagen, was sich ändern soll."),
    ],
)
def test_missing_prompt_is_asked_for_before_anything_is_sent(visit: Open, path, text):
    """An edit without words leads to the field, says what is missing, and takes it back with the first letter."""
    seen = ready(visit, path)
    page = seen.page
    sent = make(page)
    pick(page, BANANA)
    page.click("#enhance")
    page.wait_for_selector("#prompt:focus")
    assert page.inner_text("#prompt-missing") == text
    assert page.get_attribute("#prompt", "aria-invalid") == "true"
    assert sent == []
    page.keyboard.type("x" * 3)
    assert page.inner_text("#prompt-missing") == ""
    seen.enhance()
    assert sent[0]["prompt"] == "xxx"


def test_number_of_characters_left_is_told_near_the_end(visit: Open):
    """Nothing counts down before it matters, and the field takes no more than the API does."""
    page = ready(visit).page
    pick(page, KLEIN)
    page.fill("#prompt", "x" * 399)
    assert page.inner_text("#prompt-count") == ""
    page.keyboard.type("x" * 200)
    assert page.inner_text("#prompt-count") == "0 characters left"
    assert len(page.input_value("#prompt")) == 500


def test_words_of_the_reader_are_not_sent_for_a_price(visit: Open):
    """A quote depends on whether there is a prompt, not on what it says."""
    page = ready(visit).page
    asked = []
    page.on("request", lambda sent: asked.append(sent.post_data) if sent.url.endswith("/quote") else None)
    pick(page, KLEIN)
    page.fill("#prompt", "my secret wish")
    page.wait_for_selector("#quote >> text=1.2 credits")
    assert asked
    assert not [body for body in asked if "secret" in body]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/en/", "Real-ESRGAN was not available, so the built-in model made this. You paid 1 credit."),
        ("/de/", "Real-ESRGAN war nicht verfügbar, deshalb hat das eingebaute Modell das Bild gemacht."),
    ],
)
def test_model_that_ran_instead_is_named_with_what_was_paid(visit: Open, path, text):
    """A result made by another model says so, seen and heard."""
    seen = ready(visit, path)
    page = seen.page
    make(page, ran=LOCAL)
    pick(page, ESRGAN)
    seen.enhance()
    assert text in page.inner_text("#swapped")
    assert text in page.inner_text("#live")


def test_model_that_was_asked_for_is_not_excused(visit: Open):
    """Nothing is said about other models when the right one ran; the result names it."""
    seen = ready(visit)
    make(seen.page)
    pick(seen.page, ESRGAN)
    page = seen.enhance()
    assert page.is_hidden("#swapped")
    assert "Real-ESRGAN" in page.inner_text("#result-rows")


TROUBLE = [
    (503, "provider_exhausted", {"provider": "replicate"}, "used up for today"),
    (503, "provider_unavailable", {}, "not answering"),
    (504, "provider_timeout", {"seconds": 60}, "took too long"),
    (502, "provider_failed", {}, "could not do this photo"),
    (403, "provider_disabled", {"provider": "replicate"}, "not available here"),
    (403, "provider_forbidden", {"provider": "replicate"}, "does not let us in"),
    (400, "provider_rejected", {"model": "real-esrgan"}, "does not take this photo"),
    (413, "too_many_pixels", {"model": "real-esrgan", "megapixels": 3, "limit": 2}, "for this model"),
]


def test_trouble_at_a_provider_offers_the_built_in_model(visit: Open):
    """What the provider cannot do, the built-in model can: one button chooses it and leaves the start to the reader."""
    seen = ready(visit)
    seen.expected = tuple(str(status) for status, *_ in TROUBLE)
    page = seen.page
    notice = page.locator("#notice .notice")
    for status, code, details, title in TROUBLE:
        refuse(page, status, code, details=details)
        pick(page, ESRGAN)
        page.click("#enhance")
        page.wait_for_selector(f"#notice [data-code={code}]")
        assert title in notice.inner_text(), code
        notice.get_by_role("button", name="Use the built-in model").click()
        assert page.get_attribute(CHOSEN, "data-value") == LOCAL, code
        assert focused(page, "id === 'enhance'"), code
        assert notice.count() == 0, code
        page.unroute("**/api/ai-image/generate")


def test_trouble_with_an_edit_offers_to_enlarge_instead(visit: Open):
    """The built-in model does not edit, and the button does not pretend that it does."""
    seen = ready(visit, "/de/")
    seen.expected = ("503",)
    page = seen.page
    refuse(page, 503, "provider_exhausted")
    pick(page, SD15)
    page.click("#enhance")
    page.click("text=Mit dem eingebauten Modell vergrößern")
    assert page.get_attribute(CHOSEN, "data-value") == LOCAL


def test_refused_prompt_leads_back_to_the_words(visit: Open):
    """The filter's refusal keeps the text and offers to change it."""
    seen = ready(visit)
    seen.expected = ("400",)
    page = seen.page
    refuse(page, 400, "prompt_refused", kind="validation_error", details={"model": "flux-klein"})
    pick(page, KLEIN)
    page.fill("#prompt", "something rude")
    page.click("#enhance")
    page.click("#notice >> text=Change the text")
    assert focused(page, "id === 'prompt'")
    assert page.input_value("#prompt") == "something rude"


def test_photo_too_large_for_a_model_is_said_before_the_run_with_a_way_round(visit: Open):
    """The model's own limit shows with the price, and the built-in model is one click away."""
    met = {
        "type": "payload_too_large",
        "code": "too_many_pixels",
        "status": 413,
        "message": "As the API says it.",
    }
    met["details"] = {"megapixels": 2.3, "limit": 2, "model": "real-esrgan"}
    page = ready(visit, refusal=met).page
    pick(page, ESRGAN)
    page.wait_for_selector("#enhance[aria-disabled=true]")
    why = page.inner_text("#enhance-why")
    assert why == "Real-ESRGAN takes photos up to 2 megapixels; this one has 2.3."
    page.click("#enhance-way")
    page.wait_for_selector("#enhance[aria-disabled=false]")
    assert page.get_attribute(CHOSEN, "data-value") == LOCAL
    assert page.is_hidden("#enhance-way")


def test_hosted_run_tells_what_is_usual_and_counts_the_seconds(visit: Open):
    """No estimate is made up for a model that runs elsewhere."""
    page = ready(visit).page
    page.route("**/api/ai-image/generate", lambda route: None)
    pick(page, TOPAZ)
    assert "5–20 s" in page.inner_text("#quote")
    page.click("#enhance")
    page.wait_for_selector("#progress-note >> text=Usually takes 5–20 seconds.")
    assert "of about" not in page.inner_text("#progress")
    assert page.inner_text("#live") == "Started. Usually takes 5 to 20 seconds."
    page.click("#cancel")


def test_original_of_another_shape_keeps_its_own_beside_the_result(visit: Open):
    """A result rounded by its model covers the original exactly; one of another shape does not bend it."""
    seen = ready(visit)
    page = seen.page
    make(page, size=(190, 128))
    pick(page, GFPGAN)
    seen.enhance().wait_for_function(LAID_OUT)
    assert page.evaluate(FITTED) == ["fill", True]
    page.unroute("**/api/ai-image/generate")
    page.unroute("**/r2-ai/canned.png*")
    seen.choose(photo(tint=401))
    make(page, size=(128, 128))
    pick(page, SD15)
    seen.enhance().wait_for_function(LAID_OUT)
    assert page.evaluate(FITTED) == ["contain", True]
    page.keyboard.press("l")
    size = page.eval_on_selector("#stage .loupe i", "(half) => half.style.backgroundSize")
    width, height = (float(side.removesuffix("px")) for side in size.split())
    assert round(width / height, 2) == 1.5


@pytest.mark.parametrize(
    ("path", "told"), [("/en/jobs", "was not available"), ("/de/jobs", "war nicht verfügbar")]
)
def test_jobs_tell_per_picture_which_model_ran_instead(visit: Open, path, told):
    """A card names the photos another model made, and the full view says it for each, with its price."""
    seen = visit(path)
    job = a_job("succeeded", items=["succeeded", "failed", "succeeded"], requestedModel=ESRGAN, model=ESRGAN)
    for item, model in zip(job["items"], (LOCAL, ESRGAN, ESRGAN), strict=True):
        item["model"] = model
    page = seen.page
    offer(page)
    list_jobs(page, {None: ([job], None)}, path)
    page.wait_for_selector(f".swaps >> text={told}")
    assert "1" in page.inner_text(".swaps .file")
    page.click(".tile >> nth=0")
    page.wait_for_selector(f".viewer-swap >> text={told}")
    assert "1 " in page.inner_text(".viewer-swap")
    page.click(".viewer [data-do=previous]")
    assert page.is_hidden(".viewer-swap")


def test_catalogue_of_these_tests_has_every_kind():
    """What is played here covers all three kinds, with and without a prompt of its own."""
    assert {model["kind"] for model in CATALOGUE} == {"upscale", "restore", "edit"}
