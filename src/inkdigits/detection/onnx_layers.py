"""The networks for pages as ONNX operators."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.detection import network as parts
from inkdigits.operators import Ops, Value

Weights = dict[str, list[NDArray[np.float32]]]
"""Layer name -> its arrays."""


class OnnxLayers:
    """Writes the layouts of the three networks as ONNX, (N, C, H, W), with batch normalization folded in.

    Args:
        ops: the graph to write to.
        weights: layer name -> its arrays, as Keras gives them: conv01, conv01_norm, ..., answers.
    """

    def __init__(self, ops: Ops, weights: Weights) -> None:
        self.ops, self._weights, self._count = ops, weights, 0

    def contrast(self, picture: Value) -> Value:
        """See `detection.network.Writer`."""
        ops = self.ops

        def around(x: Value, cells: int) -> Value:
            side = parts.LIGHT_CELL
            x = ops.AveragePool(x, kernel_shape=[side, side], strides=[side, side])
            x = ops.AveragePool(x, kernel_shape=[cells, cells], pads=[cells // 2] * 4)
            scales = np.array([1, 1, side, side], np.float32)
            return ops.Resize(x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")

        ink = ops.Sub(around(picture, parts.LIGHT_CELLS), picture)
        energy = ops.mean(around(ops.Mul(ink, ink), parts.INK_CELLS), 1, keep=True)
        return ops.Div(ink, ops.Sqrt(ops.Add(energy, parts.FAINT**2)))

    def convolution(self, x: Value, filters: int, kernel: int = 3, stride: int = 1, active: bool = True) -> Value:
        """See `detection.network.Writer`."""
        self._count += 1
        name = f"conv{self._count:02d}"
        (weight,) = self._weights[name]
        gamma, beta, mean, variance = self._weights[f"{name}_norm"]
        scale = gamma / np.sqrt(variance + np.float32(1e-3))
        # With an even number of pixels Keras pads a stride of 2 at the end alone.
        before = (kernel - stride) // 2 if stride > 1 else kernel // 2
        after = kernel - stride - before if stride > 1 else kernel // 2
        x = self.ops.Conv(
            x,
            np.ascontiguousarray((weight * scale).transpose(3, 2, 0, 1)),
            beta - mean * scale,
            pads=[before, before, after, after],
            strides=[stride, stride],
        )
        return self.ops.Relu(x) if active else x

    def sum(self, x: Value, y: Value, active: bool = False) -> Value:
        """See `detection.network.Writer`."""
        total = self.ops.Add(x, y)
        return self.ops.Relu(total) if active else total

    def doubled(self, x: Value) -> Value:
        """See `detection.network.Writer`."""
        scales = np.array([1, 1, 2, 2], np.float32)
        return self.ops.Resize(
            x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
        )

    def standardized(self, crops: Value) -> Value:
        """See `detection.refinement.Writer`."""
        ops = self.ops
        rest = ops.Sub(crops, ops.mean(crops, 2, 3, keep=True))
        energy = ops.mean(ops.Mul(rest, rest), 1, 2, 3, keep=True)
        return ops.Div(rest, ops.Sqrt(ops.Add(energy, parts.FAINT**2)))

    def pooled(self, x: Value, down: int = 2, across: int = 2) -> Value:
        """See `detection.refinement.Writer`."""
        return self.ops.MaxPool(x, kernel_shape=[down, across], strides=[down, across])

    def columns(self, x: Value) -> Value:
        """See `detection.lines.Writer`."""
        return self.ops.Reshape(self.ops.Transpose(x, perm=[0, 3, 2, 1]), np.array([0, 0, -1], np.int64))

    def recurrent(self, x: Value, units: int, name: str) -> Value:
        """See `detection.lines.Writer`."""
        arrays = self._weights[name]  # for each direction: of the input, of the state, and what is added to them

        def gates(array: NDArray[np.float32]) -> NDArray[np.float32]:
            """Keras has input, forget, cell and output; ONNX has input, output, forget and cell."""
            i, f, c, o = np.split(array, 4, axis=-1)
            return np.concatenate([i, o, f, c], axis=-1)

        inputs, states, added = (np.stack([gates(arrays[k]).T, gates(arrays[k + 3]).T]) for k in range(3))
        added = np.concatenate([added, np.zeros_like(added)], axis=1)
        along = self.ops.Transpose(x, perm=[1, 0, 2])
        answers = self.ops.LSTM(along, inputs, states, added, hidden_size=units, direction="bidirectional")
        return self.ops.Reshape(self.ops.Transpose(answers, perm=[2, 0, 1, 3]), np.array([0, 0, -1], np.int64))

    def each(self, x: Value, units: int, name: str) -> Value:
        """See `detection.lines.Writer`."""
        weight, bias = self._weights[name]
        return self.ops.Add(self.ops.MatMul(x, weight), bias)

    def dense(self, x: Value, units: int, name: str, active: bool) -> Value:
        """See `detection.refinement.Writer`."""
        weight, bias = self._weights[name]
        if name == "dense":  # values in the order of Keras: rows, columns, maps
            x = self.ops.Flatten(self.ops.Transpose(x, perm=[0, 2, 3, 1]))
        x = self.ops.Gemm(x, weight, bias)
        return self.ops.Relu(x) if active else x

    def answers(self, x: Value) -> Value:
        """See `detection.network.Writer`."""
        weight, bias = self._weights["answers"]
        return self.ops.Conv(x, np.ascontiguousarray(weight.transpose(3, 2, 0, 1)), bias)


def weights_of(model: Any) -> Weights:
    """The arrays of a Keras network for pages, by layer name."""
    return {layer.name: [np.asarray(w) for w in layer.get_weights()] for layer in model.layers if layer.weights}


def paper_level(ops: Ops, picture: Value) -> Value:
    """The gray level of paper in each channel, (1, C, 1, 1): the mean of what is brighter than the mean."""
    bright = ops.real(ops.GreaterOrEqual(picture, ops.mean(picture, 2, 3, keep=True)))
    count = ops.Max(ops.total(bright, 2, 3, keep=True), 1.0)
    return ops.Div(ops.total(ops.Mul(picture, bright), 2, 3, keep=True), count)
