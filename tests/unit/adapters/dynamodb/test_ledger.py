"""Holds, settles, releases and grants on the table of the template."""

from dataclasses import replace

import pytest

from enhancer.domain.errors import DailyQuotaExceeded, NetworkQuotaExceeded
from enhancer.domain.ledger import AlreadyHeld, AlreadyResolved, Balance, BalanceChanged, Earlier, KeyUsed
from tests.support import aws
from tests.support.world import NOON, at


def test_a_hold_takes_day_month_and_credits_at_once(world):
    """One transaction counts the image, the plan part and the bought part."""
    caller = world.caller()
    world.grant(caller, 1000)
    world.hold(world.job(caller, [(50, 50)]))
    assert world.usage_and_balance(caller) == (1, 50, 950, 50)
    assert world.balance(caller) == Balance(available=950, held=50, granted=1000)


def test_a_settle_turns_the_hold_into_spending(world):
    """What was held is spent; day and month stay used."""
    caller = world.caller()
    world.grant(caller, 100)
    world.settle(world.hold(world.job(caller, [(5, 10)])))
    assert world.balance(caller) == Balance(available=90, spent=10, granted=100)
    assert world.usage_and_balance(caller) == (1, 5, 90, 0)
    assert world.kinds(caller) == ["grant", "hold", "settle"]


def test_a_release_gives_everything_back(world):
    """After a release the owner stands exactly where they stood before the hold."""
    caller = world.caller()
    world.grant(caller, 100)
    before = world.usage_and_balance(caller)
    world.release(world.hold(world.job(caller, [(5, 10)])))
    assert world.usage_and_balance(caller) == before == (0, 0, 100, 0)
    assert world.kinds(caller) == ["grant", "hold", "release"]


def test_an_item_held_twice_is_refused_and_counted_once(world):
    """The once-key of an item lets exactly one hold through."""
    caller = world.caller()
    job = world.hold(world.job(caller))
    with pytest.raises(AlreadyHeld):
        world.hold(job)
    assert world.usage_and_balance(caller) == (1, 10, 0, 0)


@pytest.mark.parametrize(
    ("first", "second"),
    [("settle", "settle"), ("settle", "release"), ("release", "settle"), ("release", "release")],
)
def test_of_two_resolutions_only_the_first_happens(world, first, second):
    """Settle and release share one once-key, so exactly one of them ever changes anything."""
    caller = world.caller()
    world.grant(caller, 100)
    job = world.hold(world.job(caller, [(5, 10)], network=None))
    getattr(world, first)(job)
    after_first = world.usage_and_balance(caller), world.kinds(caller), world.jobs.get(caller.owner, job.id)
    with pytest.raises(AlreadyResolved):
        getattr(world, second)(job)
    assert (
        world.usage_and_balance(caller),
        world.kinds(caller),
        world.jobs.get(caller.owner, job.id),
    ) == after_first
    assert world.kinds(caller) == ["grant", "hold", first]


@pytest.mark.parametrize("late", ["settle", "release"])
def test_an_item_of_a_closed_job_cannot_be_resolved_any_more(world, late):
    """A job that ended stays as it ended, even for an item whose own once-key is still free."""
    caller = world.caller()
    job = world.hold(world.job(caller, [(10, 0), (20, 0)]))
    world.settle(job, 0, closes=True)
    closed = world.jobs.get(caller.owner, job.id)
    with pytest.raises(AlreadyResolved):
        getattr(world, late)(job, 1)
    assert world.jobs.get(caller.owner, job.id) == closed
    assert world.usage_and_balance(caller)[:2] == (2, 30)


