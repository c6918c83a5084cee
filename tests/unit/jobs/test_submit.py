"""From an order to a held job: what is refused, what is replayed, what is free, who pays."""

from io import BytesIO

import pytest

from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import EVERYBODY
from enhancer.domain.errors import (
    DailyQuotaExceeded,
    IdempotencyMismatch,
    InsufficientCredits,
    InvalidIdempotencyKey,
    NeedsJob,
    OutputTooLarge,
    PlanRequired,
    ProviderDisabled,
    TooManyPixels,
    UnknownModel,
    UploadNotFound,
)
from enhancer.domain.ledger import BalanceChanged
from enhancer.jobs import holds, submit
from enhancer.jobs.quote import quote_run
from enhancer.jobs.submit import EnhanceOrder
from tests.support.images import encoded, jpeg, picture, png

PLAIN = EnhanceOrder()


def embedded_only(model):
    """What a deployment without keys lets run."""
    return model.provider == "embedded"


def run(world, caller, order=PLAIN, **more):
    submitted = world.submit(caller, order, **more)
    return submitted, world.finish(submitted)


def test_an_empty_order_is_the_built_in_model_at_twice_the_size():
    """Every default is filled in before anything is priced or checked."""
    model, params = submit.interpret(EnhanceOrder())
    assert (model.slug, params.scale, params.face, params.quality) == (
        "local/photo",
        2,
        False,
        "standard",
    )


def test_an_unknown_model_is_refused():
    """No model is ever guessed."""
    with pytest.raises(UnknownModel):
        submit.interpret(EnhanceOrder(model="esrgan"))


def test_a_switched_off_provider_is_refused_before_the_plan_is_looked_at(world):
    """What cannot run here is said first, whatever the plan."""
    model, params = submit.interpret(EnhanceOrder(model="real-esrgan", scale=8))
    with pytest.raises(ProviderDisabled) as refused:
        submit.permit(model, params, caller=world.caller("free"), enabled=embedded_only)
    assert refused.value.details == {"provider": "replicate", "model": "real-esrgan"}


def test_a_scale_beyond_the_plan_is_refused(world):
    """The plan gate is on the way of every order."""
    model, params = submit.interpret(EnhanceOrder(scale=4))
    with pytest.raises(PlanRequired):
        submit.permit(model, params, caller=world.caller("free"), enabled=embedded_only)
    assert submit.permit(model, params, caller=world.caller("pro"), enabled=embedded_only) is None


def test_too_many_pixels_name_the_plan_that_takes_them(world):
    """The cap is the plan's, checked by the decoder; the refusal says where to go."""

    def read(data, *, pixels_max):
        assert pixels_max == 16_000_000
        raise TooManyPixels(megapixels=20.0, limit=16.0)

    with pytest.raises(TooManyPixels) as refused:
        submit.take_photo(b"x", caller=world.caller("free"), read=read)
    assert refused.value.details == {"megapixels": 20.0, "limit": 16.0, "plan": "free", "requiredPlan": "pro"}


def test_a_new_order_is_held_and_comes_with_its_clean_original(world):
    """The price is taken before anything runs, and the job is stored with it."""
    caller = world.caller("pro")
    submitted = world.submit(caller)
    item = submitted.job.items[0]
    assert (submitted.deduplicated, submitted.replayed) == (False, False)
    assert world.usage_and_balance(caller) == (1, 10, 0, 0)
    assert world.jobs.get(caller.owner, submitted.job.id) == submitted.job
    assert item.input.key.startswith(f"ai-enhancer/uploads/user/{caller.owner.id}/")
    assert item.target.startswith(f"ai-enhancer/results/user/{caller.owner.id}/")
    assert len(submitted.original) == item.input.size
    assert submitted.job.deadline == world.clock + 300_000


def test_only_guests_are_counted_by_network(world):
    """A signed-in user's image is no guest image of their network."""
    guest, user = world.caller("guest"), world.caller("pro")
    assert world.submit(guest).job.items[0].hold.network == guest.network
    assert world.submit(user).job.items[0].hold.network is None


