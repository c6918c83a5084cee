"""Models at Replicate: started once, found again whatever the network does, their results fetched and made ours.

There is no idempotency key: a second POST is a second prediction and a second bill. So a POST whose answer is lost is
never repeated; the prediction is looked for instead, by its input, whose key is unique.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from enhancer.adapters.predictors.results import Cost, Results, expected_size, invalid
from enhancer.adapters.predictors.trouble import NoAnswer, Refusal, Trouble
from enhancer.domain import costs, errors
from enhancer.domain.errors import EnhancerError
from enhancer.domain.jobs import Item, Job
from enhancer.domain.models import Model, filled
from enhancer.domain.predictions import Outcome, OutOfTime, Started, StillRunning
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from enhancer.adapters.aws.artifacts import Artifacts
    from enhancer.adapters.predictors.replicate_api import Api, Run
    from enhancer.adapters.predictors.replicate_download import ReplicateDownload

NAME = "replicate"
WAIT_SECONDS_MAX = 20
RESERVE_SECONDS = 3.0
"""Kept of a request's time to fetch and encode a result."""
SECONDS_PER_MEGAPIXEL = 0.2
"""Decoding, encoding and storing a result, for one vCPU (measured: up to 0.1 s a megapixel on a faster one)."""
SECONDS_MIN = 1.0
START_SECONDS = 10.0
ASK_SECONDS = 5.0
CANCEL_SECONDS = 3.0
COLLECT_SECONDS = 30.0
POLL_SECONDS = 0.7
TRIES = 3
PAUSE_SECONDS = 0.2
LINK_SECONDS = 3600
"""A cold model may take minutes before it fetches its input."""
SKEW_MS = 5_000
LOST_MS = 60_000
"""A prediction without a name that does not show up for so long was never made."""
_REFUSED = re.compile(r"nsfw|sensitive|safety|flagged", re.IGNORECASE)
_START_TIMEOUT = "E6716"


