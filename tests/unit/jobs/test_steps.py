"""The steps of the state machine: twice, late, out of order, or with any error, each item ends exactly once."""

import pytest

from enhancer.domain import errors
from enhancer.domain.jobs import JobError, PredictionStarted, StaleAttempt
from enhancer.domain.ledger import AlreadyResolved
from enhancer.jobs.submit import EnhanceOrder
from tests.support.images import jpeg, png, size_of


@pytest.fixture
def caller(world):
    """Somebody with a plan that has room."""
    return world.caller("pro")


@pytest.fixture
def job(world, caller):
    """A job of one picture, held and started."""
    return world.batch(caller)


def test_a_whole_execution_looks_runs_settles_and_closes(world, caller, job):
    """Original and result in the bucket, the hold spent, the place among the jobs free."""
    assert (world.stored(job).status, world.open_jobs(caller)) == ("queued", 1)
    done = world.execute(job)
    item = done.items[0]
    assert (done.status, item.status, item.charge) == ("succeeded", "succeeded", 10)
    assert size_of(world.artifacts.get(item.input.key)) == (8, 6)
    assert (
        size_of(world.artifacts.get(item.output.key)) == (16, 12) == (item.output.width, item.output.height)
    )
    assert item.input.key.startswith(f"ai-enhancer/uploads/user/{caller.owner.id}/")
    assert (world.usage_and_balance(caller), world.open_jobs(caller)) == ((1, 10, 0, 0), 0)
    assert done.id not in [found.id for found in world.jobs.open()]


def test_two_deliveries_of_a_start_make_one_prediction_and_the_newest_token_waits(world, job):
    """The second finds the claim taken and leaves its token for whoever ends the run."""
    world.start_prediction(job, token="first")
    target = world.stored(job).items[0].target
    world.start_prediction(job, token="second")
    assert world.predictor.started == [(job.id, 0, 1)]
    assert world.stored(job).items[0].prediction.token == "second"
    assert world.stored(job).items[0].target == target
    assert world.workflow.woken == []


def test_of_two_deliveries_that_look_at_once_the_first_ones_target_counts(world, job, monkeypatch):
    """Both decode the picture; one place is recorded, and the run that is started writes there."""
    raced = []
    prepare = world.jobs.prepare

    def beaten(found, item, *, now):
        if not raced:
            raced.append(item.target)
            world.start_prediction(job, token="faster")
        prepare(found, item, now=now)

    monkeypatch.setattr(world.jobs, "prepare", beaten)
    targets = []
    world.predictor.script = [lambda _job, item: targets.append(item.target)]
    world.start_prediction(job, token="slower")
    assert targets == [world.stored(job).items[0].target]
    assert raced[0] != targets[0]
    assert world.predictor.started == [(job.id, 0, 1)]
    assert world.stored(job).items[0].prediction.token == "slower"


def test_a_recorded_look_is_never_replaced(world, job):
    """Whoever comes second learns that somebody was faster, before and after the claim."""
    world.predictor.script = [errors.ProviderThrottled()]
    with pytest.raises(errors.ProviderThrottled):
        world.start_prediction(job)
    stored = world.stored(job)
    for _ in range(2):
        with pytest.raises(PredictionStarted):
            world.jobs.prepare(stored, stored.items[0], now=world.clock)
        world.start_prediction(job)
    assert world.stored(job).items[0].target == stored.items[0].target


@pytest.mark.parametrize("step", ["start_prediction", "poll_prediction"])
@pytest.mark.parametrize("stale", ["closed", "attempt", "missing"])
def test_a_stale_start_or_poll_says_so_and_does_nothing(world, caller, job, step, stale):
    """A job that ended, a later attempt, a record that is gone: no prediction, no write."""
    failed = world.execute(job, errors={0: "ProviderUnavailable"})
    if stale == "attempt":
        world.retry(failed, caller)
    if stale == "missing":
        world.delete(failed)
    before = (
        world.jobs.get(caller.owner, job.id),
        world.usage_and_balance(caller),
        list(world.predictor.started),
    )
    with pytest.raises(StaleAttempt):
        getattr(world, step)(job)
    assert (
        world.jobs.get(caller.owner, job.id),
        world.usage_and_balance(caller),
        world.predictor.started,
    ) == before


@pytest.mark.parametrize("stale", ["closed", "attempt", "missing"])
def test_a_stale_finish_returns_and_does_nothing(world, caller, job, stale):
    """There is nobody left to tell; the execution may end."""
    failed = world.execute(job, errors={0: "ProviderUnavailable"})
    if stale == "attempt":
        world.retry(failed, caller)
    if stale == "missing":
        world.delete(failed)
    before = world.jobs.get(caller.owner, job.id), world.usage_and_balance(caller), world.kinds(caller)
    for error in (None, "ProviderTimeout"):
        world.finish_item(job, error=error)
    world.finish_job(job)
    assert (
        world.jobs.get(caller.owner, job.id),
        world.usage_and_balance(caller),
        world.kinds(caller),
    ) == before


