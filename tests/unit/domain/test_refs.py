"""References to an item of a job: what stands in events, in the call-back's path and in keys is fixed."""

import pytest

from enhancer.domain.owners import Owner
from enhancer.domain.refs import Ref

REF = Ref(Owner("user", "u1"), "job_1", attempt=2, item=3, turn=4)


def test_an_event_names_the_attempt_and_what_was_asked_for():
    """The state machine and the upscaler read these names, in this order."""
    job = {"ownerType": "user", "ownerId": "u1", "jobId": "job_1", "attempt": 2}
    assert list(REF.to_event().items()) == list(job.items())
    assert list(REF.to_event("item").items()) == [*job.items(), ("item", 3)]
    assert REF.to_event("item", "turn") == job | {"item": 3, "turn": 4}


def test_an_event_reads_back_as_what_it_was_written_from():
    """Other fields of the event do not matter."""
    assert Ref.from_event(REF.to_event("item", "turn") | {"token": "t"}) == REF


def test_an_event_without_an_item_is_about_the_whole_job():
    """Item and turn are 0 then."""
    assert Ref.from_event(REF.to_event()) == Ref(REF.owner, "job_1", 2)


@pytest.mark.parametrize(("kind", "shown"), [("guest", "guest"), ("user", "user")])
def test_the_text_form_names_everything_and_reads_back(kind, shown):
    """It is what the path of a call-back says."""
    ref = Ref(Owner(kind, "o"), "job_1", 2, 3, 4)
    assert ref.to_text() == f"{shown}.o.job_1.2.3.4"
    assert Ref.from_text(ref.to_text()) == ref


@pytest.mark.parametrize("text", ["", "user.u1.job_1.2.3", "user.u1.job_1.2.3.x", "user.u1.job_1.2.3.4.5"])
def test_another_text_is_refused(text):
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r".*"):
        Ref.from_text(text)


@pytest.mark.parametrize(("attempt", "once"), [(1, "job_1#3"), (2, "job_1#3.2"), (10, "job_1#3.10")])
def test_what_happens_once_is_keyed_by_item_and_attempt(attempt, once):
    """Stored keys of the first attempt name no attempt; those of later ones do."""
    assert Ref(REF.owner, "job_1", attempt, 3, turn=7).once == once
