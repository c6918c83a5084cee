"""Going back to an earlier release: all functions, once, and to the same one however often it is run."""

import argparse
import socket

import pytest

from ops import restore, rollback
from ops.rollback import Function, RollbackError
from tests.support.releases import BEFORE, DENIED, LAST, OLD, Lambda, Stack, deployed


def run(stack, **order):
    """What the command says."""
    said = []
    rollback.run(stack, argparse.Namespace(**{"to": None, "list": False, "prune": None} | order), said.append)
    return said


def test_everybody_is_moved_to_the_release_before_and_a_newer_function_stays():
    """Versions are numbered by function, so it goes by the release's name."""
    functions = deployed()
    said = run(Stack(functions))
    assert functions.live == {"a": "4", "b": "2", "new": "1"}
    assert said[0] == f"{BEFORE} is live: 2 functions moved, 1 stayed."
    assert "new" in said[1]


def test_running_it_again_goes_no_further_back():
    """The target follows from what was deployed, or a nervous second call would go two releases back."""
    functions = deployed()
    run(Stack(functions))
    assert run(Stack(functions))[0] == f"{BEFORE} is live: 0 functions moved, 3 stayed."
    assert functions.live == {"a": "4", "b": "2", "new": "1"}


def test_what_broke_off_half_way_is_told_and_finished_by_the_next_run():
    """One function that cannot be moved keeps no other from moving."""
    functions = deployed(refusals={"a": rollback.TRIES})
    with pytest.raises(RollbackError, match=r"Not moved: a \(.*slow down.*Run it again"):
        run(Stack(functions))
    assert functions.live == {"a": "5", "b": "2", "new": "1"}
    run(Stack(functions))
    assert functions.live == {"a": "4", "b": "2", "new": "1"}


def test_a_refusal_or_two_are_tried_again():
    """Lambda limits how many changes it takes in a second."""
    functions = deployed(refusals={"a": rollback.TRIES - 1})
    run(Stack(functions))
    assert functions.live["a"] == "4"


def test_callers_are_not_left_divided():
    """A canary that was left behind sends some callers on to the other version."""
    functions = deployed()
    functions.live["a"], functions.weights["a"] = "4", {"5": 0.1}
    run(Stack(functions))
    assert functions.weights["a"] == {}


def test_any_release_can_be_named_also_the_way_forward():
    """Back two, and forward to the last again."""
    functions = deployed()
    run(Stack(functions), to=OLD)
    assert functions.live == {"a": "3", "b": "1", "new": "1"}
    run(Stack(functions), to=LAST)
    assert functions.live == {"a": "5", "b": "9", "new": "1"}


def test_a_commit_is_as_good_as_a_release_and_its_newest_counts():
    """One commit can be deployed twice, with other parameters."""
    functions = deployed()
    functions.versions["a"]["2611290930aaaaaaa"] = "6"
    run(Stack(functions), to="aaaaaaa" + "0" * 33)
    assert functions.live == {"a": "6", "b": "9", "new": "1"}


def test_an_unknown_release_moves_nothing():
    """And the known ones are named."""
    functions = deployed()
    with pytest.raises(RollbackError, match=f"no release x. Known: {OLD}, {BEFORE}, {LAST}"):
        run(Stack(functions), to="x")
    assert functions.live["a"] == "5"


def test_without_an_earlier_release_there_is_no_way_back():
    """A first deployment."""
    with pytest.raises(RollbackError, match="no release before"):
        run(Stack(Lambda({"a": {LAST: "1"}}, {"a": "1"})))


def test_a_deployment_under_way_is_stopped_instead():
    """Whoever moves aliases under CodeDeploy's hands has them moved again by it."""
    stack = Stack(deployed(), status="UPDATE_IN_PROGRESS")
    assert "stopped" in run(stack)[0]
    assert stack.stopped
    assert stack.functions.live["a"] == "5"


