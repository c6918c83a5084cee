"""Call-backs: they wake whoever waits, once, and are believed in nothing else."""

import pytest

from enhancer.adapters.signing import Signer
from enhancer.domain import errors
from enhancer.domain.owners import Owner
from enhancer.domain.predictions import StillRunning
from enhancer.domain.refs import Ref
from enhancer.jobs import callbacks
from enhancer.jobs.submit import EnhanceOrder

NAME = "prediction-0-1-0"
KEY, OLD, FOREIGN = b"the key of today", b"the key of yesterday", b"somebody else's key"


@pytest.fixture
def caller(world):
    """Somebody with a plan that has room."""
    return world.caller("pro")


@pytest.fixture
def job(world, caller):
    """A job whose prediction runs; its step waits with a token."""
    made = world.batch(caller, 1, EnhanceOrder(model="real-esrgan"))
    world.start_prediction(made, token="t")
    return made


def test_a_call_back_wakes_the_step_that_waits(world, job):
    """And changes nothing: FinishItem asks the provider itself."""
    before = world.stored(job)
    assert world.hear(job, NAME) is True
    assert (world.workflow.woken, world.stored(job)) == (["t"], before)


def test_a_call_back_without_a_result_is_no_result(world, job, caller):
    """Whoever says that it ended: what is collected counts."""
    world.hear(job, NAME)
    assert world.finish_item(job) == 0.0
    assert world.stored(job).items[0].fallback.model == "local/photo"
    assert world.kinds(caller) == ["hold"]


def test_a_repeated_call_back_finds_nobody_waiting(world, job):
    """The token was used."""
    assert world.hear(job, NAME) is True
    world.workflow.gone.add("t")
    assert world.hear(job, NAME) is False


def other_id(world, job):
    return world.hear(job, "prediction-9-9-9")


def later_turn(world, job):
    return world.hear(job, NAME, turn=1)


def earlier_turn(world, job):
    world.finish_item(job, error="ProviderUnavailable")
    world.start_prediction(job, token="u", turn=1)
    return world.hear(job, NAME)


def other_item(world, job):
    return world.hear(job, NAME, item=7)


def ended_job(world, job):
    world.execute(job)
    return world.hear(job, NAME)


def canceled_job(world, job):
    world.cancel(job)
    return world.hear(job, NAME)


def gone_job(world, job):
    world.delete(world.execute(job))
    return world.hear(job, NAME)


def other_attempt(world, job):
    world.off.add("local")
    world.retry(world.execute(job, errors={0: "ProviderFailed"}), world.owner)
    return world.hear(job, NAME)


STRANGE = [other_id, later_turn, earlier_turn, other_item, ended_job, canceled_job, gone_job, other_attempt]


@pytest.mark.parametrize("strange", STRANGE, ids=lambda found: found.__name__)
def test_a_strange_or_late_call_back_wakes_nobody(world, caller, job, strange):
    """Another prediction, turn, item or attempt; a job that has ended or is gone."""
    world.owner = caller
    assert strange(world, job) is False
    assert world.workflow.woken == []


def test_an_item_that_ended_in_an_open_job_wakes_nobody(world, caller):
    """The other picture still runs."""
    job = world.batch(caller, 2, EnhanceOrder(model="real-esrgan"))
    world.start_prediction(job)
    world.deliver(job)
    world.finish_item(job)
    assert world.hear(job, NAME) is False


def test_a_call_back_before_the_name_was_recorded_names_the_prediction(world, caller):
    """The provider was faster than our own write; a second one with another name is a stranger's."""
    job = world.batch(caller, 1, EnhanceOrder(model="real-esrgan"))
    world.replicate.script = [lambda _job, _item: world.hear(job, NAME) and None]
    world.start_prediction(job, token="t")
    assert (world.workflow.woken, world.stored(job).items[0].prediction.id) == (["t"], NAME)
    assert world.hear(job, "another") is False


