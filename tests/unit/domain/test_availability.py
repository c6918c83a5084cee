"""Which models may run where: the whole table."""

import itertools

import pytest

from enhancer.domain.availability import Gate
from enhancer.domain.models import CATALOGUE, model_named
from enhancer.settings import ENVIRONMENTS

REPLICATE = [model for model in CATALOGUE if model.provider == "replicate"]
WORKERS_AI = [model for model in CATALOGUE if model.provider == "workers_ai"]
BOOLS = (False, True)


def alias(model):
    return model.alias


def gate(environment="production", *, local=False, workers_ai=False, testing=False, models=()):
    return Gate(
        environment=environment, replicate_is_local=local, workers_ai=workers_ai, testing_workers_ai=testing,
        testing_models=frozenset(models),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "local", "runs"),
    [
        ("development", False, False), ("development", True, True),
        ("testing", False, False), ("testing", True, False),
        ("staging", False, True), ("staging", True, True),
        ("production", False, True), ("production", True, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", REPLICATE, ids=alias)
@pytest.mark.parametrize("rest", itertools.product(BOOLS, BOOLS))
def test_replicate_is_refused_in_testing_always_and_in_development_unless_it_is_a_stand_in(
    environment, local, runs, model, rest
):
    """What is allowed for the other provider changes nothing, its lists neither."""
    workers_ai, testing = rest
    found = gate(environment, local=local, workers_ai=workers_ai, testing=testing, models=[model.alias])
    assert found.admits(model) is runs


@pytest.mark.parametrize("environment", ["development", "staging", "production"])
@pytest.mark.parametrize("enabled", BOOLS)
@pytest.mark.parametrize("rest", itertools.product(BOOLS, BOOLS))
@pytest.mark.parametrize("model", WORKERS_AI, ids=alias)
def test_workers_ai_runs_exactly_where_it_is_enabled(environment, enabled, rest, model):
    """Outside testing one switch decides; the lists of the tests are not asked."""
    local, testing = rest
    found = gate(environment, local=local, workers_ai=enabled, testing=testing)
    assert found.admits(model) is enabled


@pytest.mark.parametrize("enabled", BOOLS)
@pytest.mark.parametrize("allowed", BOOLS)
@pytest.mark.parametrize(
    ("listed", "in_list"), [((), False), (("sd15",), True), (("flux-klein",), False), (("SD15", "sd1"), False),
                            ((model_named("sd15").slug,), True), (("workers_ai",), False)],
)  # fmt: skip
def test_in_testing_workers_ai_needs_both_switches_and_the_list(enabled, allowed, listed, in_list):
    """By slug or alias, spelled exactly."""
    found = gate("testing", workers_ai=enabled, testing=allowed, models=listed)
    assert found.admits(model_named("sd15")) is (enabled and allowed and in_list)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_embedded_model_always_runs(environment):
    """It needs no provider."""
    assert gate(environment).admits(model_named("local")) is True
