"""Which models may run in an environment: asked, like the operator's flags, before anything is stored or held."""

from __future__ import annotations

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
