"""Who is let in by phase, share and invitation; what is capped; which models are switched off."""

import itertools
import random
from dataclasses import replace

import pytest

from enhancer.domain.accounts import Account
from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import PAUSED_SECONDS, PHASES
from enhancer.domain.errors import InternalError, NotInCohort, RunsPaused
from enhancer.domain.flags import CLOSED, Flags, Guests, PlanCap, canary_step
from enhancer.domain.models import CATALOGUE, model_named
from enhancer.domain.owners import Owner
from enhancer.domain.plans import PLANS, network_images_per_day, smallest_plan_with

HOSTED = [model for model in CATALOGUE if model.provider != "embedded"]
INVITED = Flags(invited=("ada@example.com",))


def alias(model):
    return model.alias


def user(plan="free", email="", name="u1"):
    owner = Owner("user", name)
    return Caller(owner, PLANS[plan], "user", "net", None, account=Account(owner, plan, "user", email=email))


def guest(name="g1"):
    owner = Owner("guest", name)
    return Caller(owner, PLANS["guest"], "guest", "net", owner)


def admitted(flags, caller):
    return flags.admits(caller).admitted


# ------------------------------------------------------------------------------------------- cohorts


@pytest.mark.parametrize(
    ("caller", "cohort"),
    [
        (user("free", " Ada@Example.com "), "C0"), (user("pro", "ada@example.com"), "C0"),
        (user("pro", "bob@example.com"), "C1"), (user("enterprise"), "C1"), (user("free"), "C2"),
        (user("free", "bda@example.com"), "C2"), (guest(), "C3"),
    ],
)  # fmt: skip
def test_a_caller_is_the_first_cohort_that_fits(caller, cohort):
    """An invitation goes to a verified address, whatever its case; no address is nobody's."""
    assert INVITED.cohort_of(caller) == cohort
    assert replace(INVITED, invited=("", "ada@example.com")).admits(caller).cohort == cohort


WHO = {"C0": user("free", "ada@example.com"), "C1": user("pro"), "C2": user("free"), "C3": guest()}


@pytest.mark.parametrize(
    ("phase", "on", "let_in"),
    [
        ("I1", False, "C0 C1"), ("I1", True, "C0 C1"),
        ("I2", False, "C0 C1 C2"), ("I2", True, "C0 C1 C2 C3"),
        ("open", False, "C0 C1 C2 C3"), ("open", True, "C0 C1 C2 C3"),
    ],
)  # fmt: skip
def test_each_phase_lets_in_its_cohorts(phase, on, let_in):
    """Guests come with I2 where they are on; in I1 that switch means nothing yet."""
    flags = replace(INVITED, phase=phase, guests=Guests(on=on))
    found = {cohort for cohort, caller in WHO.items() if admitted(flags, caller)}
    assert found == set(let_in.split())


@pytest.mark.parametrize(
    ("phase", "caller", "sold", "needs"),
    [
        ("I1", user("free"), True, "paid_plan"), ("I1", guest(), True, "paid_plan"),
        ("I1", user("free"), False, "invitation"), ("I1", guest(), False, "invitation"),
        ("I2", guest(), True, "sign_in"), ("I2", guest(), False, "sign_in"),
    ],
)  # fmt: skip
def test_who_is_not_let_in_is_told_what_would_help(phase, caller, sold, needs):
    """Signing in helps where it is enough; where no plan is sold, nobody is sent to buy one."""
    access = Flags(phase=phase).admits(caller, language="de", plans_sold=sold)
    assert (access.admitted, access.needs, access.upgrade_url) == (False, needs, "/de/pricing")
    with pytest.raises(NotInCohort) as refused:
        access.check()
    cohort = "C3" if caller.is_guest else "C2"
    assert refused.value.details == {
        "phase": phase, "cohort": cohort, "needs": needs, "upgradeUrl": "/de/pricing",
    }  # fmt: skip


def test_a_pause_is_for_everybody_but_says_so_only_to_who_is_let_in():
    """Who could not start anyway learns what would help first."""
    flags = Flags(phase="I1", jobs_paused=True)
    with pytest.raises(RunsPaused) as paused:
        flags.admits(user("pro")).check()
    assert paused.value.retry_after_seconds == PAUSED_SECONDS
    with pytest.raises(NotInCohort):
        flags.admits(user("free")).check()


def test_about_whom_nothing_is_known_starts_nothing():
    """A function that forgets the flags fails, and lets nobody in."""
    with pytest.raises(InternalError):
        user("pro").check_access()


# -------------------------------------------------------------------------------------------- canary