@pytest.mark.parametrize("scale", [2, 4])
def test_the_price_that_is_held_is_the_price_list(world, scale):
    """What quote says is what the hold takes."""
    caller = world.caller("pro")
    order = EnhanceOrder(scale=scale, quality="pro")
    model, params = submit.interpret(order)
    usage_and_balance = world.ledger.usage_and_balance(caller.owner, now=world.clock)
    shares, refusal = quote_run(
        model,
        params,
        megapixels=0,
        caller=caller,
        enabled=embedded_only,
        state=usage_and_balance,
        now=world.clock,
    )
    assert refusal is None
    hold = world.submit(caller, order).job.items[0].hold
    assert (hold.plan, hold.credits) == (shares.plan, shares.credits) == ({2: 20, 4: 40}[scale], 0)


def test_plan_then_credits_spend_ten_and_a_failure_restores_both_buckets(world):
    """5 plan + 100 bought, spend 10: 0 and 95; fail it: 5 and 100 again."""
    caller = world.caller("pro")
    world.grant(caller, 100)
    world.hold(world.job(caller, [(2995, 0)]))
    submitted = world.submit(caller)
    hold = submitted.job.items[0].hold
    assert (hold.plan, hold.credits) == (5, 5)
    assert world.usage_and_balance(caller) == (2, 3000, 95, 5)
    world.predictor.script = [TimeoutError("crash")]
    with pytest.raises(TimeoutError):
        world.finish(submitted)
    assert world.usage_and_balance(caller) == (1, 2995, 100, 0)
    assert world.balance(caller).spent == 0


def test_with_the_month_used_up_bought_credits_pay_all(world):
    """The plan pays nothing it does not have."""
    caller = world.caller("pro")
    world.grant(caller, 15)
    world.hold(world.job(caller, [(3000, 0)]))
    _, job = run(world, caller)
    assert (job.items[0].hold.plan, job.items[0].hold.credits) == (0, 10)
    assert world.balance(caller).spent == 10


def test_too_little_of_both_is_refused_with_what_is_missing(world):
    """The 402 says what is needed and what plan and credits together still have; nothing is taken."""
    caller = world.caller("pro")
    world.grant(caller, 4)
    world.hold(world.job(caller, [(2995, 0)]))
    with pytest.raises(InsufficientCredits) as refused:
        world.submit(caller)
    assert refused.value.details == {
        "creditsRequired": 1.0, "creditsAvailable": 0.9, "required": 1.0, "available": 0.9, "upgradeUrl": "/pricing",
    }  # fmt: skip
    assert world.usage_and_balance(caller) == (1, 2995, 4, 0)


def test_the_day_cap_is_told_before_missing_credits(world):
    """Credits do not lift the day cap, so nobody is sent to buy some."""
    caller = world.caller("free")
    for _ in range(3):
        world.hold(world.job(caller, [(100, 0)]), plan="free")
    with pytest.raises(DailyQuotaExceeded):
        world.submit(caller)


def test_what_can_never_be_paid_is_refused_after_one_look(world, monkeypatch):
    """Once plan and credits are known not to suffice, nothing more is tried."""
    caller = world.caller("pro")
    world.hold(world.job(caller, [(3000, 0)]))
    tries, hold = [], world.ledger.hold
    monkeypatch.setattr(world.ledger, "hold", lambda *job, **more: (tries.append(1), hold(*job, **more)))
    with pytest.raises(InsufficientCredits):
        world.submit(caller)
    assert len(tries) == 1


def test_funds_that_keep_moving_end_in_a_refusal(world, monkeypatch):
    """A split that never fits is tried a bounded number of times."""
    tries = []

    def hold(*_job, **_more):
        tries.append(1)
        raise BalanceChanged

    monkeypatch.setattr(world.ledger, "hold", hold)
    with pytest.raises(InsufficientCredits):
        world.submit(world.caller("pro"))
    assert len(tries) == holds.SPLIT_TRIES


def test_the_same_key_and_picture_replay_the_job_and_take_nothing(world):
    """A repeated request is the same job: one hold, one run, the same answer."""
    caller, photo = world.caller("pro"), world.photo()
    _, first = run(world, caller, photo=photo, key="k1")
    again, second = run(world, caller, photo=photo, key="k1")
    assert again.replayed
    assert second == world.jobs.get(caller.owner, first.id)
    assert second.items[0].output == first.items[0].output
    assert len(world.predictor.runs) == 1
    assert world.usage_and_balance(caller) == (1, 10, 0, 0)


