"""What a run costs us, in USD micros (0.000001 USD): the providers' prices, each with its source and date.

Unit prices as of 2026-11-20. Marked *unconfirmed* where only third parties state them: compare with the first invoices.

=================================== ===================================================== =================
price                               source                                                date
=================================== ===================================================== =================
T4 GPU 0.000225 USD/s               Replicate, pricing page                               2026-10-07
nano-banana 0.039 USD/output        third parties, unconfirmed                            2026
Topaz 0.05 to 12 MP, 0.08 to 24 MP  third parties, unconfirmed                            2026
FLUX.2 klein 4b, tiles of 512 x 512 Workers AI, pricing page: in 0.000059, out 0.000287   2026-08-28
Stable Diffusion 1.5 img2img        Workers AI, model page: 0 per step (beta)             2026
Lambda 0.0000166667 USD/GB s (x86)  AWS Lambda, pricing page                              2026
=================================== ===================================================== =================
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

DATED = "2026-11-20"
"""When the prices were last looked up."""
TILE = 512
"""Workers AI bills FLUX.2 by tiles with sides of so many pixels."""
LAMBDA_MICROS_PER_GB_SECOND = 16.6667
"""AWS Lambda on x86, USD micros per second and GB of memory."""
SPEND_CAP_MICROS = 20_000_000
"""What all providers together may cost us in a day (UTC) unless a flag says otherwise; the embedded model is free."""


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """How a provider bills a model. Amounts in USD micros.

    ``unit``: what is counted: seconds of the provider's machine, finished images, megapixels of the result, or tiles of
    input and result. ``estimate``: what a run is expected to cost, before it ran. ``micros``: the price of a unit; of
    a tile that goes in where ``out_micros`` is that of one that comes out. ``steps``: (largest megapixels, price of
    the whole image), ascending.
    """

    unit: Literal["second", "output", "output_megapixels", "tiles", "none"]
    estimate: int
    micros: float = 0
    steps: tuple[tuple[float, int], ...] = ()
    out_micros: float = 0


PRICES: dict[str, UnitPrice] = {
    "nightmareai/real-esrgan": UnitPrice("second", 2_300, micros=225),
    "gfpgan": UnitPrice("second", 2_300, micros=225),
    "topazlabs/image-upscale": UnitPrice(
        "output_megapixels", 50_000, steps=((12.0, 50_000), (24.0, 80_000), (float("inf"), 160_000))
    ),
    "google/nano-banana": UnitPrice("output", 39_000, micros=39_000),
    "@cf/runwayml/stable-diffusion-v1-5-img2img": UnitPrice("none", 0),
    "@cf/black-forest-labs/flux-2-klein-4b": UnitPrice("tiles", 1_384, micros=59, out_micros=287),
}
"""By slug; a slug with a pinned version by its bare name, without owner and version."""


@dataclass(frozen=True, slots=True)
class RunFigures:
    """What is booked of an ended run, and added up for the cost report; all of it whole numbers.

    ``micros``: its cost. ``failed``: 1 if it gave no result. ``milliseconds``: how long it took, 0 where that is not
    known. ``waited_ms``: how long a function of ours waited for it. ``kilopixels``: thousands of pixels of the result.
    ``plan_tenths`` and ``credit_tenths``: what its owner was charged. ``in_steps``: 1 if the state machine ran it.
    """

    micros: int
    failed: int = 0
    milliseconds: int = 0
    waited_ms: int = 0
    kilopixels: int = 0
    plan_tenths: int = 0
    credit_tenths: int = 0
    in_steps: int = 0


@dataclass(frozen=True, slots=True)
class SpendRow:
    """All runs of a day by one provider and model (its alias), for owners of one plan and type."""

    provider: str
    model: str
    plan: str
    owner_type: str
    runs: int
    sums: RunFigures


def estimated(slug: str) -> int:
    """Return what a run is expected to cost, USD micros; 0 for the embedded model."""
    found = _price(slug)
    return found.estimate if found else 0


def spend_share(used: int, *, cap: int) -> float:
    """Return how much of a day's cap is spent, in percent; amounts in USD micros.

    It is 100 as soon as the next run of some model does not fit any more, for then runs are refused, and may be more:
    a run can cost more than it was expected to.
    """
    if not used:
        return 0.0
    share = round(100 * used / cap, 2) if cap else 100.0
    dearest = max(price.estimate for price in PRICES.values())
    return max(share, 100.0) if used + dearest > cap else share


def cost(
    slug: str,
    *,
    seconds: float | None = None,
    input_size: tuple[int, int] = (0, 0),
    output_size: tuple[int, int] = (0, 0),
) -> int:
    """Return what a prediction cost, rounded up to whole USD micros; 0 for the embedded model.

    ``seconds``: the provider's own measure of its machine's time; None, where it gave none, means the estimate.
    ``input_size`` and ``output_size``: (width, height) in pixels, as sent and as received; (0, 0) for no output.
    """
    found = _price(slug)
    if found is None:
        return 0
    match found.unit:
        case "second":
            return found.estimate if seconds is None else ceil(seconds * found.micros)
        case "output":
            return ceil(found.micros) if output_size[0] else 0
        case "output_megapixels":
            megapixels = output_size[0] * output_size[1] / 1e6
            return next(price for limit, price in found.steps if megapixels <= limit) if megapixels else 0
        case "tiles":
            return ceil(found.micros * _tiles(input_size) + found.out_micros * _tiles(output_size))
        case "none":
            return 0


def lambda_cost(*, seconds: float, memory_mb: int) -> int:
    """Return what a Lambda function of ours costs for so many seconds, rounded up to whole USD micros."""
    return ceil(seconds * memory_mb / 1024 * LAMBDA_MICROS_PER_GB_SECOND)


def _price(slug: str) -> UnitPrice | None:
    return PRICES.get(slug) or PRICES.get(slug.partition(":")[0].rpartition("/")[2])


def _tiles(size: tuple[int, int]) -> int:
    return ceil(size[0] / TILE) * ceil(size[1] / TILE)