def test_a_nervous_second_call_after_a_stopped_deployment_goes_no_further_back():
    """The stack takes itself back, and names the release before as the one deployed: before that is one too many."""
    stack = Stack(deployed(), status="UPDATE_ROLLBACK_IN_PROGRESS")
    with pytest.raises(RollbackError, match="Wait for its end"):
        run(stack)
    with pytest.raises(RollbackError, match="Wait for its end"):
        run(stack, to=OLD)
    stack.description["StackStatus"] = "UPDATE_ROLLBACK_COMPLETE"
    with pytest.raises(RollbackError, match="everybody is back at"):
        run(stack)
    assert stack.functions.live == {"a": "5", "b": "9", "new": "1"}
    run(stack, to=OLD)
    assert stack.functions.live == {"a": "3", "b": "1", "new": "1"}


def test_what_a_failed_deployment_left_is_no_release_to_go_back_to():
    """It published versions of some functions only, and nobody ever was on them."""
    functions = deployed()
    functions.versions["a"]["2611290930ddddddd"] = "6"
    assert run(Stack(functions))[0] == f"{BEFORE} is live: 2 functions moved, 1 stayed."
    assert functions.live == {"a": "4", "b": "2", "new": "1"}


def test_what_aws_refuses_is_told_in_a_sentence(monkeypatch, capsys):
    """Also without credentials, half-way through."""
    stack = Stack(deployed())
    monkeypatch.setattr(rollback, "stack_of", lambda _: stack)
    monkeypatch.setattr(stack.functions, "delete_function", lambda **_: (_ for _ in ()).throw(DENIED))
    assert rollback.main(["staging", "--prune", "2"]) == 1
    assert "Run it again" in capsys.readouterr().err


def test_old_versions_are_deleted_but_never_what_is_live():
    """Also where an old release is live again."""
    functions = deployed()
    functions.live["b"] = "1"
    assert run(Stack(functions), prune=2)[0].startswith("1 versions deleted")
    assert functions.versions == {
        "a": {BEFORE: "4", LAST: "5"}, "b": {OLD: "1", BEFORE: "2", LAST: "9"}, "new": {LAST: "1"},
    }  # fmt: skip


def test_the_releases_are_listed_with_what_is_live():
    """A half-way state is seen."""
    functions = deployed()
    functions.live["b"] = "2"
    assert run(Stack(functions), list=True) == [
        f"{OLD}  2 functions, live for 0", f"{BEFORE}  2 functions, live for 1",
        f"{LAST}  3 functions, live for 2 <- deployed last",
    ]  # fmt: skip


@pytest.mark.parametrize("kept", ["0", "1", "-3", "x"])
def test_the_way_back_cannot_be_pruned_away(kept, capsys):
    """Two is the least."""
    with pytest.raises(SystemExit):
        rollback.main(["local", "--prune", kept])
    assert "at least 2" in capsys.readouterr().err


def test_an_unreachable_stack_is_an_exit_status_and_a_sentence(capsys):
    """No trace of calls for an operator in a hurry."""
    assert rollback.main(["nowhere"]) == 1
    assert "There is no environment 'nowhere'" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[rollback.main, "--list"], [restore.main, "--close"]])
def test_a_local_stack_that_does_not_run_is_told_with_the_way_on(command, monkeypatch, capsys):
    """As by all other commands of an operator."""
    with socket.socket() as taken:  # bound and not listening: nothing answers there
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("EMULATOR_PORT", str(taken.getsockname()[1]))
        main, *arguments = command
        assert main(["local", *arguments]) == 1
    assert "Start it with `make run`" in capsys.readouterr().err


def test_what_aws_refuses_is_an_exit_status_and_a_sentence(monkeypatch, capsys):
    """A role that may not read aliases, for example."""

    def denied(_stack):
        raise DENIED

    monkeypatch.setattr(rollback, "functions_of", denied)
    assert rollback.main(["local"]) == 1
    assert "slow down. Run it again" in " ".join(capsys.readouterr().err.split())


def test_a_function_whose_version_is_gone_is_told():
    """Nothing is guessed."""
    assert Function("a", {OLD: "1"}, live="7", shared=False).live_release == "?"
