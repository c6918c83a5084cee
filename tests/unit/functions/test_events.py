"""Every event file, sent to the function it is named after."""

import json
import tomllib

import pytest

from tests.support import functions, make_events
from tests.support.events import CONTEXT, Answer

FILES = sorted(make_events.FOLDER.glob("*.json"))
OUTCOMES = tomllib.loads((make_events.FOLDER / "outcomes.toml").read_text("utf-8"))
DIRECT = [name for name, outcome in OUTCOMES.items() if isinstance(outcome, str)]
HTTP = [name for name in OUTCOMES if name not in DIRECT]


def event(name):
    return json.loads((make_events.FOLDER / f"{name}.json").read_text("utf-8"))


def handler(apps, name):
    return getattr(apps, name.partition(".")[0])


@pytest.fixture
def stored(served):
    """What the events expect to find in the bucket."""
    for key, data in make_events.GIVEN.items():
        served.artifacts.put(key, data, "image/png")
    return served


@pytest.mark.parametrize("name", HTTP)
def test_every_request_is_answered_with_its_status_in_the_envelope(apps, stored, name):
    """The status is the expected one, and a JSON answer has the shape of the contract."""
    answer = Answer(handler(apps, name)(event(name), CONTEXT))
    assert answer.status == OUTCOMES[name], answer.content
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
        answer = handler(apps, name)(event(name), CONTEXT)
    except Exception as failed:  # noqa: BLE001 - its class is compared
        outcome = type(failed).__name__
    else:
        outcome = "returns"
        assert json.dumps(answer)
    assert outcome == OUTCOMES[name]


def test_every_function_has_an_event_and_every_event_a_function():
    """Nothing is deployed that has no example, and no example is for nothing."""
    assert {path.name.partition(".")[0] for path in FILES} == set(functions.NAMES)


def test_every_event_has_an_outcome_and_every_outcome_an_event():
    """None is run without knowing what should come."""
    assert {path.name.removesuffix(".json") for path in FILES} == set(OUTCOMES)


def test_the_files_are_what_the_generator_writes():
    """Nobody edits them by hand; everything in them can be made again."""
    written = {path.name: path.read_text("utf-8") for path in make_events.FOLDER.iterdir()}
    assert written == make_events.files()


def test_what_the_events_expect_lies_in_the_bucket(stored):
    """The objects that are given are pictures under keys we serve."""
    assert set(make_events.GIVEN) <= set(stored.artifacts.keys())
