"""Loading the code of a function as Lambda would: fresh, by its folder."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from PIL import Image

from tests.support.template import ROOT
from vision import blending

NAMES = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))


def load(name: str) -> Any:
    """The module ``functions.<name>.app``, imported anew."""
    module = f"functions.{name}.app"
    sys.modules.pop(module, None)
    if name != "upscale":
        return importlib.import_module(module)
    with mock.patch.dict(sys.modules, {"vision": _vision()}):
        return importlib.import_module(module)


def _vision() -> ModuleType:
    """A stand-in for the vision layer: enlarges by repeating pixels, without network or weights; shares are real."""

    def enlarge(
        image: Image.Image, *, scale: int, model: str, drawn: float, on_tile: Callable[[], None]
    ) -> Image.Image:
        assert model in ("photo", "standard", "pro")
        assert 0 <= drawn < 1
        on_tile()
        return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)

    layer = ModuleType("vision")
    layer.upscaler = SimpleNamespace(enlarge=enlarge, warm_up=lambda model: None)  # type: ignore[attr-defined]
    layer.blending = blending  # type: ignore[attr-defined]
    return layer
