"""Which models may run here at all: by environment, by key, by switch. Asked before anything is stored or held."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from enhancer.domain.models import Model


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules of an environment.

    ``replicate_is_local``: its base URL is a loopback address, a stand-in. ``testing_models``: slugs or aliases that
    tests may run at Workers AI, once ``testing_workers_ai`` says that they may run any.
    """

    environment: str
    replicate_is_local: bool
    workers_ai: bool
    testing_workers_ai: bool
    testing_models: frozenset[str]

    def admits(self, model: Model) -> bool:
        """Return whether the environment lets this model run; the embedded one always does."""
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
    """Switches that the operator turns at run time. ``off``: providers, slugs or aliases that must not run.

    ``spend_cap``: what all providers together may cost in a day, USD micros; None means the default of the price file.
    """

    off: Collection[str] = ()
    spend_cap: int | None = None

    def admit(self, model: Model) -> bool:
        """Return whether nobody switched this model or its provider off; the embedded one cannot be."""
        names = {model.provider, model.slug, model.alias}
        return model.provider == "embedded" or not names & set(self.off)
