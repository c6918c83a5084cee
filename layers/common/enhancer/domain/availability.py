"""Which models may run at all: by environment (`Gate`) and by the operator's flags (`Flags`).

Both are asked before anything is stored or held.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from enhancer.domain.models import Model


@dataclass(frozen=True, slots=True)
class Gate:
    """Which providers an environment lets run.

    ``environment``: development, testing, staging or production. ``replicate_is_local``: Replicate's base URL is a
    loopback address, hence a stand-in that costs nothing. ``workers_ai``: Workers AI is switched on here.
    ``testing_models``: slugs or aliases that the testing environment may run at Workers AI, and only if
    ``testing_workers_ai`` is set.
    """

    environment: str
    replicate_is_local: bool
    workers_ai: bool
    testing_workers_ai: bool
    testing_models: frozenset[str]

    def admits(self, model: Model) -> bool:
        """Return whether this environment lets the model run. The embedded model runs everywhere."""
        match model.provider:
            case "embedded":
                return True
            case "replicate":
                if self.environment == "development":
                    return self.replicate_is_local
                return self.environment != "testing"
            case "workers_ai":
                if not self.workers_ai:
                    return False
                listed = model.slug in self.testing_models or model.alias in self.testing_models
                return self.environment != "testing" or (self.testing_workers_ai and listed)


@dataclass(frozen=True, slots=True)
class Flags:
    """What the operator sets at run time.

    ``off``: providers, or slugs or aliases of models, that must not run. ``spend_cap``: what all providers together may
    cost us in a day, in USD micros; None means `costs.SPEND_CAP_MICROS`.
    """

    off: Collection[str] = ()
    spend_cap: int | None = None

    def admit(self, model: Model) -> bool:
        """Return whether neither the model nor its provider is switched off. The embedded model cannot be."""
        names = {model.provider, model.slug, model.alias}
        return model.provider == "embedded" or not names & set(self.off)
