"""CloudFormation: SAM's transform."""

from __future__ import annotations

import threading
from typing import Any

from local.corrections.release import Json, Module, require


def correct_transform_parameters(sam: Module, engine: Module, *callers: Module) -> None:
    """AWS hands the stack's parameters to SAM's transform; ministack hands it none, so it sees only their defaults.

    SAM looks up what decides about resources: whether a deployment is gradual, and which release a version is of.
    """
    apply, transform = engine._apply_transforms, sam.transform
    require(hasattr(engine, "_transform_parameters"), "engine._transform_parameters")
    here = threading.local()

    def transform_with_parameters(template: Json, _none: Json, loader: Any) -> Json:
        changed: Json = transform(template, dict(here.parameters), loader)
        return changed

    def apply_with_parameters(template: Json, provided: Any = None, previous: Any = None) -> Json:
        here.parameters = engine._transform_parameters(template, provided, previous)
        changed: Json = apply(template, provided, previous)
        return changed

    sam.transform = transform_with_parameters
    for module in (engine, *callers):
        require(module._apply_transforms is apply, f"{module.__name__}._apply_transforms")
        module._apply_transforms = apply_with_parameters
