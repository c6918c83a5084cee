"""`make flags`: what an operator types and reads."""

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.flags import FlagStore
from enhancer.domain.flags import Flags
from ops import flags
from ops.stack import Stack, StackError
from tests.support.flags import set_flags

ARN = "arn:aws:sts::123456789012:assumed-role/operators/ada"
REASON = "as agreed"


class ShownStack(Stack):
    """A stack whose table is a test's own."""

    description = None
    parameters = None

    def table(self):
        return self.outputs["table"]

    def caller(self):
        return ARN


@pytest.fixture
def run(world, capsys):
    """Runs the command: ``run(DO="set", SET="phase=I1")`` returns (exit code, what was printed)."""
    stack = ShownStack("staging", "ai-image-enhancer-staging", "eu-central-1")
    vars(stack).update(
        outputs={"table": world.table},
        parameters={"Environment": "production", "LaunchPhase": "I1", "SpendCapUsd": "7"},
    )

    def command(*arguments, **environ):
        code = flags.main(arguments, environ, stack_named=lambda _: stack, now=world.now)
        out, err = capsys.readouterr()
        return code, out + err

    return command


@pytest.fixture
def now(world):
    """The flags in force."""
    return lambda: FlagStore(world.table).get()


def test_without_a_word_the_flags_are_shown(run, world):
    """With the stack's own values, as its functions see them, and what providers cost today."""
    code, told = run()
    assert code == 0
    assert "ai-image-enhancer-staging (eu-central-1), version 0" in told
    assert "phase          I1" in told
    assert "creditsCta     false" in told
    assert "0.00 of 7.00 USD" in told


def test_a_change_is_made_and_its_difference_told(run, now, world):
    """The caller of AWS is kept as the actor."""
    code, told = run(DO="set", SET="phase=I2 guests.on=true canaryPercent=10", REASON=REASON)
    assert code == 0
    assert "phase: I1 -> I2" in told
    assert "guests.on: false -> true" in told
    assert "within 60 seconds" in told
    assert ARN in told
    assert (now().phase, now().guests.on, now().canary_percent) == ("I2", True, 10)
    assert next(iter(FlagStore(world.table).history())).actor == ARN


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("off=replicate,sd15", {"off": ("replicate", "sd15")}), ("off=", {"off": ()}),
        ("off+=sd15", {"off": ("sd15", "topaz")}), ("off-=topaz", {"off": ()}),
        ("off+=sd15 off+=gfpgan off-=topaz", {"off": ("gfpgan", "sd15")}),
        ("invited+=Ada@example.com", {"invited": ("ada@example.com", "bob@example.com")}),
        ("spendCapUsd=null", {"spend_cap": None}), ("spendCapUsd=2.5", {"spend_cap": 2_500_000}),
        ("jobsPaused=true planGating=false", {"jobs_paused": True, "plan_gating": False}),
        ("guests.imagesPerDay=1 guests.on=true", {}), ("planCaps.free.scaleMax=2", {}),
    ],
)  # fmt: skip
def test_assignments_are_read_as_they_are_meant(run, now, world, written, found):
    """Lists are added to and taken from, null is null."""
    set_flags(world.table, off=("topaz",), invited=("bob@example.com",), spend_cap=5)
    code, _ = run("--do", "set", "--set", written, "--reason", REASON)
    assert code == 0
    assert {name: getattr(now(), name) for name in found} == found


def test_a_trial_changes_nothing(run, now):
    """It shows what would."""
    code, told = run(DO="set", SET="phase=open", DRY="1")
    assert code == 0
    assert "phase: I1 -> open" in told
    assert "Nothing was changed" in told
    assert now() == Flags()


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"SET": "phase=I3", "REASON": REASON}, "phase must be I1, I2, open"),
        ({"SET": "off+=replicat", "REASON": REASON}, "replicat is no provider and no model; off takes"),
        ({"SET": "fase=I2", "REASON": REASON}, "no flag fase; there are phase, guests,"),
        ({"SET": "guests=yes", "REASON": REASON}, "write guests.on=true"),
        ({"SET": "off+=local", "REASON": REASON}, "cannot be switched off"),
        ({"SET": "phase=I2"}, "Say why, in 3 characters or more: REASON="),
        ({"SET": "phase", "REASON": REASON}, "is no assignment"),
        ({"SET": "phase+=I2", "REASON": REASON}, "phase is no list"),
        ({"SET": "off=sd15 off.x=1", "REASON": REASON}, "off.x is set twice"),
        ({"SET": "", "REASON": REASON}, "Say what to set"),
        ({"SET": "canaryPercent=200", "REASON": REASON}, "canaryPercent must be 100 or less"),
        ({"SET": "guests.no=1", "REASON": REASON}, "guests.no is unknown"),
        ({"SET": "'phase=I2", "REASON": REASON}, "quotation"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_in_words(run, now, environ, says):
    """And nothing changes."""
    code, told = run(DO="set", **environ)
    assert (code, says in told) == (1, True), told
    assert now() == Flags()


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"DO": "rolback", "REASON": REASON}, "DO is one of show, set, history, rollback"),
        ({"SET": "phase=I2", "REASON": REASON}, "SET is for DO=set"),
        ({"DO": "history", "SET": "phase=I2"}, "SET is for DO=set"),
        ({"DO": "rollback"}, "Say why"),
    ],
)
def test_a_deed_is_never_left_undone_without_a_word(run, now, environ, says):
    """A misspelt word in the environment is one that no parser sees."""
    code, told = run(**environ)
    assert (code, says in told) == (1, True), told
    assert now() == Flags()