@pytest.mark.parametrize(
    "problem", [errors.ProviderThrottled(), errors.ProviderUnavailable()], ids=lambda found: type(found).__name__
)  # fmt: skip
def test_a_provider_that_refuses_to_start_may_be_asked_again(world, caller, job, problem):
    """The claim is given back, the error goes to the state machine, the next delivery starts the one run."""
    world.predictor.script = [problem]
    with pytest.raises(type(problem)):
        world.start_prediction(job, token="first")
    item = world.stored(job).items[0]
    assert (item.is_open, item.prediction) == (True, None)
    assert world.predictor.started == []
    world.start_prediction(job, token="second")
    assert world.predictor.started == [(job.id, 0, 1)]
    assert world.usage_and_balance(caller)[:2] == (1, 10)


def test_a_claim_that_cannot_be_given_back_is_a_stale_attempt(world, job):
    """The job was canceled while the provider refused."""
    world.predictor.script = [lambda found, _item: world.cancel(found) and refuse()]

    def refuse():
        raise errors.ProviderThrottled

    with pytest.raises(StaleAttempt):
        world.start_prediction(job)
    assert world.stored(job).status == "canceled"


@pytest.mark.parametrize(
    ("file", "order", "code", "detail"),
    [
        (b"This is not a picture.", EnhanceOrder(), "image_format_unsupported", "allowed"),
        (jpeg((200, 100))[:-400], EnhanceOrder(), "image_unreadable", "format"),
        (png((5700, 5700)), EnhanceOrder(), "too_many_pixels", "megapixels"),
        (png((1200, 1000)), EnhanceOrder(quality="pro"), "too_much_work", "limit"),
        (png((4096, 2)), EnhanceOrder(scale=4, output_format="webp"), "output_too_large", "width"),
    ],
)
def test_a_picture_at_fault_ends_its_item_with_the_details(world, caller, file, order, code, detail):
    """Released with code and details, no prediction, and the waiting step is woken at once."""
    job = world.batch(caller, [file], order)
    world.start_prediction(job, token="t")
    item = world.stored(job).items[0]
    assert (item.status, item.error.code) == ("failed", code)
    assert detail in item.error.details
    assert (world.predictor.started, world.workflow.woken) == ([], ["t"])
    assert world.usage_and_balance(caller)[:2] == (0, 0)
    assert world.stored(job).is_open
    world.finish_item(job)
    world.finish_job(job)
    assert (world.stored(job).status, world.kinds(caller)) == ("failed", ["hold", "release"])


def test_an_upload_that_is_gone_ends_its_item(world, caller, job):
    """The bucket forgot it before the step ran."""
    world.artifacts.delete(job.items[0].source.ref)
    world.start_prediction(job)
    assert world.stored(job).items[0].error == JobError("upload_not_found", {"field": "uploadKey"})


def test_a_result_that_was_there_before_the_token_wakes_its_waiter(world, job):
    """A run that ended between two deliveries has told nobody: whoever comes later finds the result."""
    world.start_prediction(job, token="first")
    world.deliver(job)
    world.start_prediction(job, token="second")
    assert world.workflow.woken == ["second"]
    assert world.predictor.started == [(job.id, 0, 1)]


def test_an_item_that_ended_wakes_whoever_starts_it_again(world, job):
    """A delivery after its end goes straight on."""
    world.start_prediction(job)
    world.deliver(job)
    world.finish_item(job)
    world.start_prediction(job, token="late")
    assert world.workflow.woken == ["late"]


def test_a_result_is_settled_once_however_often_it_is_finished(world, caller, job):
    """Repeated deliveries change neither books nor job, with and without an error."""
    world.start_prediction(job)
    world.deliver(job)
    world.clock += 2500
    world.finish_item(job)
    settled = world.stored(job)
    assert (settled.items[0].status, settled.items[0].seconds) == ("succeeded", 2.5)
    for error in (None, "ProviderTimeout", "JobCanceled"):
        world.finish_item(job, error=error)
    assert world.stored(job) == settled
    assert world.kinds(caller) == ["hold", "settle"]
    world.finish_job(job)
    world.finish_job(job)
    assert (world.stored(job).status, world.open_jobs(caller)) == ("succeeded", 0)


def test_two_finishes_that_read_the_same_settle_once(world, caller, job, monkeypatch):
    """Both saw the item open; the once-key lets one through and the other returns."""
    world.start_prediction(job)
    world.deliver(job)
    seen = world.stored(job)
    monkeypatch.setattr(world.jobs, "get", lambda owner, job_id: seen)
    world.finish_item(job)
    world.finish_item(job)
    world.finish_item(job, error="ProviderTimeout")
    assert world.kinds(caller) == ["hold", "settle"]


def test_a_wake_without_a_result_is_a_failure(world, caller, job):
    """It still runs, whoever said that it ended: it is stopped, and the item fails."""
    world.start_prediction(job)
    assert world.finish_item(job) is None
    item = world.stored(job).items[0]
    assert (item.status, item.error.code) == ("failed", "provider_timeout")
    assert world.predictor.canceled == [(job.id, 0, 1)]
    assert world.usage_and_balance(caller)[:2] == (0, 0)


