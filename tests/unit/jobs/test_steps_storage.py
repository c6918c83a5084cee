"""The bucket fails after the provider succeeded: the same prediction is fetched again, and paid once or not at all."""

import pytest
from botocore.exceptions import ClientError

from enhancer.adapters.predictors import replicate as module
from enhancer.domain.costs import estimated
from enhancer.domain.models import model_named
from enhancer.domain.periods import day_of
from enhancer.jobs import run
from enhancer.jobs.submit import EnhanceOrder
from tests.support.bucket import Bucket
from tests.support.replicate_answers import CREATE, GET, adapter, ready
from tests.support.scripted_server import says
from tests.support.scripted_server import server as server  # noqa: PLC0414 - a fixture
from tests.support.world import World

ORDER = EnhanceOrder(model="gfpgan")
COST = 450
"""Two seconds, as every prediction here took."""


class Failing(Bucket):
    """A bucket that refuses the next results."""

    refusals = 0

    def put(self, key, data, content_type, *, facts=None):
        if facts and self.refusals:
            self.refusals -= 1
            raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")
        super().put(key, data, content_type, facts=facts)


@pytest.fixture
def made(server, monkeypatch):
    """A world whose Replicate makes a picture of twice the size at once."""
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(run.time, "sleep", lambda _: None)
    world = World(artifacts=Failing())
    world.replicate = adapter(server, world.artifacts)
    server.on(CREATE, says(201, ready(server, (16, 12))))
    server.on(GET, says(200, ready(server, (16, 12))))
    return world


def spent(world):
    return world.spend.total(day_of(world.clock))


@pytest.mark.parametrize("via", ["step", "request"])
def test_a_bucket_that_fails_once_costs_a_second_look(made, server, via):
    """Settled once, created once, at the cost of one prediction; a request hands it over for that."""
    caller = made.caller("pro")
    made.artifacts.refusals = 1
    if via == "request":
        job = made.finish(made.submit(caller, ORDER))
        made.start_prediction(job)
        assert made.finish_item(job) is None
    else:
        job = made.batch(caller, 1, ORDER)
        made.start_prediction(job)
        assert made.finish_item(job) is not None
        made.start_prediction(job, turn=1)
        assert made.finish_item(job, turn=1) is None
    made.finish_job(job)
    assert made.kinds(caller) == ["hold", "settle"]
    assert (len(server.calls(CREATE)), made.stored(job).items[0].cost, spent(made)) == (1, COST, COST)


def test_a_bucket_that_fails_for_ever_gives_everything_back(made, server, caplog):
    """Three looks, then the hold is released; the log names the prediction that nobody got."""
    caller = made.caller("pro")
    made.artifacts.refusals = 99
    job = made.batch(caller, 1, ORDER)
    for turn in range(3):
        made.start_prediction(job, turn=turn)
        again = made.finish_item(job, turn=turn)
        assert (again is None) is (turn == 2)
    made.finish_job(job)
    item = made.stored(job).items[0]
    assert (item.error.code, item.charge, item.cost) == ("provider_unavailable", 0, COST)
    assert (made.kinds(caller), len(server.calls(CREATE))) == (["hold", "release"], 1)
    assert made.usage_and_balance(caller) == (0, 0, 0, 0)
    assert spent(made) == COST <= estimated(model_named("gfpgan").slug)
    assert {record.predictionId for record in caplog.records if record.message == "result not kept"} == {"p1"}
