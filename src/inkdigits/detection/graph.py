"""The network for pages as an ONNX graph that takes a picture of any size and gives the digits in it with boxes.

Input `pixels`: uint8 (H, W, C), C 1 (gray), 3 (RGB) or 4 (RGBA). Outputs, for the n digits found, surest first: `boxes`
(n, 4), x, y, width and height in pixels of the picture; `scores` (n,), how likely there is a digit; `probabilities`
(n, 10), which one it is if there is. Only standard operators of opset 18 are used, so every runtime of ONNX can run
the file.

Digits of all sizes are found by looking at the picture at full size, at half of it, a quarter, and so on: in one of
them every digit has a size that the network knows. What is found twice is kept once. Whether ink is dark or light, and
light is to be made even, is tried where it is not plain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from inkdigits.detection import refinement as looks
from inkdigits.detection.calibration import Calibration, Hearing
from inkdigits.detection.leveling import unleveled
from inkdigits.detection.looking import found
from inkdigits.detection.merging import read
from inkdigits.detection.onnx_layers import OnnxLayers, Weights
from inkdigits.detection.refinement import SIDE
from inkdigits.detection.seeing import best_seen, resized
from inkdigits.geometry import opaque
from inkdigits.operators import OPSET, Ops, Value
from inkdigits.quantization import halved

MAX_PIXELS = 3_000_000
"""No picture is looked at with more pixels, but for its margins, and level with no more than `leveling` allows: that
bounds time and memory."""
STRIDE_PIXELS = 24_000_000
"""Of pictures with more pixels, only every second row and column is taken, or every third, and so on."""
SMALL = 48
"""Pictures whose shorter side is below this are made twice as large first, as far as `MAX_PIXELS` allows."""
_SHAPES: dict[str, list[Any]] = {
    "corners": ["n", 4],
    "answers": ["n", 11],
    "crops": ["n", SIDE, SIDE, 3],
    "heard": ["n", 10],
    "boxes": ["n", 4],
    "scores": ["n"],
    "probabilities": ["n", 10],
}  # of the outputs


def build(
    weights: Weights,
    refinement: Weights | None = None,
    calibration: Calibration | None = None,
    *,
    line: Weights | None = None,
    hearing: Hearing | None = None,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """The graph, from the arrays of trained networks.

    Args:
        weights: of the network that finds; see `weights_of`.
        refinement: of the one that takes a closer look. None: the graph gives what that one learns from instead,
            where ink is darker than paper: all finds as `corners` (n, 4), `answers` (n, 11) logits and `crops`
            (n, 32, 32, 3).
        calibration: how their answers become probabilities.
        line: of the one that looks at whole lines. None: there is none.
        hearing: how its answers change the others'. None: they do not, and the graph gives all that may be a digit and,
            before the other outputs, what this is fitted to: `heard` (n, 10), 0.0 where there is more than one line.
        metadata: written into the model's `metadata_props`.
    """
    ops = Ops()
    height, width = ops.real(ops.size("pixels", 0)), ops.real(ops.size("pixels", 1))
    step = ops.Ceil(ops.Sqrt(ops.Div(ops.Mul(height, width), float(STRIDE_PIXELS))))
    steps = ops.Expand(ops.whole(step), np.array([2], np.int64))
    strided = ops.Slice("pixels", np.zeros(2, np.int64), np.full(2, 2**40), np.arange(2), steps)
    picture, vote = opaque(ops, ops.Transpose(strided, perm=[2, 0, 1]))
    picture, first = _first_size(ops, ops.Unsqueeze(picture, [0]))
    first = ops.Div(first, step)
    picture = ops.Expand(picture, np.array([1, 3, 1, 1], np.int64))  # from here on three channels
    if refinement is None:  # on synthetic pages ink is darker than paper
        finds = found(ops, weights, first, picture, ops.constant(np.array(False)))
        outputs = dict(zip(("corners", "answers", "crops"), finds, strict=True))
    else:
        gray, even, tilt, corners, answers, crops = best_seen(ops, weights, first, picture, vote)
        named = _named(ops, refinement, calibration or Calibration(), answers, crops)
        sides = (ops.Div(ops.real(ops.size(gray, axis)), first) for axis in (3, 2))
        boxes, scores, digits, heard = read(ops, gray, even, first, _edge(ops, *sides), corners, *named, line, hearing)
        boxes = unleveled(ops, boxes, tilt, width, height)
        boxes = ops.Max(ops.Min(boxes, _edge(ops, width, height)), 0.0)
        start, end = ops.part(boxes, 0, 2, 1), ops.part(boxes, 2, 4, 1)
        boxes = ops.Concat(start, ops.Sub(end, start), axis=1)
        outputs = {"boxes": boxes, "scores": scores, "probabilities": digits}
        if line and not hearing:
            outputs = {"heard": heard, **outputs}
    for name, value in outputs.items():
        ops.nodes.append(helper.make_node("Identity", [value], [name]))
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, _SHAPES[name]) for name in outputs]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["H", "W", "C"])
    graph = helper.make_graph(ops.nodes, "inkdigits_pages", [pixels], infos)
    if refinement is not None:
        halved(graph)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="inkdigits")
    model.ir_version = 9
    helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model)
    return model


def _edge(ops: Ops, width: Value, height: Value) -> Value:
    """(4,) for corners: a picture's width, height, width and height."""
    return str(ops.Concat(*(ops.Reshape(side, [1]) for side in (width, height, width, height)), axis=0))


def _first_size(ops: Ops, picture: Value) -> tuple[Value, Value]:
    """The picture (1, C, H, W) at the largest size to look at, and its scale."""
    height, width = ops.real(ops.size(picture, 2)), ops.real(ops.size(picture, 3))
    most = ops.Sqrt(ops.Div(float(MAX_PIXELS), ops.Mul(height, width)))
    scale = ops.Min(ops.Where(ops.Less(ops.Min(height, width), float(SMALL)), 2.0, 1.0), most)
    same = ops.Equal(scale, 1.0)
    return ops.either(same, lambda _: [picture], lambda inner: [resized(inner, picture, scale)])[0], scale


def _named(
    ops: Ops, refinement: Weights, calibration: Calibration, answers: Value, crops: Value
) -> tuple[Value, Value]:
    """From both networks' logits: scores (n,) and the probabilities of digits (n, 10)."""
    first, digits = ops.Squeeze(ops.part(answers, 0, 1, 1), [1]), ops.part(answers, 1, 11, 1)
    closer = looks.layout(OnnxLayers(ops, refinement), ops.Transpose(crops, perm=[0, 3, 1, 2]))
    second = ops.ReduceLogSumExp(closer, np.array([1], np.int64), keepdims=0)
    logit = ops.Add(ops.Mul(first, calibration.first), ops.Mul(second, calibration.second))
    scores = ops.Sigmoid(ops.Add(logit, calibration.shift))
    total = ops.Add(ops.Mul(digits, 1 - calibration.share), ops.Mul(closer, calibration.share))
    return scores, ops.Softmax(ops.Div(total, calibration.temperature), axis=1)