@pytest.mark.parametrize(
    ("held_at", "released_at"),
    [
        ("2026-11-20 23:59:59", "2026-11-21 00:00:01"),
        ("2026-11-30 23:59:59", "2026-12-01 00:00:00"),
        ("2026-12-31 23:59:59", "2027-01-01 00:04:00"),
        ("2028-02-28 23:59:59", "2028-02-29 00:00:00"),
        ("2028-02-29 23:59:59", "2028-03-01 00:00:00"),
    ],
)
def test_a_release_after_midnight_gives_back_to_the_period_of_the_hold(world, held_at, released_at):
    """Yesterday's hold is given back to yesterday and its month; today's counters are not touched."""
    caller = world.caller()
    world.clock = at(held_at)
    world.hold(world.job(caller, [(30, 0)]))
    job = world.hold(world.job(caller, [(10, 0)]))
    assert world.usage_and_balance(caller)[:2] == (2, 40)
    held_clock, world.clock = world.clock, at(released_at)
    world.hold(world.job(caller, [(20, 0)]))
    used_today = world.usage_and_balance(caller)[:2]
    world.release(job)
    assert world.usage_and_balance(caller)[0] == used_today[0] == 1
    world.clock = held_clock
    assert world.usage_and_balance(caller)[0] == 1
    month_of_hold = 30 if held_at[:7] != released_at[:7] else 50
    assert world.usage_and_balance(caller)[1] == month_of_hold


def test_the_image_after_the_day_cap_is_refused_with_the_exact_wait(world):
    """The day cap is hard: credits do not lift it, and the refusal says when it ends."""
    caller = world.caller("free")
    world.grant(caller, 10_000)
    world.clock = at("2026-11-20 23:59:30")
    for _ in range(3):
        world.hold(world.job(caller, [(0, 10)]), plan="free")
    with pytest.raises(DailyQuotaExceeded) as refused:
        world.hold(world.job(caller, [(0, 10)]), plan="free")
    assert refused.value.retry_after_seconds == 30
    midnight = at("2026-11-21 00:00:00")
    assert refused.value.details == {"scope": "daily", "used": 3, "limit": 3, "resetAt": midnight}
    assert world.usage_and_balance(caller) == (3, 0, 9970, 30)


def test_a_new_day_has_a_fresh_cap(world):
    """The period is part of the key: at midnight the count starts again without any reset."""
    caller = world.caller("free")
    world.clock = at("2026-11-20 23:59:59")
    for _ in range(3):
        world.hold(world.job(caller), plan="free")
    world.clock += 1000
    world.hold(world.job(caller), plan="free")
    assert world.usage_and_balance(caller)[0] == 1


def test_guests_of_one_network_share_a_cap_that_new_cookies_do_not_lift(world):
    """Five guests' worth of images a day per network; the sixteenth is refused whatever its cookie."""
    network = world.new_name()
    for _ in range(5):
        guest = world.caller("guest")
        for _ in range(3):
            world.hold(world.job(guest, network=network), plan="guest")
    fresh = world.caller("guest")
    with pytest.raises(NetworkQuotaExceeded) as refused:
        world.hold(world.job(fresh, network=network), plan="guest")
    assert refused.value.details["used"] == refused.value.details["limit"] == 15
    assert refused.value.retry_after_seconds == 12 * 3600
    assert world.usage_and_balance(fresh) == (0, 0, 0, 0)


def test_a_release_gives_the_networks_image_back(world):
    """A failed run of a guest costs the network nothing either."""
    network, guest = world.new_name(), world.caller("guest")
    world.release(world.hold(world.job(guest, network=network), plan="guest"))
    used = [record["used"] for record in aws.records() if record["pk"] == f"NET#{network}"]
    assert used == [0]


@pytest.mark.parametrize(
    ("month_used", "asked", "fits"),
    [(0, 3000, True), (0, 3001, False), (2990, 10, True), (2991, 10, False)],
)
def test_the_months_quota_is_exact_to_a_tenth(world, month_used, asked, fits):
    """The plan's month pays up to its last tenth and not one more."""
    caller = world.caller("pro")
    if month_used:
        world.hold(world.job(caller, [(month_used, 0)]))
    job = world.job(caller, [(asked, 0)])
    if fits:
        world.hold(job)
    else:
        with pytest.raises(BalanceChanged):
            world.hold(job)
    assert world.usage_and_balance(caller)[1] == month_used + (asked if fits else 0)