class Replicate:
    """See `enhancer.domain.predictions.Predictor`.

    ``base_url`` is the API's address without ``/v1``; ``token(True)`` reads it anew from the store; ``callback_url``
    says where the end of an item's prediction is to be reported, None for nowhere; ``now`` is epoch ms.
    """

    def __init__(
        self,
        *,
        base_url: str,
        token: Callable[[bool], str],
        results: Results,
        artifacts: Artifacts,
        callback_url: Callable[[Job, Item], str | None],
        now: Callable[[], int],
    ) -> None:
        self._base_url = base_url
        self._token = token
        self._results = results
        self._artifacts = artifacts
        self._callback_url = callback_url
        self._now = now

    def predict(self, job: Job, item: Item, *, seconds_max: float) -> Outcome:
        """Run it to its end; see `Predictor.predict`.

        Once it is known to run, trouble with looking at it or fetching its result is no reason to run another one:
        then it is `StillRunning`.
        """
        if seconds_max < SECONDS_MIN:
            raise OutOfTime
        width, height = expected_size(job, item)
        making_ours = width * height / 1e6 * SECONDS_PER_MEGAPIXEL
        reserve = max(RESERVE_SECONDS, SECONDS_MIN + making_ours)
        ends = time.monotonic() + seconds_max
        wait = max(1, min(int(seconds_max - reserve), WAIT_SECONDS_MAX))
        run = self._create(job, item, wait=wait, seconds=seconds_max)
        while not run.ended and (left := ends - time.monotonic() - reserve) > 0:
            time.sleep(min(POLL_SECONDS, left))
            run = self._again(job, item, run)
        left = ends - time.monotonic() - making_ours
        if not run.ended or left < SECONDS_MIN:
            raise StillRunning(run.id)
        try:
            return self._taken(job, item, run, seconds=left)
        except errors.ProviderUnavailable:
            if run.status == "succeeded":  # it is the delivery that fails
                raise StillRunning(run.id) from None
            raise

    def start(self, job: Job, item: Item) -> Started:
        """Start it; see `Predictor.start`."""
        run = self._create(job, item, wait=1, seconds=START_SECONDS)
        return Started(run.id, ended=run.ended)

    def ended(self, job: Job, item: Item) -> bool:
        """Return whether there is nothing left to wait for; False also where the provider cannot be asked."""
        if self._results.find(item):
            return True
        try:
            run = self._current(job, item)
        except errors.ProviderError:
            return False
        return run.ended if run else self._is_lost(job, item)

    def collect(self, job: Job, item: Item) -> Outcome:
        """Return the stored result, or fetch and store it; see `Predictor.collect`."""
        found = self._results.find(item)
        if found:
            return found
        run = self._current(job, item)
        if run is None and self._is_lost(job, item):
            raise errors.ProviderUnavailable(provider=NAME)
        if run is None or not run.ended:
            raise StillRunning(run.id if run else None)
        return self._taken(job, item, run, seconds=COLLECT_SECONDS)

    def cancel(self, job: Job, item: Item) -> None:
        """Ask the provider to stop; see `Predictor.cancel`."""
        named = {"jobId": job.id, "item": item.index, "provider": NAME}
        try:
            prediction_id = item.prediction.id if item.prediction else None
            if prediction_id is None:
                run = self._found(_key(item), _since(job, item), seconds=CANCEL_SECONDS)
                prediction_id = run.id if run and not run.ended else None
            if prediction_id:
                self._api.cancel(prediction_id, seconds=CANCEL_SECONDS)
            logger.info("cancel", extra={**named, "predictionId": prediction_id})
        except (Trouble, EnhancerError) as failed:
            logger.warning("cancel failed", extra={**named, "errorType": type(failed).__name__})

    @cached_property
    def _api(self) -> Api:
        from enhancer.adapters.predictors.replicate_api import Api  # noqa: PLC0415 - 110 ms of a cold start

        return Api(self._base_url, self._token)

    @cached_property
    def _delivery(self) -> ReplicateDownload:
        from enhancer.adapters.predictors.replicate_download import ReplicateDownload  # noqa: PLC0415 - loads an HTTP client

        return ReplicateDownload(base_url=self._base_url)

    def _create(self, job: Job, item: Item, *, wait: int, seconds: float) -> Run:
        """POST once. Whenever the prediction may exist without our knowing, look for it before giving up."""
        model, params = job.model_of(item), job.params_of(item)
        values = {
            "image": self._artifacts.link(_key(item), headers={}, seconds=LINK_SECONDS),
            "scale": params.scale,
            "face": params.face,
            "prompt": params.prompt or model.prompt_default,
        }
        webhook, began = self._callback_url(job, item), self._now()
        try:
            return self._api.create(
                model, filled(model.input, values), wait=wait, webhook=webhook, seconds=seconds
            )
        except Trouble as failed:
            found = self._found_after(failed, _key(item), began)
            if found is None:
                raise _problem(failed, model) from None
        logger.warning(
            "prediction found again", extra={"jobId": job.id, "item": item.index, "provider": NAME}
        )
        return found

    def _found_after(self, failed: Trouble, mark: str, began: int) -> Run | None:
        """Look for what a failed POST may have left behind, twice: a list may lag."""
        if isinstance(failed, NoAnswer) and not failed.sent:
            return None
        if isinstance(failed, Refusal) and failed.status < 500:
            return None
        for pause in (0.0, 2 * PAUSE_SECONDS):
            time.sleep(pause)
            try:
                found = self._found(mark, began, seconds=CANCEL_SECONDS)
            except Trouble:
                return None
            if found:
                return found
        return None

    def _found(self, mark: str, since: int, *, seconds: float) -> Run | None:
        """Return the newest prediction whose input has this mark, begun at ``since`` (epoch ms) or later.

        The clocks may differ a little; what failed before that moment belongs to an earlier try.
        """
        for run in self._api.recent(seconds=seconds) if mark else []:
            recent = run.created_at >= since - SKEW_MS
            earlier = run.created_at < since and run.ended and run.status != "succeeded"
            if mark in run.input and recent and not earlier:
                return run
        return None

    def _current(self, job: Job, item: Item) -> Run | None:
        """Return the item's prediction as it is now, None where there is none; ask at most `TRIES` times."""
        problem: EnhancerError = errors.ProviderUnavailable(provider=NAME)
        for attempt in range(TRIES):
            time.sleep(PAUSE_SECONDS * attempt)
            try:
                if item.prediction and item.prediction.id:
                    return self._api.get(item.prediction.id, seconds=ASK_SECONDS)
                return self._found(_key(item), _since(job, item), seconds=ASK_SECONDS)
            except Trouble as failed:
                problem = _problem(failed, job.model_of(item))
            if not isinstance(problem, errors.ProviderThrottled | errors.ProviderUnavailable):
                break
        raise problem

    def _again(self, job: Job, item: Item, run: Run) -> Run:
        """Look at a running prediction once; return it unchanged if that does not work."""
        try:
            return self._api.get(run.id, seconds=CANCEL_SECONDS) or run
        except Trouble:
            logger.warning("poll failed", extra={"jobId": job.id, "item": item.index, "provider": NAME})
            return run

    def _is_lost(self, job: Job, item: Item) -> bool:
        """Return whether a prediction that is not there never will be."""
        named = item.prediction is not None and item.prediction.id is not None
        return named or self._now() - _since(job, item) > LOST_MS

    def _taken(self, job: Job, item: Item, run: Run, *, seconds: float) -> Outcome:
        """Fetch, check and store the result of a prediction that ended; raise what it failed with, and its cost."""
        model = job.model_of(item)
        cost = _cost(model, item, run)
        if run.status != "succeeded":
            raise _failure(model, run, cost)
        url = _url(run)
        if url is None:  # an output that we cannot read was made all the same, and is billed
            raise invalid(model, cost(expected_size(job, item) if run.output else (0, 0)))
        try:
            data = self._delivery.get(url, seconds=seconds)
        except errors.ProviderError as failed:
            failed.cost = cost(expected_size(job, item))  # it was made, and is billed
            failed.made = isinstance(failed, errors.ProviderUnavailable)
            raise
        return self._results.keep(job, item, data, cost=cost)


