"""Run models at Replicate: start a prediction, poll it, cancel it, fetch its result and store it in our bucket.

Replicate's API has no idempotency key: a second POST is a second prediction and a second bill. So a POST whose answer
is lost is never repeated; its prediction is looked for in the list of recent ones instead, by its input image, whose
key in our bucket is unique.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from enhancer.adapters.predictors.replicate_errors import (
    NAME,
    NoAnswer,
    RequestFailed,
    StatusError,
    error_of_request,
    error_of_run,
)
from enhancer.adapters.predictors.results import Cost, Results, expected_size, output_invalid
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

WAIT_SECONDS = 1
"""What is asked of Replicate by ``Prefer: wait``: the shortest, because only its answer tells the prediction's id."""
RESERVE_SECONDS = 3.0
"""Part of a request's time that is kept for fetching and encoding a result."""
SECONDS_PER_MEGAPIXEL = 0.2
"""Decoding, encoding and storing a result, for one vCPU (measured: up to 0.1 s a megapixel on a faster one)."""
SECONDS_MIN = 1.0
"""With less time left nothing is fetched."""
CREATE_SECONDS_MIN = 2.5
"""With less time left nothing is started: what became of it could not be learned any more."""
START_SECONDS = 10.0
GET_SECONDS = 5.0
CANCEL_SECONDS = 3.0
COLLECT_SECONDS = 30.0
POLL_SECONDS = 0.7
TRIES = 3
PAUSE_SECONDS = 0.2
LINK_SECONDS = 3600
"""How long the input can be fetched: a cold model may take minutes before it does."""
SKEW_MS = 5_000
"""How far Replicate's clock may be behind ours."""
LOST_MS = 60_000
"""A prediction whose id we do not know and which is not listed after so long was never made."""


