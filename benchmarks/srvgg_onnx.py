"""Convert the standard network to ONNX, with the same weights, to measure another runtime on it.

The network (SRVGG) is a chain of 3x3 convolutions with PReLU, a pixel shuffle, and the input enlarged by repetition
added to it. ncnn's weight file is that chain in order: per convolution a flag (16-bit or 32-bit floats), the weights,
padded to 4 bytes, and the biases; per PReLU its slopes.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

HALF = 0x01306B47
"""ncnn's flag for weights stored as 16-bit floats; 0 means 32-bit."""


class Weights:
    """A reader of ncnn's weight file, front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def floats(self, count: int) -> NDArray[np.float32]:
        """Return the next ``count`` 32-bit floats."""
        values = np.frombuffer(self._data, "<f4", count, self._at)
        self._at += 4 * count
        return values.astype(np.float32)

    def tagged(self, count: int) -> NDArray[np.float32]:
        """Return the next ``count`` floats, after a flag for their width (16 or 32 bits)."""
        (flag,) = struct.unpack_from("<I", self._data, self._at)
        self._at += 4
        if flag != HALF:
            return self.floats(count)
        values = np.frombuffer(self._data, "<f2", count, self._at)
        self._at += -(-2 * count // 4) * 4
        return values.astype(np.float32)

    def finished(self) -> bool:
        """Whether every byte was read, which shows that the layout was read correctly."""
        return self._at == len(self._data)


def convert(param: Path, binary: Path) -> bytes:
    """Return the serialised ONNX model: ``data`` 1x3xHxW in 0..1 -> ``output`` 1x3x4Hx4W."""
    weights, nodes, constants, blob = Weights(binary.read_bytes()), [], [], "data"
    for line in param.read_text().splitlines()[2:]:
        kind, name, *rest = line.split()
        options = dict(part.split("=") for part in rest if "=" in part)
        if kind == "Convolution":
            outputs, count = int(options["0"]), int(options["6"])
            kernel = weights.tagged(count).reshape(outputs, -1, 3, 3)
            constants += [(f"{name}.w", kernel), (f"{name}.b", weights.floats(outputs))]
            inputs = [blob, f"{name}.w", f"{name}.b"]
            nodes.append(helper.make_node("Conv", inputs, [name], kernel_shape=[3, 3], pads=[1] * 4))
            blob = name
        elif kind == "PReLU":
            constants.append((f"{name}.s", weights.floats(int(options["0"])).reshape(-1, 1, 1)))
            nodes.append(helper.make_node("PRelu", [blob, f"{name}.s"], [name]))
            blob = name
    if not weights.finished():
        raise ValueError(f"{binary.name} is not laid out as expected")
    constants.append(("scales", np.array([1, 1, 4, 4], np.float32)))
    nodes += [
        helper.make_node("DepthToSpace", [blob], ["shuffled"], blocksize=4, mode="CRD"),
        helper.make_node(
            "Resize",
            ["data", "", "scales"],
            ["repeated"],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
        helper.make_node("Add", ["shuffled", "repeated"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "srvgg",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [numpy_helper.from_array(values, name) for name, values in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()
