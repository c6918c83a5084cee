"""The document of the operator's flags: what it may say, how it is changed, what differs."""

import random

import pytest

from enhancer.domain.errors import InvalidFields
from enhancer.domain.flags import Flags, Guests, PlanCap
from enhancer.domain.flags_document import FIELDS, changed, differences, document_of, flags_of

FULL = Flags(
    phase="I2", guests=Guests(on=True, images_per_day=1), canary_percent=10, off=("replicate", "sd15"),
    spend_cap=1_500_000, plan_caps={"free": PlanCap(images_per_day=1, scale_max=2)}, jobs_paused=True,
    plan_gating=False, credits_cta=False, invited=("ada@example.com",),
)  # fmt: skip
BAD = [
    ({"phase": "I3"}, "phase", "literal_error"), ({"phase": None}, "phase", "literal_error"),
    ({"phase": ["I1"]}, "phase", "literal_error"),
    ({"guests": True}, "guests", "dict_type"), ({"guests": None}, "guests", "dict_type"),
    ({"guests": {"on": 1}}, "guests.on", "bool_type"), ({"guests": {"off": True}}, "guests.off", "extra_forbidden"),
    ({"guests": {"imagesPerDay": 4}}, "guests.imagesPerDay", "less_than_equal"),
    ({"guests": {"imagesPerDay": -1}}, "guests.imagesPerDay", "greater_than_equal"),
    ({"guests": {"imagesPerDay": True}}, "guests.imagesPerDay", "int_type"),
    ({"canaryPercent": 101}, "canaryPercent", "less_than_equal"),
    ({"canaryPercent": 0.5}, "canaryPercent", "int_type"), ({"canaryPercent": "10"}, "canaryPercent", "int_type"),
    ({"off": "replicate"}, "off", "list_type"), ({"off": ["x"] * 51}, "off", "too_long"),
    ({"off": [1]}, "off.0", "string_type"), ({"off": ["x" * 121]}, "off.0", "string_too_long"),
    ({"spendCapUsd": -1}, "spendCapUsd", "greater_than_equal"),
    ({"spendCapUsd": float("nan")}, "spendCapUsd", "greater_than_equal"),
    ({"spendCapUsd": 10_001}, "spendCapUsd", "less_than_equal"),
    ({"spendCapUsd": "much"}, "spendCapUsd", "float_type"),
    ({"planCaps": []}, "planCaps", "dict_type"), ({"planCaps": {"free": 1}}, "planCaps.free", "dict_type"),
    ({"planCaps": {"free": {"images": 1}}}, "planCaps.free.images", "extra_forbidden"),
    ({"planCaps": {"free": {"scaleMax": 0}}}, "planCaps.free.scaleMax", "greater_than_equal"),
    ({"jobsPaused": 0}, "jobsPaused", "bool_type"), ({"planGating": "on"}, "planGating", "bool_type"),
    ({"creditsCta": None}, "creditsCta", "bool_type"),
    ({"invited": ["nobody"]}, "invited", "not_an_address"), ({"invited": [""]}, "invited", "not_an_address"),
    ({"invited": [f"{n}@example.com" for n in range(501)]}, "invited", "too_long"),
    ({"invited": ["x" * 250 + "@example.com"]}, "invited.0", "string_too_long"),
    ({"paused": True}, "paused", "extra_forbidden"),
]  # fmt: skip
UNKNOWN = [
    ({"off": ["replicat"]}, "off", "unknown_model_or_provider"), ({"off": ["local"]}, "off", "always_on"),
    ({"planCaps": {"gold": {"imagesPerDay": 1}}}, "planCaps.gold", "unknown"),
    ({"planCaps": {"free": {"imagesPerDay": 4}}}, "planCaps.free.imagesPerDay", "less_than_equal"),
    ({"planCaps": {"pro": {"creditsPerMonth": 301}}}, "planCaps.pro.creditsPerMonth", "less_than_equal"),
    ({"planCaps": {"pro": {"scaleMax": 8}}}, "planCaps.pro.scaleMax", "less_than_equal"),
]  # fmt: skip


def change(flags, what):
    return changed(flags, what, defaults=Flags())


def refused(call):
    with pytest.raises(InvalidFields) as problem:
        call()
    return [(one["field"], one["problem"]) for one in problem.value.details["fields"]]


def test_a_document_says_everything_and_comes_back_equal():
    """What is stored is what was set."""
    assert tuple(document_of(FULL)) == FIELDS
    assert flags_of(document_of(FULL), defaults=Flags()) == FULL
    assert flags_of(document_of(Flags()), version=7, defaults=FULL) == Flags(version=7)


def test_what_is_missing_is_the_stacks_own():
    """A document of an earlier release goes on to count."""
    own = Flags(phase="I1", plan_gating=False)
    assert flags_of({"off": ["sd15"]}, defaults=own) == Flags(phase="I1", plan_gating=False, off=("sd15",))


