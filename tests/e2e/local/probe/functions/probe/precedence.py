"""The function's own module, which must win over the layer's of the same name."""

ORIGIN = "code"