class Replicate:
    """The `enhancer.domain.predictions.Predictor` for models at Replicate.

    ``base_url`` is the API's address without ``/v1``. ``token(False)`` returns the API token, ``token(True)`` reads it
    again from the secret store. ``callback_url`` returns the URL of the webhook for an item's prediction, None for no
    webhook. ``now`` returns epoch ms.
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

    runs_on = True
    """A prediction is billed whether or not anybody waits for it."""

    def predict(
        self, job: Job, item: Item, *, seconds_max: float, named: Callable[[str], None] | None = None
    ) -> Outcome:
        """Start a prediction and wait for its result; see `Predictor.predict`.

        Once it runs, a failure to poll it or to fetch its result raises `StillRunning`, so that nobody starts, and
        pays, a second one.
        """
        if seconds_max < CREATE_SECONDS_MIN:
            raise OutOfTime
        width, height = expected_size(job, item)
        encoding_seconds = width * height / 1e6 * SECONDS_PER_MEGAPIXEL
        reserve = max(RESERVE_SECONDS, SECONDS_MIN + encoding_seconds)
        ends = time.monotonic() + seconds_max
        run = self._create(job, item, seconds=seconds_max)
        if named:
            named(run.id)
        while not run.ended and (left := ends - time.monotonic() - reserve) > 0:
            time.sleep(min(POLL_SECONDS, left))
            run = self._poll(job, item, run)
        left = ends - time.monotonic() - encoding_seconds
        if not run.ended or left < SECONDS_MIN:
            raise StillRunning(run.id)
        try:
            return self._result(job, item, run, seconds=left)
        except errors.ProviderUnavailable:
            if run.status == "succeeded":  # only fetching or storing its result failed
                raise StillRunning(run.id) from None
            raise

    def start(self, job: Job, item: Item) -> Started:
        """Start a prediction without waiting for its end; see `Predictor.start`."""
        run = self._create(job, item, seconds=START_SECONDS)
        return Started(run.id, ended=run.ended)

    def ended(self, job: Job, item: Item) -> bool:
        """Return whether the prediction has ended or was never made; False also when Replicate cannot be asked."""
        if self._results.find(item):
            return True
        try:
            run = self._current(job, item)
        except errors.ProviderError:
            return False
        return run.ended if run else self._is_lost(job, item)

    def collect(self, job: Job, item: Item) -> Outcome:
        """Return the stored result, or fetch it and store it; see `Predictor.collect`."""
        found = self._results.find(item)
        if found:
            return found
        run = self._current(job, item)
        if run is None and self._is_lost(job, item):
            raise errors.ProviderUnavailable(provider=NAME)
        if run is None or not run.ended:
            raise StillRunning(run.id if run else None)
        return self._result(job, item, run, seconds=COLLECT_SECONDS)

    def cancel(self, job: Job, item: Item) -> None:
        """Cancel the prediction; see `Predictor.cancel`."""
        named = {"jobId": job.id, "item": item.index, "provider": NAME}
        try:
            prediction_id = item.prediction.id if item.prediction else None
            if prediction_id is None:
                run = self._find(_input_key(item), _started_at(job, item), seconds=CANCEL_SECONDS)
                prediction_id = run.id if run and not run.ended else None
        except (RequestFailed, EnhancerError) as failed:
            logger.warning("cancel failed", extra={**named, "errorType": type(failed).__name__})
            return
        logger.info("cancel", extra={**named, "predictionId": prediction_id})
        if prediction_id:
            self.stop(prediction_id)

    def stop(self, prediction_id: str) -> None:
        """Cancel a prediction by its id; see `Predictor.stop`."""
        try:
            self._api.cancel(prediction_id, seconds=CANCEL_SECONDS)
        except (RequestFailed, EnhancerError) as failed:
            facts = {"provider": NAME, "predictionId": prediction_id, "errorType": type(failed).__name__}
            logger.warning("cancel failed", extra=facts)

    @cached_property
    def _api(self) -> Api:
        from enhancer.adapters.predictors.replicate_api import Api  # noqa: PLC0415 - 110 ms of a cold start

        return Api(self._base_url, self._token)

    @cached_property
    def _downloads(self) -> ReplicateDownload:
        from enhancer.adapters.predictors.replicate_download import ReplicateDownload  # noqa: PLC0415 - loads an HTTP client

        return ReplicateDownload(base_url=self._base_url)

    def _create(self, job: Job, item: Item, *, seconds: float) -> Run:
        """Create a prediction with one POST; look for it among the recent ones if the POST may have made it anyway.

        ``seconds`` bounds the POST, and the looking but for two seconds. Raises our error for a refusal.
        """
        model, params = job.model_of(item), job.params_of(item)
        values = {
            "image": self._artifacts.link(_input_key(item), headers={}, seconds=LINK_SECONDS),
            "scale": params.scale,
            "face": params.face,
            "prompt": params.prompt or model.prompt_default,
        }
        webhook, began, ends = self._callback_url(job, item), self._now(), time.monotonic() + seconds
        try:
            return self._api.create(
                model, filled(model.input, values), wait=WAIT_SECONDS, webhook=webhook, seconds=seconds
            )
        except RequestFailed as failed:
            found = self._find_after(failed, _input_key(item), began, ends)
            if found is None:
                raise error_of_request(failed, model) from None
        logger.warning(
            "prediction found again", extra={"jobId": job.id, "item": item.index, "provider": NAME}
        )
        return found

    def _find_after(self, failed: RequestFailed, key: str, began: int, ends: float) -> Run | None:
        """Return the prediction that a failed POST may have made, None if there is none.

        Looks twice, because the list of predictions may lag.
        """
        if isinstance(failed, NoAnswer) and not failed.sent:
            return None
        if isinstance(failed, StatusError) and failed.status < 500:
            return None
        for pause in (0.0, 2 * PAUSE_SECONDS):
            time.sleep(pause)
            left = ends - time.monotonic()
            try:
                found = self._find(key, began, seconds=max(SECONDS_MIN, min(CANCEL_SECONDS, left)))
            except RequestFailed:
                return None
            if found:
                return found
        return None

    def _find(self, key: str, since: int, *, seconds: float) -> Run | None:
        """Return the newest prediction whose input names ``key``, made at ``since`` (epoch ms) or later.

        The clocks may differ by `SKEW_MS`; one that failed before ``since`` belongs to an earlier try.
        """
        for run in self._api.recent(since=since - SKEW_MS, seconds=seconds) if key else []:
            earlier = run.created_at < since and run.ended and run.status != "succeeded"
            if key in run.input and not earlier:
                return run
        return None

    def _current(self, job: Job, item: Item) -> Run | None:
        """Return the item's prediction as it is now, None if there is none; ask at most `TRIES` times."""
        problem: EnhancerError = errors.ProviderUnavailable(provider=NAME)
        for attempt in range(TRIES):
            time.sleep(PAUSE_SECONDS * attempt)
            try:
                if item.prediction and item.prediction.id:
                    return self._api.get(item.prediction.id, seconds=GET_SECONDS)
                return self._find(_input_key(item), _started_at(job, item), seconds=GET_SECONDS)
            except RequestFailed as failed:
                problem = error_of_request(failed, job.model_of(item))
            if not isinstance(problem, errors.ProviderThrottled | errors.ProviderUnavailable):
                break
        raise problem

    def _poll(self, job: Job, item: Item, run: Run) -> Run:
        """Ask once how a running prediction is; return ``run`` itself if that fails."""
        try:
            return self._api.get(run.id, seconds=CANCEL_SECONDS) or run
        except RequestFailed:
            logger.warning("poll failed", extra={"jobId": job.id, "item": item.index, "provider": NAME})
            return run

    def _is_lost(self, job: Job, item: Item) -> bool:
        """Return whether a prediction that Replicate does not know will never appear."""
        named = item.prediction is not None and item.prediction.id is not None
        return named or self._now() - _started_at(job, item) > LOST_MS

    def _result(self, job: Job, item: Item, run: Run, *, seconds: float) -> Outcome:
        """Fetch, check and store the result of an ended prediction; raise our error, with its cost, if it failed."""
        model = job.model_of(item)
        cost = _cost(model, item, run)
        if run.status != "succeeded":
            raise error_of_run(model, status=run.status, error=run.error, cost=cost((0, 0)))
        url, expected = _output_url(run), cost(expected_size(job, item))
        if url is None:  # an output that we cannot read is billed all the same
            raise output_invalid(model, expected if run.output else cost((0, 0)))
        try:
            data = self._downloads.get(url, seconds=seconds)
        except errors.ProviderUnavailable:
            raise errors.ProviderUnavailable(provider=NAME, cost=expected, made=True) from None
        except errors.ProviderOutputInvalid:
            raise output_invalid(model, expected) from None
        try:
            return self._results.keep(job, item, data, cost=cost)
        except errors.ProviderUnavailable as failed:
            logger.error("result not kept", extra={"jobId": job.id, "predictionId": run.id, "provider": NAME})
            raise errors.ProviderUnavailable(provider=NAME, cost=failed.cost, made=True) from None


def _input_key(item: Item) -> str:
    """Return the key of the item's input in our bucket, "" without one."""
    return item.input.key if item.input else ""


def _started_at(job: Job, item: Item) -> int:
    """Return when the current try began, epoch ms."""
    return item.prediction.started_at if item.prediction else job.created_at


def _output_url(run: Run) -> str | None:
    """Return the URL in an output: a string, or the first string of a list; None for anything else."""
    output = run.output
    if isinstance(output, list):
        output = next((entry for entry in output if isinstance(entry, str)), None)
    return output if isinstance(output, str) and output.startswith(("https://", "http://", "data:")) else None


def _cost(model: Model, item: Item, run: Run) -> Cost:
    """Return the function from output size to cost for this run; one canceled before it ran has no billed time."""
    size = (item.input.width, item.input.height) if item.input else (0, 0)
    seconds = 0.0 if run.status in ("canceled", "aborted") and run.seconds is None else run.seconds
    return lambda output: costs.cost(model.slug, seconds=seconds, input_size=size, output_size=output)
