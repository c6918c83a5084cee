"""A provider that misbehaves costs nobody anything but time; all faults are in docs/provider-faults.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e import provider_faults
from tests.e2e.deployed import Deployed
from tests.e2e.provider_lab import REPLICATE, WORKERS, Lab
from tests.e2e.provider_play import GENERATE, JOB, Fault, Line, play
from tests.support.client import Client, picture

Play = Callable[[str, str, str], Line]


@pytest.fixture(scope="module")
def lab(deployed: Deployed, fresh_client: Callable[[], Client]) -> Iterator[Lab]:
    """The stack as a laboratory."""
    opened = Lab(deployed, fresh_client)
    yield opened
    opened.canary.close()


@pytest.fixture(scope="module")
def faults(lab: Lab) -> dict[tuple[str, str], Fault]:
    """All faults of the table, by name and model."""
    chapters = provider_faults.chapters(lab.canary.url)
    return {(fault.name, fault.model): fault for found in chapters.values() for fault in found}


@pytest.fixture(scope="module")
def played(lab: Lab, faults: dict[tuple[str, str], Fault]) -> Play:
    """Play a fault by its name, model and call. Books, tokens, prices and costs are checked in each."""

    def run(name: str, model: str, via: str) -> Line:
        return play(lab, faults[name, model], via)[0]

    return run


def outcome(line: Line) -> tuple[str, int]:
    """What the caller saw, and paid in tenths."""
    assert line.held == 0
    return line.saw, line.charge


def test_every_fault_has_its_row_in_the_document(faults: dict[tuple[str, str], Fault]) -> None:
    """The summary names each fault with each call it is played by, once, and nothing else."""
    assert sorted(provider_faults.documented()) == sorted(
        (fault.name, fault.model, via) for fault in faults.values() for via in fault.via
    )


@pytest.mark.parametrize("via", [GENERATE, JOB])
@pytest.mark.parametrize("model", ["real-esrgan", "gfpgan"])
def test_answer_lost_after_creating_makes_one_prediction_and_its_picture(
    played: Play, model: str, via: str
) -> None:
    """The connection is reset once the prediction exists: it is found, not made again, and paid once."""
    line = played("reset after creating", model, via)
    assert outcome(line) == (f"{'200' if via == GENERATE else '202'}, {model}", 10)
    assert (line.calls.creates, line.calls.made) == (1, 1)


@pytest.mark.parametrize("via", [GENERATE, JOB])
def test_prediction_that_nobody_could_learn_of_is_stopped_when_it_begins(played: Play, via: str) -> None:
    """Its creation was not answered and the list is down: another one is made, and the first does not go on."""
    line = played("reset after creating, and the list does not answer", "gfpgan", via)
    assert outcome(line) == (f"{'200' if via == GENERATE else '202'}, gfpgan", 10)
    assert (line.calls.creates, line.calls.made, line.left) == (2, 2, 0)


@pytest.mark.parametrize(
    ("name", "model", "via", "saw", "charge"),
    [
        ("below $5 of credit", "gfpgan", JOB, "202, gfpgan", 10),
        ("below $5 of credit", "gfpgan", GENERATE, "200, gfpgan", 10),
        ("below $5 of credit, an hour's wait", "real-esrgan", GENERATE, "200, local", 10),
        ("below $5 of credit, an hour's wait", "gfpgan", JOB, "202, failed: provider_throttled", 0),
    ],
)
def test_account_low_on_credit_is_waited_for_as_long_as_it_is_worth_it(
    played: Play, name: str, model: str, via: str, saw: str, charge: int
) -> None:
    """Some seconds are waited; for an hour, the fallback runs or everything is given back."""
    assert outcome(played(name, model, via)) == (saw, charge)


@pytest.mark.parametrize(
    ("name", "model", "via", "saw", "creates"),
    [
        ("402", "real-esrgan", GENERATE, "200, local", 1),
        ("429, Retry-After: 3600", "real-esrgan", JOB, "202, local", 1),
        ("503, always", "topaz", JOB, "202, local", 3),
        ("succeeded, output null", "real-esrgan", GENERATE, "200, local", 2),
        ("failed, E1001", "real-esrgan", JOB, "202, local", 1),
        ("aborted", "real-esrgan", GENERATE, "200, local", 1),
        ("black", "real-esrgan", JOB, "202, local", 2),
        ("wrong size", "topaz", GENERATE, "200, local", 2),
        ("output truncated", "real-esrgan", GENERATE, "200, local", 2),
        ("never ends", "real-esrgan", JOB, "202, local", 1),
        ("spend cap reached", "real-esrgan", GENERATE, "200, local", 0),
        ("switched off in mid-job, and then 503", "real-esrgan", JOB, "202, local", 1),
    ],
)
def test_fault_of_a_model_with_a_fallback_ends_with_the_fallbacks_picture_at_its_price(
    played: Play, name: str, model: str, via: str, saw: str, creates: int
) -> None:
    """The embedded model makes the picture for one credit; the provider is tried no oftener than it may help."""
    line = played(name, model, via)
    assert (outcome(line), line.calls.creates) == ((saw, 10), creates)


@pytest.mark.parametrize(
    ("name", "model", "via", "saw", "creates"),
    [
        ("401", "real-esrgan", GENERATE, "403 provider_forbidden", 2),
        ("422", "topaz", JOB, "202, failed: provider_rejected", 1),
        ("429, always", "gfpgan", GENERATE, "503 provider_throttled", 3),
        ("failed, NSFW", "nano-banana", GENERATE, "400 prompt_refused", 1),
        ("failed, E1001", "gfpgan", JOB, "202, failed: provider_failed", 1),
        ("output HTML", "gfpgan", GENERATE, "502 provider_output_invalid", 2),
        ("never ends", "gfpgan", JOB, "202, failed: provider_timeout", 1),
        ("never ends, and nobody looks", "gfpgan", JOB, "202, failed: job_expired", 1),
        ("spend cap reached", "gfpgan", GENERATE, "503 provider_exhausted", 0),
    ],
)
def test_fault_that_nothing_cures_is_told_by_its_code_and_is_free(
    played: Play, name: str, model: str, via: str, saw: str, creates: int
) -> None:
    """No model can run instead, or it would not help: the caller learns why, and pays nothing."""
    line = played(name, model, via)
    assert (outcome(line), line.calls.creates) == ((saw, 0), creates)


@pytest.mark.parametrize(
    ("name", "model", "via", "saw", "runs"),
    [
        ("4006, allowance used up", "flux-klein", GENERATE, "200, sd15", 2),
        ("3040, out of capacity, once", "sd15", JOB, "202, sd15", 2),
        ("no image", "flux-klein", JOB, "202, sd15", 3),
        ("bad base64", "flux-klein", GENERATE, "200, sd15", 3),
        ("hang before headers, once", "sd15", GENERATE, "202, sd15", 2),
    ],
)
def test_fault_of_workers_ai_that_passes_ends_with_a_picture(
    played: Play, name: str, model: str, via: str, saw: str, runs: int
) -> None:
    """Another try, or the model that costs nothing, makes the picture for one credit."""
    line = played(name, model, via)
    assert (outcome(line), line.calls.runs) == ((saw, 10), runs)


@pytest.mark.parametrize(
    ("name", "model", "via", "saw", "runs"),
    [
        ("4006, allowance used up", "sd15", JOB, "202, failed: provider_exhausted", 1),
        ("3030, prompt refused", "flux-klein", GENERATE, "400 prompt_refused", 1),
        ("5007, no such model", "sd15", GENERATE, "400 provider_rejected", 1),
        ("10000, token refused", "flux-klein", JOB, "202, failed: provider_forbidden", 1),
        ("HTML with 200", "sd15", GENERATE, "502 provider_output_invalid", 2),
        ("truncated image", "sd15", JOB, "202, failed: provider_output_invalid", 2),
    ],
)
def test_fault_of_workers_ai_that_stays_is_told_by_its_code_and_is_free(
    played: Play, name: str, model: str, via: str, saw: str, runs: int
) -> None:
    """What no other try and no other model can cure."""
    line = played(name, model, via)
    assert (outcome(line), line.calls.runs) == ((saw, 0), runs)


@pytest.mark.parametrize("name", ["webhook missing", "webhook forged"])
def test_end_that_nobody_trustworthy_reports_is_found_by_the_sweep(played: Play, name: str) -> None:
    """The sweep asks the provider, wakes the job, and its picture is paid once."""
    line = played(name, "real-esrgan", JOB)
    assert (outcome(line), line.calls.creates) == (("202, real-esrgan", 10), 1)


def test_webhook_that_overtakes_the_answer_is_no_problem(played: Play) -> None:
    """The end is reported before the create was answered; the job ends with its picture."""
    line = played("webhook before the answer", "gfpgan", JOB)
    assert (outcome(line), line.calls.creates) == (("202, gfpgan", 10), 1)


def test_redirect_of_the_delivery_host_is_not_followed(played: Play, lab: Lab) -> None:
    """Where it leads to nobody ever calls, with or without a token; the fallback makes the picture."""
    line = played("output redirected to another host", "real-esrgan", GENERATE)
    assert (outcome(line), line.calls.downloads) == (("200, local", 10), 2)
    assert lab.canary.heard == []


def test_next_request_after_a_fault_is_served_as_if_nothing_had_been(lab: Lab) -> None:
    """No breaker stays open and nothing is remembered against anybody."""
    with lab.held(REPLICATE, WORKERS):
        client, owner = lab.someone()
        answer = client.generate(picture(seed=next(lab.seeds)), model="gfpgan")
        assert (answer.status_code, answer.json()["data"]["provider"]) == (200, "replicate")
        lab.check_books(owner)