@pytest.mark.parametrize(("document", "field", "problem"), BAD)
def test_a_bad_document_is_refused_with_the_field(document, field, problem):
    """Whether it is stored or sent; nothing of it counts."""
    assert refused(lambda: flags_of(document, defaults=Flags())) == [(field, problem)]
    assert refused(lambda: change(FULL, document)) == [(field, problem)]


@pytest.mark.parametrize(("what", "field", "problem"), UNKNOWN)
def test_a_name_or_cap_that_means_nothing_is_refused_when_it_is_set_and_taken_when_it_is_stored(
    what, field, problem
):
    """A model that a later release drops, or a plan that shrinks, must not void what is in force."""
    assert refused(lambda: change(FULL, what)) == [(field, problem)]
    stored = flags_of(what, defaults=Flags())
    assert change(stored, {"phase": "I1"}).off == stored.off


@pytest.mark.parametrize("document", [None, [], "I1", 5])
def test_what_is_no_document_is_refused(document):
    """A record may hold anything."""
    assert refused(lambda: flags_of(document, defaults=Flags())) == [("body", "dict_type")]


def test_everything_that_is_wrong_is_told_at_once_but_not_without_end():
    """Twenty fields, and how many more there are."""
    assert refused(lambda: change(FULL, {"phase": 1, "off": 2})) == [
        ("phase", "literal_error"), ("off", "list_type"),
    ]  # fmt: skip
    with pytest.raises(InvalidFields) as problem:
        flags_of({"off": list(range(50))}, defaults=Flags())
    assert (len(problem.value.details["fields"]), problem.value.details["more"]) == (20, 30)


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ({"phase": "I1"}, {"phase": "I1"}),
        ({"guests": {"on": False}}, {"guests": {"on": False, "imagesPerDay": 1}}),
        ({"guests": {"imagesPerDay": None}}, {"guests": {"on": True, "imagesPerDay": None}}),
        ({"off": []}, {"off": []}), ({"off": ["topaz", "sd15", "topaz"]}, {"off": ["sd15", "topaz"]}),
        ({"spendCapUsd": None}, {"spendCapUsd": None}), ({"spendCapUsd": 0}, {"spendCapUsd": 0.0}),
        ({"planCaps": {"pro": {"scaleMax": 2}}},
         {"planCaps": {"free": {"imagesPerDay": 1, "scaleMax": 2}, "pro": {"scaleMax": 2}}}),
        ({"planCaps": {"free": {"scaleMax": None}}}, {"planCaps": {"free": {"imagesPerDay": 1}}}),
        ({"planCaps": {"free": None}}, {"planCaps": {}}),
        ({"invited": [" Bob@Example.COM ", "bob@example.com"]}, {"invited": ["bob@example.com"]}),
        ({}, {}),
    ],
)  # fmt: skip
def test_a_change_touches_what_it_names_and_nothing_else(what, found):
    """Objects are merged field by field, lists are replaced, null lifts a limit."""
    assert document_of(change(FULL, what)) == {**document_of(FULL), **found}


def test_changes_of_different_fields_may_come_in_any_order():
    """Two operators who change different things want the same in the end."""
    changes = [{"phase": "I1"}, {"guests": {"on": False}}, {"guests": {"imagesPerDay": 2}}, {"off": ["topaz"]},
               {"planCaps": {"pro": {"scaleMax": 2}}}, {"planCaps": {"free": None}}, {"canaryPercent": 5}]  # fmt: skip
    ends = set()
    for seed in range(20):
        random.Random(seed).shuffle(changes)  # noqa: S311
        flags = FULL
        for one in changes:
            flags = change(flags, one)
        ends.add(repr(sorted(document_of(flags).items())).replace("'free': {}, ", ""))
    assert len(ends) == 1


def test_what_differs_is_named_with_its_place():
    """As the operator sees it before and after."""
    after = change(FULL, {"guests": {"on": False}, "planCaps": {"free": {"scaleMax": None}}, "off": ["sd15"]})
    assert differences(FULL, after) == [
        ("guests.on", True, False), ("off", ["replicate", "sd15"], ["sd15"]), ("planCaps.free.scaleMax", 2, None),
    ]  # fmt: skip
    assert differences(FULL, FULL) == []


def test_a_name_of_an_earlier_release_keeps_nobody_from_switching_off_more():
    """The list is sent as a whole, in an emergency too."""
    stored = flags_of({"off": ["gone/model"]}, defaults=Flags())
    assert change(stored, {"off": ["gone/model", "replicate"]}).off == ("gone/model", "replicate")
    assert refused(lambda: change(stored, {"off": ["gone/other"]})) == [("off", "unknown_model_or_provider")]


@pytest.mark.parametrize("address", ["ädä@example.com", "a\x1b[2j@example.com", "\U0001f600" * 240 + "@x.de"])
def test_who_could_never_sign_in_is_not_invited(address):
    """Addresses of other letters take up to four times the room: 500 of them, and no record could hold the flags."""
    assert refused(lambda: change(FULL, {"invited": [address]})) == [("invited", "not_an_address")]
    stored = flags_of({"invited": [address]}, defaults=Flags())
    assert set(change(stored, {"invited": [address, "ada@example.com"]}).invited) == {
        address,
        "ada@example.com",
    }
