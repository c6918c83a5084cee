"""Every hold is made behind the operator's flags: in one place, whichever way a run is asked for."""

import ast
import re
from dataclasses import replace

import pytest

from enhancer.domain.cohorts import Access
from enhancer.domain.errors import InternalError, NotInCohort, RunsPaused
from enhancer.domain.jobs import Source
from enhancer.jobs import manage, quote, submit
from enhancer.jobs.submit import EnhanceOrder
from tests.support.template import ROOT

OUT = Access("I1", "C2", admitted=False, needs="paid_plan", upgrade_url="/en/pricing")
PAUSED = Access("open", "C2", admitted=True, paused=True)
REFUSALS = [(OUT, NotInCohort), (PAUSED, RunsPaused), (None, InternalError)]


def batch(world, caller):
    model, params = submit.interpret(EnhanceOrder())
    wanted = [(Source("url", "https://pictures.example/a.png"), None)]
    return submit.submit_batch(
        model, params, wanted, caller=caller, idempotency_key=None, now=world.clock, deps=world.job_deps
    )


def retry(world, caller):
    admitted = replace(caller, access=Access("open", "C2", admitted=True))
    job = manage.cancel(batch(world, admitted).job, deps=world.job_deps)
    return manage.retry(job, caller=caller, idempotency_key=None, deps=world.job_deps)


WAYS = {
    "a picture at once": lambda world, caller: world.submit(caller),
    "a picture as a job": lambda world, caller: world.submit(caller, kind="async"),
    "a batch": batch,
    "a retry": retry,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("access", "refusal"), REFUSALS)
def test_nothing_is_held_for_who_may_start_nothing(world, way, access, refusal):
    """Not even where a caller of the use case forgot to ask before."""
    caller = replace(world.caller("free"), access=access)
    with pytest.raises(refusal):
        WAYS[way](world, caller)
    state = world.ledger.usage_and_balance(caller.owner, now=world.clock)
    assert (state.day_used, state.month_used, list(world.jobs.open())) == (0, 0, [])


def test_a_retry_meets_it_before_any_other_refusal(world):
    """Who is not let in learns that, and not that a model is off just now."""
    world.off = {"local"}
    with pytest.raises(NotInCohort):
        retry(world, replace(world.caller("free"), access=OUT))


@pytest.mark.parametrize(("access", "refusal"), REFUSALS[:2])
def test_a_quote_meets_the_same_refusal(world, access, refusal):
    """Before any other."""
    caller = replace(world.caller("free"), access=access)
    state = world.ledger.usage_and_balance(caller.owner, now=world.clock)
    model, params = submit.interpret(EnhanceOrder(scale=8))
    _, found = quote.quote_run(
        model, params, megapixels=0, caller=caller, enabled=world.enabled, state=state, now=world.clock
    )
    assert type(found) is refusal


def calls(path, name):
    """The functions of a file that call something of this name."""
    tree = ast.parse(path.read_text("utf-8"))
    return {
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    }


def test_there_is_one_place_where_the_ledger_is_asked_to_hold():
    """And it looks at the access first."""
    product = [*(ROOT / "layers/common/enhancer").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    holding = {path.name: found for path in product if (found := calls(path, "deps.ledger.hold"))}
    assert holding == {"holds.py": {"hold"}}
    others = {
        path.name
        for path in product
        if re.search(r"(?<!holds)(?<!deps\.ledger)\.hold\(", path.read_text("utf-8"))
    }
    assert others == set()
    assert "hold" in calls(ROOT / "layers/common/enhancer/jobs/holds.py", "check_access")