@pytest.mark.parametrize(("phase", "make"), [("I1", lambda name: user("free", name=name)), ("I2", guest)])
def test_a_larger_share_throws_nobody_out_and_is_the_share_it_says(phase, make):
    """Everybody's place is fixed: raising the share only adds, and the next phase keeps them all."""
    chance = random.Random(phase)  # noqa: S311
    callers = [make(f"{chance.getrandbits(128):032x}") for _ in range(4000)]
    before: set[str] = set()
    for percent in range(0, 101, 5):
        flags = Flags(phase=phase, canary_percent=percent)
        now = {caller.owner.id for caller in callers if admitted(flags, caller)}
        assert before <= now
        assert abs(len(now) / len(callers) * 100 - percent) < 3
        before = now
    assert len(before) == len(callers)
    following = PHASES[PHASES.index(phase) + 1]
    assert all(admitted(Flags(phase=following), caller) for caller in callers)


def test_the_share_is_only_of_whom_the_next_phase_adds():
    """A canary in I1 lets in no guest, and nobody is lost by a share of 0."""
    assert not admitted(Flags(phase="I1", canary_percent=100), guest())
    for phase, percent in itertools.product(PHASES, (0, 50, 100)):
        assert admitted(Flags(phase=phase, canary_percent=percent), user("pro"))


def test_the_place_in_the_canary_is_the_same_in_every_release():
    """It is written down here: another hash would throw people out who are in."""
    assert canary_step(Owner("user", "0123456789abcdefghjkmnpqrs")) == PLACE_OF_A_USER
    assert canary_step(Owner("guest", "0123456789abcdefghjkmnpqrs")) == PLACE_OF_A_GUEST


PLACE_OF_A_USER, PLACE_OF_A_GUEST = 746, 1969


# ---------------------------------------------------------------------------------------------- caps


@pytest.mark.parametrize(
    ("phase", "own", "cap", "images"),
    [
        ("open", None, None, 3), ("I2", None, None, 1), ("I1", None, None, 1), ("I2", 2, None, 2),
        ("open", 1, None, 1), ("open", 0, None, 0), ("open", 9, None, 3), ("I2", 3, 2, 2), ("open", None, 1, 1),
    ],
)  # fmt: skip
def test_a_guest_has_one_picture_a_day_before_everybody_is_let_in(phase, own, cap, images):
    """Unless the operator says otherwise; the smaller of both caps counts, and the network's follows."""
    caps = {} if cap is None else {"guest": PlanCap(images_per_day=cap)}
    flags = Flags(phase=phase, guests=Guests(on=True, images_per_day=own), plan_caps=caps)
    plan = flags.seen_by(guest()).plan
    assert (plan.images_per_day, network_images_per_day(plan)) == (images, 5 * images)


def test_a_cap_lowers_a_plan_and_never_raises_it():
    """What it does not name stays, and other plans do."""
    flags = Flags(plan_caps={"pro": PlanCap(images_per_day=5, credits_per_month=10_000, scale_max=2)})
    pro, premium = flags.seen_by(user("pro")).plan, flags.seen_by(user("premium")).plan
    assert pro == replace(PLANS["pro"], images_per_day=5, scale_max=2)
    assert premium == PLANS["premium"]


def test_a_refusal_names_a_plan_that_has_it_under_the_caps():
    """Nobody is sold what is capped, too."""
    caller = Flags(plan_caps={"pro": PlanCap(scale_max=2)}).seen_by(user("free"))
    assert smallest_plan_with(scale=4, plans=caller.plans) == "premium"
    assert smallest_plan_with(scale=4) == "pro"


def test_a_guests_things_are_retried_within_the_guests_cap():
    """Signing in does not lift it."""
    made_as = guest()
    flags = Flags(guests=Guests(images_per_day=1))
    caller = flags.seen_by(replace(user("pro"), guest=made_as.owner))
    assert caller.as_maker(made_as.owner).plan.images_per_day == 1
    assert caller.as_maker(made_as.owner).access == caller.access


# -------------------------------------------------------------------------------------------- models


@pytest.mark.parametrize("model", HOSTED, ids=alias)
def test_a_model_is_switched_off_by_provider_slug_or_alias(model):
    """Three names, and no other one."""
    for name in (model.provider, model.slug, model.alias):
        assert Flags(off=("something", name)).lets_run(model) is False
    assert Flags(off=("something", model.alias.upper(), "")).lets_run(model) is True


@pytest.mark.parametrize("name", ["embedded", "local", "local/real-esrgan"])
def test_the_embedded_model_cannot_be_switched_off(name):
    """There is always one that works; a pause stops it like everything else."""
    assert Flags(off=(name,)).lets_run(model_named("local")) is True


@pytest.mark.parametrize("model", CATALOGUE, ids=alias)
def test_nothing_is_off_by_default(model):
    """Without a record there are no switches."""
    assert Flags().lets_run(model) is True
    assert Flags().spend_cap is None


def test_without_any_knowledge_who_pays_is_served_and_no_provider_is_paid():
    """What a function goes by whose record cannot be read."""
    assert {cohort for cohort, caller in WHO.items() if admitted(CLOSED, caller)} == {"C1"}
    assert {model.provider for model in CATALOGUE if CLOSED.lets_run(model)} == {"embedded"}
    assert CLOSED.spend_cap == 0
