"""The tree of errors: complete, documented, translated, with one status each."""

import re

import pytest

from enhancer.api.http.failures import STATUS, status_of
from enhancer.api.shapes.error_texts import TEXTS, message
from enhancer.domain import errors
from enhancer.domain.errors import EnhancerError, LimitReached, RunsPaused, leaves

LEAVES = leaves()
TYPES = {
    "validation_error": 400, "auth_error": 401, "insufficient_credits": 402, "forbidden": 403, "not_found": 404,
    "method_not_allowed": 405, "conflict": 409, "payload_too_large": 413, "unsupported_media_type": 415,
    "idempotency_mismatch": 422, "rate_limit": 429, "server_error": 500,
}  # fmt: skip
PROVIDER = {
    "provider_output_invalid": 502, "provider_failed": 502, "provider_unavailable": 503, "provider_throttled": 503,
    "provider_exhausted": 503, "provider_timeout": 504, "job_expired": 504, "sign_in_unavailable": 503,
    "runs_paused": 503,
    "stripe_not_configured": 503, "stripe_unavailable": 503,
}  # fmt: skip


def raised(leaf, **details):
    return (
        leaf(retry_after_seconds=5, **details)
        if issubclass(leaf, LimitReached | RunsPaused)
        else leaf(**details)
    )


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_every_error_has_the_status_of_its_type(leaf):
    """The type on the wire and the HTTP status always say the same."""
    expected = PROVIDER[leaf.code] if leaf.type == "provider_error" else TYPES[leaf.type]
    assert status_of(raised(leaf)) == expected


def test_every_row_of_the_status_table_is_used():
    """No row outlives its error."""
    used = {next(cls for cls in leaf.__mro__ if cls in STATUS) for leaf in LEAVES}
    assert used == set(STATUS)


def test_codes_are_unique():
    """A code means one thing."""
    codes = [leaf.code for leaf in LEAVES]
    assert len(codes) == len(set(codes))


def test_codes_name_their_class():
    """A code is the class name in snake case, but for the two whose names were fixed before."""
    odd = {"sign_in_required": "NotSignedIn", "INSUFFICIENT_CREDITS": "InsufficientCredits"}
    for leaf in LEAVES:
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", leaf.__name__).lower()
        assert leaf.code == snake or odd.get(leaf.code) == leaf.__name__


def test_the_tree_in_the_docstring_is_the_tree():
    """The drawing lists every class and nothing else."""
    drawn = set(re.findall(r"\b[A-Z][a-z]+[A-Za-z]*\b", (errors.__doc__ or "").split("Only leaves")[0]))
    classes, queue = set(), [EnhancerError]
    while queue:
        current = queue.pop()
        classes.add(current.__name__)
        queue += current.__subclasses__()
    assert drawn - {"Everything"} == classes


def test_there_are_texts_for_every_code_and_for_no_other():
    """Nothing is untranslated, nothing is translated in vain."""
    assert set(TEXTS) == {leaf.code for leaf in LEAVES}


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_every_text_differs_by_language_and_fills_its_holes(leaf):
    """Both languages are there, and no placeholder is ever shown."""
    details = {name: "7" for text in TEXTS[leaf.code] for name in re.findall(r"\{(\w+)\}", text)}
    details |= {"fields": [{"field": "scale", "problem": "int_parsing"}]}
    english, german = message(leaf.code, details, "en"), message(leaf.code, details, "de")
    assert english
    assert german
    assert english != german
    assert not re.search(r"[{}]|None", english + german)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_both_languages_use_the_same_placeholders(leaf):
    """A number that is told in one language is told in the other."""
    english, german = (set(re.findall(r"\{(\w+)\}", text)) for text in TEXTS[leaf.code])
    assert english == german


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_the_placeholders_of_a_text_are_documented_details(leaf):
    """A text only uses details that the class says it has."""
    holes = {name for text in TEXTS[leaf.code] for name in re.findall(r"\{(\w+)\}", text)}
    documented = set(re.findall(r"``(\w+)``", leaf.__doc__ or "")) | {"plan_hint", "field_list"}
    assert holes <= documented


def test_a_limit_always_says_how_long_to_wait():
    """A 429 without a wait cannot be made."""
    for leaf in leaves(LimitReached):
        with pytest.raises(TypeError):
            leaf()


def test_a_missing_detail_leaves_a_dash_and_no_trace_of_the_program():
    """A text whose detail is missing is still a text."""
    assert message("unknown_model", {}, "en") == "There is no model “–”."


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Your plan (free) does not include enlarging 4 times. The plan pro has it."),
        ("de", "Dein Tarif (free) enthält 4-faches Vergrößern nicht. Der Tarif pro enthält es."),
    ],
)
def test_the_plan_that_has_it_is_a_whole_sentence(language, text):
    """The hint is there when a plan is known, in the reader's language."""
    details = {"feature": "scale 4", "plan": "free", "requiredPlan": "pro"}
    assert message("plan_required", details, language) == text


def test_without_a_better_plan_there_is_no_hint():
    """Nobody is sent to a plan that does not exist."""
    details = {"feature": "scale 10", "plan": "free", "requiredPlan": None}
    assert message("plan_required", details, "en") == "Your plan (free) does not include scale 10."


@pytest.mark.parametrize("hostile", ["{0.__class__}", "{model.__class__}", "%s", "{", "}", "{}"])
def test_what_a_stranger_sends_is_text_and_never_a_format(hostile):
    """Details are filled in once; braces in them stay braces."""
    assert message("unknown_model", {"model": hostile}, "en") == f"There is no model “{hostile}”."


@pytest.mark.parametrize("language", ["en", "fr", ""])
def test_an_unknown_language_is_english(language):
    """There is always a text."""
    assert message("not_found", {}, language) == "There is nothing here."
