"""What running jobs needs, in one frozen object."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enhancer.domain.jobs import Item, Job
from enhancer.domain.models import Model

if TYPE_CHECKING:
    from enhancer.adapters.aws.artifacts import Artifacts
    from enhancer.adapters.aws.workflow import Workflow
    from enhancer.adapters.dynamodb.jobs import Jobs
    from enhancer.adapters.dynamodb.ledger import Ledger
    from enhancer.adapters.dynamodb.spend import Spend
    from enhancer.adapters.images.pixels import Photo
    from enhancer.domain.predictions import Predictor


@dataclass(frozen=True, slots=True)
class JobDeps:
    """What submitting and running jobs needs.

    ``now`` is the time in epoch ms, ``new_id`` an id that sorts by time, given its prefix, ``new_name`` 128 random bits
    as a name. ``read_photo`` decodes bytes (keyword ``pixels_max``), ``download`` returns the bytes behind a URL.
    ``enabled`` says whether a model may run here now, ``spend_cap`` what all providers together may cost today in USD
    micros, ``chance`` is random, 0 to 1. ``notify`` is called with the kind of notice, the owner and its fields.
    """

    predictors: Mapping[str, Predictor]
    artifacts: Artifacts
    jobs: Jobs
    ledger: Ledger
    spend: Spend
    workflow: Workflow
    now: Callable[[], int]
    new_id: Callable[[str], str]
    new_name: Callable[[], str]
    read_photo: Callable[..., Photo]
    download: Callable[[str], bytes]
    enabled: Callable[[Model], bool]
    spend_cap: Callable[[], int]
    notify: Callable[..., None]
    chance: Callable[[], float] = random.random

    def predictor_of(self, job: Job, item: Item) -> Predictor:
        """Whoever runs this item: the provider of the model asked for, or of its fallback."""
        return self.predictors[job.model_of(item).provider]
