"""Every example event, sent to the function it is named after."""

import json

import pytest

from tests.support import functions, make_events
from tests.support.event_cases import CASES, STORED
from tests.support.event_cases.builder import Cases
from tests.support.events import CONTEXT, Answer

DIRECT = [name for name, case in CASES.items() if isinstance(case.outcome, str)]
HTTP = [name for name in CASES if name not in DIRECT]
FILES_MAX = 40


def answered(apps, case):
    """What the function returns, given the event as the file would hold it."""
    return getattr(apps, case.function)(json.loads(case.text), CONTEXT)


@pytest.fixture
def stored(served):
    """What the events expect to find in the bucket."""
    for key, data in STORED.items():
        served.artifacts.put(key, data, "image/png")
    return served


@pytest.mark.parametrize("name", HTTP)
def test_every_request_is_answered_with_its_status_in_the_envelope(apps, stored, name):
    """The status is the expected one, and a JSON answer has the shape of the contract."""
    answer = Answer(answered(apps, CASES[name]))
    assert answer.status == CASES[name].outcome, answer.content
    assert isinstance(answer.raw["body"], str)
    if answer.headers.get("Content-Type") == "application/json":
        assert answer.json["success"] is (answer.status < 400)
        if answer.status >= 400:
            assert set(answer.error) - {"details"} == {"type", "code", "message"}
            assert answer.json["requestId"] == name


@pytest.mark.parametrize("name", DIRECT)
def test_every_direct_call_ends_as_expected(apps, stored, name):
    """It returns, or fails with the class that the caller decides by."""
    try:
        answer = answered(apps, CASES[name])
    except Exception as failed:  # noqa: BLE001 - its class is compared
        outcome = type(failed).__name__
    else:
        outcome = "returns"
        assert json.dumps(answer)
    assert outcome == CASES[name].outcome


def test_every_function_has_an_event_and_every_event_a_function():
    """Nothing is deployed that has no example, among all cases and among the files; no example is for nothing."""
    assert {case.function for case in CASES.values()} == set(functions.NAMES)
    assert {CASES[name].function for name in make_events.FILES} == set(functions.NAMES)


def test_a_name_is_given_to_one_case_only():
    """A second case of a name would be run instead of the first."""
    cases = Cases()
    cases.direct("sweep.twice", "returns", {})
    with pytest.raises(ValueError, match=r"sweep\.twice"):
        cases.direct("sweep.twice", "returns", {})


def test_every_request_comes_from_an_address_of_its_own():
    """No rate limit of a network is shared by two cases."""
    addresses = [CASES[name].event["requestContext"]["http"]["sourceIp"] for name in HTTP]
    assert len(addresses) == len(set(addresses)) > 0


def test_the_files_are_few_enough_to_look_through():
    """At most forty; each is named once, in the order in which a folder lists them."""
    assert sorted(set(make_events.FILES)) == list(make_events.FILES)
    assert len(make_events.FILES) <= FILES_MAX


def test_the_files_are_what_the_generator_writes():
    """Nobody edits them by hand; everything in them can be made again."""
    written = {path.name: path.read_text("utf-8") for path in make_events.FOLDER.iterdir()}
    assert written == make_events.files()


def test_what_the_events_expect_lies_in_the_bucket(stored):
    """The objects that are given are pictures under keys we serve."""
    assert set(STORED) <= set(stored.artifacts.keys())