@pytest.mark.parametrize(
    ("order", "other_picture"),
    [
        (EnhanceOrder(scale=4), False),
        (EnhanceOrder(quality="pro"), False),
        (EnhanceOrder(output_format="webp"), False),
        (EnhanceOrder(), True),
    ],
)
def test_the_same_key_with_another_request_is_refused(world, order, other_picture):
    """A key stands for one picture and one set of parameters."""
    caller, photo = world.caller("pro"), world.photo()
    run(world, caller, photo=photo, key="k1")
    with pytest.raises(IdempotencyMismatch):
        world.submit(caller, order, photo=None if other_picture else photo, key="k1")
    assert world.usage_and_balance(caller)[0] == 1


def test_the_same_key_of_somebody_else_is_another_request(world):
    """Keys are scoped to the caller."""
    photo = world.photo()
    run(world, world.caller("pro"), photo=photo, key="shared")
    other = world.caller("pro")
    assert world.submit(other, photo=photo, key="shared").replayed is False
    assert world.usage_and_balance(other)[0] == 1


def test_a_key_taken_between_look_and_hold_is_still_a_replay(world, monkeypatch):
    """Two copies of a request at once: the loser of the race gets the winner's job."""
    caller, photo = world.caller("pro"), world.photo()
    first = world.submit(caller, photo=photo, key="k1")
    blind = type(world.ledger.earlier(caller.owner, key_hash="unused", now=world.clock))()
    monkeypatch.setattr(world.ledger, "earlier", lambda *_owner, **_asked: blind)
    second = world.submit(caller, photo=photo, key="k1")
    assert (second.replayed, second.job.id) == (True, first.job.id)
    assert world.usage_and_balance(caller)[0] == 1
    with pytest.raises(IdempotencyMismatch):
        world.submit(caller, EnhanceOrder(scale=4), photo=photo, key="k1")


@pytest.mark.parametrize(
    "key", ["", " ", "\t \t", "x" * 129, "ümlaut", "tab\tinside", "line\nbreak", "nul\0"]
)
def test_a_malformed_key_is_refused_and_takes_nothing(world, key):
    """1 to 128 visible ASCII characters."""
    caller = world.caller("pro")
    with pytest.raises(InvalidIdempotencyKey):
        world.submit(caller, key=key)
    assert world.usage_and_balance(caller)[0] == 0


@pytest.mark.parametrize("key", ["x", "x" * 128, "a b-~!"])
def test_a_well_formed_key_is_taken(world, key):
    """Both ends of the range are allowed."""
    assert world.submit(world.caller("pro"), key=key).replayed is False


def test_a_key_is_stored_only_as_a_hash(world):
    """What a client chose as its key is not kept."""
    world.submit(world.caller("pro"), key="a-key-that-may-be-private")
    assert "a-key-that-may-be-private" not in repr(world.records())


def test_a_picture_already_paid_for_is_free(world):
    """The same pixels with the same parameters: a job of its own with a copy of the result, no hold, no run."""
    caller = world.caller("pro")
    _, first = run(world, caller, photo=world.photo(png(shade=201)))
    again, second = run(world, caller, photo=world.photo(png(shade=201)))
    assert again.deduplicated
    assert world.jobs.get(caller.owner, second.id) == second
    assert (second.status, second.items[0].charge, second.counted) == ("succeeded", 0, False)
    assert len({first.id, second.id, first.items[0].output.key, second.items[0].output.key}) == 4
    assert world.kinds(caller) == ["hold", "settle"]
    assert len(world.predictor.runs) == 1
    assert world.usage_and_balance(caller) == (1, 10, 0, 0)


def test_another_file_with_the_same_pixels_is_free_too(world):
    """What counts are pixels and result, not the bytes of the file."""
    caller, pixels = world.caller("pro"), picture(shade=202)
    run(world, caller, photo=world.photo(encoded(pixels)))
    slower = BytesIO()
    pixels.save(slower, "PNG", compress_level=9, comment="other bytes")
    assert slower.getvalue() != encoded(pixels)
    assert world.submit(caller, photo=world.photo(slower.getvalue())).deduplicated