def test_a_rollback_is_one_command(run, now):
    """To the version before, or to VERSION."""
    for phase in ("I1", "I2", "open"):
        run(DO="set", SET=f"phase={phase}", REASON=REASON)
    code, told = run(DO="rollback", REASON="too many errors")
    assert (code, now().phase) == (0, "I2")
    assert "phase: open -> I2" in told
    run(DO="rollback", VERSION="3", REASON="false alarm")
    assert now().phase == "open"
    code, told = run(DO="rollback", VERSION="77", REASON="false alarm")
    assert (code, "none that can be" in told and "DO=history" in told) == (1, True)


def test_a_trial_of_a_rollback_changes_nothing_either(run, now):
    """It shows what would come back."""
    run(DO="set", SET="phase=I2", REASON=REASON)
    code, told = run(DO="rollback", DRY="1", REASON=REASON)
    assert (code, "phase: I2 -> I1" in told, "Nothing was changed" in told) == (0, True, True)
    assert (now().phase, now().version) == ("I2", 1)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"DO": "rolback"}, "DO is one of show, set, history, rollback"),
        ({"SET": "phase=I1"}, "is for DO=set"),
        ({"SET": "phase=I1", "DO": "rollback"}, "is for DO=set"),
        ({"DO": "history", "LIMIT": "-1"}, "LIMIT is 1 or more"),
        ({"DO": "set", "SET": "off.a=1 off+=topaz"}, "off must be"),
        ({"DO": "set", "SET": f"phase={'[' * 100_000}"}, "phase must be"),
    ],
)
def test_a_command_that_would_do_nothing_is_no_success(run, now, environ, says):
    """A slip in an emergency must not look like a change that was made."""
    code, told = run(REASON=REASON, **environ)
    assert (code, says in told) == (1, True), told
    assert now() == Flags()


def test_what_others_wrote_cannot_steer_the_terminal(run, world):
    """A reason is one line, whatever is in it."""
    set_flags(world.table, phase="I2")
    run(DO="set", SET="phase=I1", REASON="fine\x1b[2J\n    9  2026-01-01 forged")
    told = run(DO="history")[1]
    assert "fine\\x1b[2J\\n    9  2026-01-01 forged" in told
    assert "\x1b" not in told


def test_the_history_tells_who_why_and_what_was_different(run):
    """Newest first; a rollback says to what."""
    assert "Nobody has changed anything yet" in run(DO="history")[1]
    run(DO="set", SET="phase=I2", REASON="second phase")
    run(DO="rollback", REASON="too many errors")
    _, told = run(DO="history")
    newest, *rest = told.splitlines()
    assert "2  2026-11-20 12:00:00 UTC" in newest
    assert f"{ARN} (version 0 again): too many errors" in newest
    assert "phase: I2 -> I1" in rest[0]
    assert "second phase" in rest[1]


def test_another_operator_at_the_same_moment_is_told(run, world, monkeypatch):
    """With the way on."""
    real = FlagStore.write

    def write(store, *arguments, **named):
        monkeypatch.setattr(FlagStore, "write", real)
        set_flags(world.table, phase="open")
        return real(store, *arguments, **named)

    monkeypatch.setattr(FlagStore, "write", write)
    code, told = run(DO="set", SET="phase=I2", REASON=REASON)
    assert (code, "Nothing was changed" in told) == (1, True)
    assert "version 1 is in force" in told


def test_a_record_that_counts_for_nothing_is_shown_as_such(run, world):
    """With what repairs it."""
    set_flags(world.table, phase="I2")
    world.table.put({**keys.flags(), "document": {"phase": "I9"}, "version": 1})
    _, told = run()
    assert "ignored (bad: phase)" in told
    assert "phase          I2" in told
    code, _ = run(DO="rollback", REASON="a record that nobody can read")
    assert (code, FlagStore(world.table).get().phase) == (0, "I2")


def test_a_stack_that_cannot_be_reached_is_told(capsys):
    """In a sentence, without a traceback."""

    def missing(env):
        raise StackError(f"no {env}")

    assert flags.main([], {"ENV": "moon"}, stack_named=missing) == 1
    assert capsys.readouterr().err == "no moon\n"
