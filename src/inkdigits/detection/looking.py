"""What the network that finds digits sees in a picture at all sizes, as ONNX operators.

The picture is looked at as it is, at half its size, a quarter, and so on: in one of them every digit has a size that
the network knows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from inkdigits.detection import network as parts
from inkdigits.detection.merging import MOST
from inkdigits.detection.onnx_layers import OnnxLayers, Weights, paper_level
from inkdigits.detection.refinement import CONTEXT, SIDE
from inkdigits.geometry import evenly_lit
from inkdigits.operators import Ops, Value

LEAST = 12
"""Pictures are halved until their longer side would be below this."""
MARGIN = 16
"""Paper around the picture, in pixels of the size looked at, so that digits at its border are not cut."""
SCORE = 0.25
"""What the network finds less likely to be a digit is not looked at again."""
NOTHING = tuple(np.zeros(shape, np.float32) for shape in ((0, 4), (0, 11), (0, SIDE, SIDE, 3)))
"""Corners, answers and crops where nothing is found."""


def found(ops: Ops, weights: Weights, first: Value, picture: Value, even: Value) -> list[Value]:
    """What is found in a picture (1, 3, H, W) of this scale, in all sizes, and what is seen around each find.

    Args:
        ops: the graph to write to.
        weights: of the network that finds.
        first: the picture's scale.
        picture: ink darker than paper.
        even: whether light is made even first.

    Returns:
        Corners (n, 4) in pixels of the picture at its own scale, answers (n, 11), crops (n, 32, 32, 3).
    """
    longest = ops.Max(ops.real(ops.size(picture, 2)), ops.real(ops.size(picture, 3)))
    levels = ops.Add(ops.Floor(ops.Div(ops.Log(ops.Max(ops.Div(longest, float(LEAST)), 1.0)), float(np.log(2)))), 1.0)
    sizes = ops.whole(levels)
    return ops.call("Loop", sizes, "", picture, *NOTHING, outputs=4, body=_one_size(ops, weights, first, even))[1:]


def _one_size(parent: Ops, weights: Weights, first: Value, even: Value) -> onnx.GraphProto:
    """Body of the loop over sizes: look at the picture, add what is found, halve the picture."""
    ops = Ops(parent)
    turn, go_on, picture, boxes, answers, crops = (ops.name() for _ in range(6))
    scale = ops.Mul(first, ops.Pow(0.5, ops.real(turn)))
    height, width = ops.size(picture, 2), ops.size(picture, 3)
    zero, margin = ops.constant(0), ops.constant(MARGIN)

    def rest(side: Value) -> Value:
        """Pixels at the end that make a side, with its margins, a multiple of what the network takes."""
        whole = ops.Add(side, 2 * MARGIN + parts.MULTIPLE - 1)
        return ops.Sub(ops.Mul(ops.Div(whole, parts.MULTIPLE), parts.MULTIPLE), ops.Add(side, MARGIN))

    each = [zero, zero, margin, margin, zero, zero, rest(height), rest(width)]
    pads = ops.Concat(*[ops.Reshape(x, [1]) for x in each], axis=0)
    paper = paper_level(ops, picture)
    padded = ops.Add(ops.Pad(ops.Sub(picture, paper), pads, mode="constant"), paper)
    (padded,) = ops.either(even, lambda inner: [evenly_lit(inner, padded, parts.REACH)], lambda _: [padded])
    corners, said = _peaks(ops, parts.layout(OnnxLayers(ops, weights), padded))
    seen = _crops(ops, padded, corners)
    found = (ops.Div(ops.Sub(corners, float(MARGIN)), scale), said, seen)
    joined = [ops.Concat(old, new, axis=0) for old, new in zip((boxes, answers, crops), found, strict=True)]
    half = ops.AveragePool(picture, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    shapes: list[list[Any]] = [[1, 3, None, None], [None, 4], [None, 11], [None, SIDE, SIDE, 3]]
    # The first output is whether to go on; the others are what the next turn takes.
    outputs: list[tuple[Value, int, Any]] = [(ops.Identity(go_on), TensorProto.BOOL, [])]
    outputs += [(x, TensorProto.FLOAT, shape) for x, shape in zip((half, *joined), shapes, strict=True)]
    inputs: list[tuple[Value, int, Any]] = [(turn, TensorProto.INT64, []), (go_on, TensorProto.BOOL, [])]
    inputs += [(x, TensorProto.FLOAT, shape) for x, shape in zip((picture, boxes, answers, crops), shapes, strict=True)]
    return ops.graph(outputs, inputs)


def _peaks(ops: Ops, answers: Value) -> tuple[Value, Value]:
    """The surest peaks of the answers (1, 15, h, w): corners (n, 4) in pixels looked at, and their logits (n, 11)."""
    score = ops.part(answers, 0, 1, 1)
    highest = ops.MaxPool(score, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    peak = ops.And(ops.GreaterOrEqual(score, highest), ops.Greater(score, float(np.log(SCORE / (1 - SCORE)))))
    places = ops.transpose(ops.NonZero(ops.Squeeze(peak, [0, 1])))  # (n, 2): row, column
    cells = ops.GatherND(ops.Squeeze(ops.Transpose(answers, perm=[0, 2, 3, 1]), [0]), places)
    count = ops.Min(ops.size(places, 0), MOST)
    surest = ops.call("TopK", ops.Gather(cells, 0, axis=1), ops.Reshape(count, [1]), outputs=2)[1]
    places, cells = ops.Gather(places, surest, axis=0), ops.Gather(cells, surest, axis=0)
    middle = ops.Mul(ops.Add(ops.real(places), 0.5), float(parts.STRIDE))
    row, column = ops.part(middle, 0, 1, 1), ops.part(middle, 1, 2, 1)
    sides = ops.Exp(ops.Clip(ops.part(cells, 11, 15, 1), -3.0, 5.0))
    left, top, right, bottom = (ops.part(sides, i, i + 1, 1) for i in range(4))
    corners = ops.Concat(ops.Sub(column, left), ops.Sub(row, top), ops.Add(column, right), ops.Add(row, bottom), axis=1)
    return corners, ops.part(cells, 0, 11, 1)


def _crops(ops: Ops, picture: Value, corners: Value) -> Value:
    """A square around each box of a picture (1, 3, H, W), scaled to (n, 32, 32, 3) by bilinear sampling."""
    x0, y0, x1, y1 = (ops.part(corners, i, i + 1, 1) for i in range(4))
    side = ops.Mul(ops.Max(ops.Sub(x1, x0), ops.Sub(y1, y0)), CONTEXT)
    steps = ((np.arange(SIDE, dtype=np.float32) + np.float32(0.5)) / np.float32(SIDE) - np.float32(0.5))[None]
    height, width = ops.size(picture, 2), ops.size(picture, 3)

    def places(low: Value, high: Value, length: Value) -> tuple[Value, Value, Value]:
        """Along one axis: the pixels before and after each sample (n, 32), and the latter's part."""
        middle = ops.Div(ops.Add(low, high), 2.0)
        exact = ops.Sub(ops.Add(middle, ops.Mul(side, steps)), 0.5)
        last = ops.real(ops.Sub(length, 1))
        exact = ops.Max(ops.Min(exact, last), 0.0)
        before = ops.Floor(exact)
        after = ops.Min(ops.Add(before, 1.0), last)
        return ops.whole(before), ops.whole(after), ops.Sub(exact, before)

    top, bottom, down = places(y0, y1, height)
    left, right, across = places(x0, x1, width)
    table = ops.Reshape(ops.Transpose(picture, perm=[0, 2, 3, 1]), np.array([-1, 3], np.int64))

    def at(rows: Value, columns: Value) -> Value:
        index = ops.Add(ops.Mul(ops.Unsqueeze(rows, [2]), width), ops.Unsqueeze(columns, [1]))
        return ops.Gather(table, index, axis=0)

    across, down = ops.Unsqueeze(across, [1, 3]), ops.Unsqueeze(down, [2, 3])

    def between(first: Value, second: Value, part: Value) -> Value:
        return ops.Add(first, ops.Mul(ops.Sub(second, first), part))

    above = between(at(top, left), at(top, right), across)
    return between(above, between(at(bottom, left), at(bottom, right), across), down)
