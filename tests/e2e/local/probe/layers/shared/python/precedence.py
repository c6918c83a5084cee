"""The layer's module, hidden by the function's."""

ORIGIN = "layer"