def test_a_call_back_before_the_token_is_found_by_the_step_that_brings_it(world, caller):
    """The run was handed over by a request: it ended before the state machine came."""
    world.replicate.script = [StillRunning(NAME)]
    job = world.finish(world.submit(caller, EnhanceOrder(model="real-esrgan")))
    world.deliver(job)
    assert (world.hear(job, NAME), world.workflow.woken) == (False, [])
    world.start_prediction(job, token="t")
    assert world.workflow.woken == ["t"]
    assert world.finish_item(job) is None
    assert world.stored(job).items[0].status == "succeeded"


def test_a_failure_before_the_token_is_found_by_the_step_that_brings_it(world, caller):
    """What there is to wait for has ended, well or not."""
    world.replicate.script = [StillRunning(NAME)]
    job = world.finish(world.submit(caller, EnhanceOrder(model="real-esrgan")))
    stored = world.stored(job)
    world.replicate.fail(stored, stored.items[0], errors.ProviderFailed())
    world.start_prediction(job, token="t")
    assert world.workflow.woken == ["t"]


def test_a_call_back_in_a_request_that_waits_itself_wakes_nobody(world, caller):
    """Nothing is recorded yet."""
    heard = []
    world.replicate.script = [lambda job, _item: heard.append(world.hear(job, NAME))]
    assert world.finish(world.submit(caller, EnhanceOrder(model="real-esrgan"))).status == "succeeded"
    assert heard == [False]


@pytest.fixture
def path(world, job):
    """The last part of the path that the provider calls."""
    stored = world.stored(job)
    return callbacks.path_of(stored, stored.items[0], signer=Signer([KEY])).removeprefix(callbacks.PATH)


@pytest.mark.parametrize("keys", [[KEY], [KEY, OLD], [FOREIGN, KEY]])
def test_a_path_of_ours_says_what_it_is_about(world, job, path, keys):
    """Owner, job, attempt, item and turn; also during a rotation."""
    assert callbacks.ref_of(path, signer=Signer(keys)) == Ref(job.owner, job.id, 1, 0, 0)


def test_a_path_is_different_in_every_turn(world, job, path):
    """The call-back of the try before is not that of this one."""
    second = callbacks.path_of(*_in_turn(world, job, 1), signer=Signer([KEY])).removeprefix(callbacks.PATH)
    assert second != path
    assert callbacks.ref_of(second, signer=Signer([KEY])).turn == 1


def _in_turn(world, job, turn):
    world.finish_item(job, error="ProviderUnavailable")
    stored = world.stored(job)
    assert stored.items[0].turn == turn
    return stored, stored.items[0]


def test_a_guests_path_says_so(world):
    """Guests and users of one id are two owners."""
    job = world.job(world.caller("guest"))
    made = callbacks.path_of(job, job.items[0], signer=Signer([KEY])).removeprefix(callbacks.PATH)
    assert callbacks.ref_of(made, signer=Signer([KEY])).owner == Owner("guest", job.owner.id)


@pytest.mark.parametrize("keys", [[], [FOREIGN], [OLD], [b""]])
def test_a_path_signed_with_another_key_is_nothing(path, keys):
    """Nobody can point a call-back at a job."""
    assert callbacks.ref_of(path, signer=Signer(keys)) is None


@pytest.mark.parametrize("length", [0, 1, 5, 20, 60, -1, -2, -20])
def test_a_truncated_path_is_nothing(path, length):
    """Every part is signed."""
    assert callbacks.ref_of(path[:length], signer=Signer([KEY])) is None


@pytest.mark.parametrize(
    "forge",
    [
        lambda path: path.replace("user.", "guest.", 1), lambda path: path.replace(".1.0.0.", ".2.0.0."),
        lambda path: path.replace(".1.0.0.", ".1.1.0."), lambda path: path.replace(".1.0.0.", ".1.0.1."),
        lambda path: path + "A", lambda path: "." + path, lambda path: path.upper(), lambda path: path + ".x",
        lambda path: path.rpartition(".")[0] + ".ü", lambda path: path.rpartition(".")[0] + ".",
        lambda path: path.replace("job_", "job_0"),
    ],
)  # fmt: skip
def test_a_changed_path_is_nothing(path, forge):
    """Another owner, attempt, item, turn or job; letters that no signature has."""
    assert forge(path) != path
    assert callbacks.ref_of(forge(path), signer=Signer([KEY])) is None