@pytest.mark.parametrize(
    ("error", "code"),
    [(leaf.__name__, leaf.code) for leaf in errors.leaves(errors.ProviderError)]
    + [(leaf.__name__, leaf.code) for leaf in errors.leaves(errors.InvalidRequest)]
    + [
        ("States.Timeout", "provider_timeout"), ("States.HeartbeatTimeout", "provider_timeout"),
        ("Sandbox.Timedout", "provider_unavailable"), ("Lambda.Unknown", "provider_unavailable"),
        ("States.TaskFailed", "provider_unavailable"), ("KeyError", "provider_unavailable"),
        ("NoArtifact", "provider_unavailable"), ("StaleAttempt", "provider_unavailable"),
        ("InternalError", "provider_unavailable"), ("RateLimited", "provider_unavailable"),
        ("ProviderForbidden", "provider_forbidden"), ("ImageFormatUnsupported", "provider_unavailable"),
    ],
)  # fmt: skip
def test_every_error_of_a_step_is_recorded_as_one_of_ours(world, caller, job, error, code):
    """The picture's and the provider's faults keep their name; whatever else there is, is the provider's."""
    item = world.execute(job, errors={0: error}).items[0]
    assert (item.status, item.error) == ("failed", JobError(code, {}))
    assert world.kinds(caller) == ["hold", "release"]


def test_a_canceled_run_is_recorded_as_canceled(world, job):
    """The model that stopped because of a cancel says so."""
    world.start_prediction(job)
    world.finish_item(job, error="JobCanceled")
    assert world.stored(job).items[0].status == "canceled"


def test_a_poll_finds_the_result_that_nobody_told_of(world, job):
    """The call-back was lost; the picture is there and is paid for."""
    world.start_prediction(job)
    world.deliver(job)
    world.poll_prediction(job)
    world.finish_item(job)
    assert world.stored(job).items[0].status == "succeeded"
    assert world.predictor.canceled == []


def test_a_poll_without_a_result_stops_the_run_and_times_out(world, job):
    """The provider is told to stop before we give up."""
    world.start_prediction(job)
    with pytest.raises(errors.ProviderTimeout):
        world.poll_prediction(job)
    assert world.predictor.canceled == [(job.id, 0, 1)]
    assert world.stored(job).items[0].is_open


def test_a_poll_of_an_item_that_ended_is_fine(world, job):
    """Nothing is asked and nothing stopped."""
    world.start_prediction(job)
    world.finish_item(job, error="ProviderFailed")
    world.poll_prediction(job)
    assert world.predictor.canceled == []


def test_ending_a_job_releases_what_a_broken_step_left_open(world, caller):
    """One settled, one never run: the job succeeds with one failure that is ours."""
    job = world.batch(caller, 2)
    world.start_prediction(job, 0)
    world.deliver(job, 0)
    world.finish_item(job, 0)
    world.finish_job(job)
    ended = world.stored(job)
    assert (ended.status, [item.status for item in ended.items]) == ("succeeded", ["succeeded", "failed"])
    assert ended.items[1].error == JobError("internal_error", {})
    assert (world.usage_and_balance(caller)[:2], world.open_jobs(caller)) == ((1, 10), 0)


@pytest.mark.parametrize(
    ("errors_by_item", "status", "used"),
    [
        ({}, "succeeded", (3, 30)),
        ({1: "ProviderUnavailable"}, "succeeded", (2, 20)),
        ({0: "ImageUnreadable", 2: "ProviderTimeout"}, "succeeded", (1, 10)),
        ({0: "ImageUnreadable", 1: "ImageUnreadable", 2: "ProviderTimeout"}, "failed", (0, 0)),
    ],
)
def test_one_good_picture_makes_a_job_succeed(world, caller, errors_by_item, status, used):
    """Failed ones cost nothing; only if all fail the job fails."""
    job = world.execute(world.batch(caller, 3), errors=errors_by_item)
    assert (job.status, world.usage_and_balance(caller)[:2]) == (status, used)
    failed = [item.index for item in job.items if item.status == "failed"]
    assert failed == sorted(errors_by_item)


def test_the_items_of_a_job_may_end_in_any_order(world, caller):
    """Each is on its own."""
    job = world.batch(caller, 3)
    for index in (2, 0, 1):
        world.start_prediction(job, index)
    for index in (1, 2, 0):
        world.deliver(job, index)
        world.finish_item(job, index)
    world.finish_job(job)
    assert world.stored(job).status == "succeeded"
    assert world.kinds(caller) == ["hold"] * 3 + ["settle"] * 3


def test_every_step_is_a_sign_of_life(world, job):
    """The deadline counts from the last one, so a long batch does not expire while it moves."""
    world.clock += 200_000
    world.start_prediction(job)
    world.clock += 200_000
    assert world.sweep().expired == 0
    world.clock += 100_001
    assert world.sweep().expired == 1
    with pytest.raises(AlreadyResolved):
        world.settle(job, closes=False)