@pytest.mark.parametrize(
    "order",
    [
        EnhanceOrder(scale=4),
        EnhanceOrder(quality="pro"),
        EnhanceOrder(output_format="webp"),
        EnhanceOrder(output_format="jpeg"),
    ],
)
def test_other_parameters_are_paid_anew(world, order):
    """Only the very same result is free."""
    caller, photo = world.caller("pro"), world.photo()
    run(world, caller, photo=photo)
    assert world.submit(caller, order, photo=photo).deduplicated is False
    assert world.usage_and_balance(caller)[0] == 2


def test_a_result_that_is_gone_is_made_and_paid_again(world):
    """A deleted artifact cannot be given for free."""
    caller, photo = world.caller("pro"), world.photo()
    _, first = run(world, caller, photo=photo)
    world.artifacts.delete(first.items[0].output.key)
    again, second = run(world, caller, photo=photo)
    assert not again.deduplicated
    assert second.id != first.id
    assert world.artifacts.exists(second.items[0].output.key)
    assert world.usage_and_balance(caller)[0] == 2


def test_a_failed_run_is_not_a_paid_result(world):
    """Only what was settled counts as paid for."""
    caller, photo = world.caller("pro"), world.photo()
    world.predictor.script = [RuntimeError("crash")]
    with pytest.raises(RuntimeError):
        run(world, caller, photo=photo)
    assert world.submit(caller, photo=photo).deduplicated is False


def test_somebody_elses_result_is_never_given_for_free(world):
    """The index is per owner."""
    photo = world.photo()
    run(world, world.caller("pro"), photo=photo)
    assert world.submit(world.caller("pro"), photo=photo).deduplicated is False


def test_a_key_on_a_free_result_is_remembered(world):
    """The same key with the same request replays; with another it is refused, as if it had been paid."""
    caller, photo = world.caller("pro"), world.photo()
    run(world, caller, photo=photo)
    free = world.submit(caller, photo=photo, key="k9")
    assert free.deduplicated
    replayed = world.submit(caller, photo=photo, key="k9")
    assert (replayed.replayed, replayed.deduplicated, replayed.job) == (True, True, free.job)
    with pytest.raises(IdempotencyMismatch):
        world.submit(caller, key="k9")


def test_too_much_work_for_a_request_takes_nothing(world):
    """Refused before the hold, with the way out in its code."""
    caller = world.caller("pro")
    with pytest.raises(NeedsJob):
        world.submit(caller, EnhanceOrder(quality="pro"), photo=world.photo(png((400, 300))))
    assert world.usage_and_balance(caller)[0] == 0


def test_a_result_its_format_cannot_hold_takes_nothing(world):
    """Refused before the hold."""
    caller = world.caller("pro")
    with pytest.raises(OutputTooLarge):
        world.submit(caller, EnhanceOrder(scale=4, output_format="webp"), photo=world.photo(jpeg((4096, 2))))
    assert world.usage_and_balance(caller)[0] == 0


def test_an_upload_of_the_caller_is_fetched(world):
    """Also one made as guest by a browser that is now signed in."""
    user, guest = world.caller("pro"), world.caller("guest")
    both = Caller(user.owner, user.plan, "user", "net", guest.owner, access=EVERYBODY)
    for owner in (user.owner, guest.owner):
        key = f"ai-enhancer/incoming/{owner.type}/{owner.id}/x"
        world.artifacts.put(key, b"bytes", "image/png")
        assert submit.fetch_upload(key, caller=both, artifacts=world.artifacts) == b"bytes"


def test_a_foreign_and_a_missing_upload_are_the_same_error(world):
    """Nobody learns which uploads exist, and no other kind of object can be read this way."""
    caller, other = world.caller("pro"), world.caller("pro")
    foreign = f"ai-enhancer/incoming/user/{other.owner.id}/x"
    world.artifacts.put(foreign, b"bytes", "image/png")
    result = f"ai-enhancer/results/user/{caller.owner.id}/y.png"
    world.artifacts.put(result, b"bytes", "image/png")
    told = []
    for key in (foreign, f"ai-enhancer/incoming/user/{caller.owner.id}/missing", result, "", "../x"):
        with pytest.raises(UploadNotFound) as refused:
            submit.fetch_upload(key, caller=caller, artifacts=world.artifacts)
        told.append(refused.value.details)
    assert told == [{"field": "uploadKey"}] * 5