def _key(item: Item) -> str:
    return item.input.key if item.input else ""


def _since(job: Job, item: Item) -> int:
    """When the current try began, epoch ms."""
    return item.prediction.started_at if item.prediction else job.created_at


def _url(run: Run) -> str | None:
    """The URL in an output: a string, or the first of a list; None for all else."""
    output = run.output
    if isinstance(output, list):
        output = next((entry for entry in output if isinstance(entry, str)), None)
    return output if isinstance(output, str) and output.startswith(("https://", "http://", "data:")) else None


def _cost(model: Model, item: Item, run: Run) -> Cost:
    size = (item.input.width, item.input.height) if item.input else (0, 0)
    seconds = 0.0 if run.status in ("canceled", "aborted") and run.seconds is None else run.seconds
    return lambda output: costs.cost(model.slug, seconds=seconds, input_size=size, output_size=output)


def _failure(model: Model, run: Run, cost: Cost) -> EnhancerError:
    """Our error for a prediction that ended badly. Its own words decide, and stay out of what is shown."""
    problem: EnhancerError
    if run.status in ("canceled", "aborted"):
        problem = errors.ProviderTimeout(provider=NAME)
    elif _REFUSED.search(run.error):
        problem = errors.PromptRefused(model=model.alias)
    elif _START_TIMEOUT in run.error:
        problem = errors.ProviderUnavailable(provider=NAME)
    else:
        problem = errors.ProviderFailed(provider=NAME)
    problem.cost = cost((0, 0))
    return problem


def _problem(failed: Trouble, model: Model) -> EnhancerError:
    """Our error for a request that was refused or not answered."""
    status = failed.status if isinstance(failed, Refusal) else 0
    retry_after = failed.retry_after if isinstance(failed, Refusal) else None
    if status in (401, 402, 403):
        logger.error("provider refuses us", extra={"provider": NAME, "status": status})
    if status in (401, 403):
        return errors.ProviderForbidden(provider=NAME)
    if status == 402:
        return errors.ProviderExhausted(provider=NAME)
    if status == 429:
        return errors.ProviderThrottled(provider=NAME, retry_after=retry_after)
    if 400 <= status < 500:
        logger.warning("provider rejects", extra={"provider": NAME, "status": status})
        return errors.ProviderRejected(provider=NAME, model=model.alias)
    return errors.ProviderUnavailable(provider=NAME, retry_after=retry_after)