@pytest.mark.parametrize(("granted", "asked", "fits"), [(10, 10, True), (9, 10, False), (0, 1, False)])
def test_bought_credits_never_go_below_zero(world, granted, asked, fits):
    """A hold that the credits do not cover takes nothing at all."""
    caller = world.caller()
    if granted:
        world.grant(caller, granted)
    job = world.job(caller, [(0, asked)])
    if fits:
        world.hold(job)
    else:
        with pytest.raises(BalanceChanged):
            world.hold(job)
        assert world.jobs.get(caller.owner, job.id) is None
    assert world.balance(caller).available == granted - (asked if fits else 0)
    assert world.usage_and_balance(caller)[0] == int(fits)


def test_a_job_of_several_items_is_held_whole(world):
    """Every item gets its own once-key and entry; the totals are the sum."""
    caller = world.caller()
    world.grant(caller, 100)
    job = world.hold(world.job(caller, [(10, 0), (10, 5), (0, 20)]))
    assert world.usage_and_balance(caller) == (3, 20, 75, 25)
    assert world.kinds(caller) == ["grant", "hold", "hold", "hold"]
    assert world.balance(caller).held == 25
    world.settle(job, 0, closes=False)
    world.release(job, 1, closes=False)
    assert world.jobs.get(caller.owner, job.id).is_open
    world.settle(job, 2, closes=True)
    assert world.usage_and_balance(caller) == (2, 10, 80, 0)
    assert world.jobs.get(caller.owner, job.id).status == "succeeded"


def test_a_job_that_does_not_fit_whole_is_not_held_at_all(world):
    """Three images on a day with room for two: nothing is taken, nothing is stored."""
    caller = world.caller("free")
    world.hold(world.job(caller), plan="free")
    job = world.job(caller, [(10, 0), (10, 0), (10, 0)])
    with pytest.raises(DailyQuotaExceeded):
        world.hold(job, plan="free")
    assert world.usage_and_balance(caller) == (1, 10, 0, 0)
    assert world.jobs.get(caller.owner, job.id) is None


def test_more_images_than_a_day_allows_are_refused_on_an_unused_day(world):
    """When the amount alone exceeds the cap, an absent counter does not let it pass."""
    caller = world.caller("free")
    with pytest.raises(DailyQuotaExceeded):
        world.hold(world.job(caller, [(10, 0)] * 4), plan="free")
    assert world.usage_and_balance(caller) == (0, 0, 0, 0)


def test_a_used_key_names_its_job_and_takes_nothing(world):
    """The idempotency key is checked first, so a replay is never reported as a lack of funds."""
    caller = world.caller("free")
    first = world.hold(world.job(caller, [(300, 0)]), plan="free", key="k1")
    with pytest.raises(KeyUsed) as used:
        world.hold(world.job(caller, [(300, 0)]), plan="free", key="k1")
    assert (used.value.job_id, used.value.fingerprint) == (first.id, "fingerprint")
    assert world.usage_and_balance(caller) == (1, 300, 0, 0)


def test_a_key_is_free_again_after_seven_days(world):
    """A key past its life does not bind, even while its record still lies there."""
    caller = world.caller()
    world.hold(world.job(caller), key="k1")
    world.clock = NOON + 7 * 86_400_000
    assert world.ledger.earlier(caller.owner, key_hash="k1", now=world.clock).key is None
    second = world.hold(world.job(caller), key="k1")
    found = world.ledger.earlier(caller.owner, key_hash="k1", now=world.clock)
    assert found.key.job_id == second.id


def test_a_key_binds_until_its_last_second(world):
    """One second before the seven days are over the key still stands for its job."""
    caller = world.caller()
    world.hold(world.job(caller), key="k1")
    world.clock = NOON + 7 * 86_400_000 - 1000
    with pytest.raises(KeyUsed):
        world.hold(world.job(caller), key="k1")


def test_a_key_of_one_owner_means_nothing_for_another(world):
    """Keys are scoped to the caller."""
    one, other = world.caller(), world.caller()
    world.hold(world.job(one), key="shared")
    world.hold(world.job(other), key="shared")
    assert world.usage_and_balance(other)[0] == 1


def test_a_job_born_free_takes_its_key_once_and_nothing_else(world):
    """The first job under a key is stored, the second is not; neither holds anything."""
    caller = world.caller()
    first, second = (replace(world.job(caller), status="succeeded") for _ in range(2))
    world.ledger.store_free(first, key_hash="k", earlier=Earlier(), now=world.clock)
    with pytest.raises(KeyUsed) as used:
        world.ledger.store_free(second, key_hash="k", earlier=Earlier(), now=world.clock)
    assert (used.value.job_id, world.jobs.get(caller.owner, second.id)) == (first.id, None)
    assert (world.usage_and_balance(caller), world.kinds(caller)) == ((0, 0, 0, 0), [])


def test_a_canceled_key_holds_nothing_for_seven_days(world):
    """What was to be ordered under it is refused; a key that stands for a job is not canceled."""
    caller = world.caller()
    world.ledger.cancel_key(caller.owner, key_hash="k", now=world.clock)
    with pytest.raises(KeyUsed) as used:
        world.hold(world.job(caller), key="k")
    assert (used.value.job_id, world.usage_and_balance(caller)) == (None, (0, 0, 0, 0))
    world.clock = NOON + 7 * 86_400_000
    job = world.hold(world.job(caller), key="k")
    with pytest.raises(KeyUsed) as used:
        world.ledger.cancel_key(caller.owner, key_hash="k", now=world.clock)
    assert used.value.job_id == job.id


def test_a_source_grants_once(world):
    """The same source delivered twice adds its credits once and says so."""
    caller = world.caller()
    assert world.grant(caller, 100, source="gift#1") is True
    assert world.grant(caller, 100, source="gift#1") is False
    assert world.grant(caller, 5, source="gift#2") is True
    assert world.balance(caller) == Balance(available=105, granted=105)


def test_a_settled_result_is_found_by_its_digest(world):
    """The index that makes the second run free is written with the settle."""
    caller = world.caller()
    job = world.hold(world.job(caller))
    digest = job.items[0].result_digest
    assert (
        world.ledger.earlier(caller.owner, key_hash=None, result_digest=digest, now=NOON).result_job is None
    )
    world.settle(job)
    assert (
        world.ledger.earlier(caller.owner, key_hash=None, result_digest=digest, now=NOON).result_job == job.id
    )


def test_a_released_job_says_why_and_leaves_no_result(world):
    """A failed item carries its error; nobody gets its result for free."""
    caller = world.caller()
    job = world.hold(world.job(caller))
    world.release(job)
    stored = world.jobs.get(caller.owner, job.id)
    assert (stored.status, stored.items[0].status, stored.items[0].error.code) == (
        "failed",
        "failed",
        "provider_unavailable",
    )
    assert stored.items[0].charge == 0
    found = world.ledger.earlier(
        caller.owner, key_hash=None, result_digest=job.items[0].result_digest, now=NOON
    )
    assert found.result_job is None


def test_entries_come_back_as_they_were_written(world):
    """A statement shows kind, amounts, job and reason of every movement, oldest first."""
    caller = world.caller()
    world.grant(caller, 70)
    job = world.hold(world.job(caller, [(3, 7)]))
    world.clock += 1
    world.release(job)
    grant, hold, release = world.ledger.entries(caller.owner)
    assert (grant.kind, grant.credits, grant.plan, grant.reason, grant.actor) == (
        "grant",
        70,
        0,
        "gift",
        "tests",
    )
    assert (hold.kind, hold.credits, hold.plan, hold.job_id, hold.item) == ("hold", 7, 3, job.id, 0)
    assert (release.credits, release.plan, release.reason) == (7, 3, "provider_unavailable")


def test_counters_and_keys_carry_an_end_of_life(world):
    """Usage goes after 400 days and idempotency keys after 7; entries, lots, once-keys and accounts stay."""
    caller = world.caller()
    world.grant(caller, 10)
    world.settle(world.hold(world.job(caller, [(5, 5)]), key="k"))
    mine = [record for record in aws.records() if record["pk"].endswith(caller.owner.id)]
    days = {
        record["sk"].partition("#")[0] + ("#key" if "ONCE#key" in record["sk"] else ""): (
            (record["expires"] - NOON // 1000) // 86_400 if "expires" in record else None
        )
        for record in mine
    }
    assert days == {
        "ACCOUNT": None, "LEDGER": None, "LOT": None, "ONCE": None, "ONCE#key": 7, "USAGE": 400, "JOB": 35,
        "RESULT": 400,
    }  # fmt: skip
