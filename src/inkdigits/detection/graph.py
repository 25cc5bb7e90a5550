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

from inkdigits.detection import network as parts
from inkdigits.detection import refinement as looks
from inkdigits.detection.calibration import Calibration, Hearing
from inkdigits.detection.merging import MOST, read
from inkdigits.detection.onnx_layers import OnnxLayers, Weights, paper_level
from inkdigits.detection.refinement import CONTEXT, SIDE
from inkdigits.geometry import evenly_lit, opaque
from inkdigits.operators import OPSET, Ops, Value
from inkdigits.quantization import halved

MAX_PIXELS = 3_000_000
"""No picture is looked at with more pixels, but for its margins: that bounds time and memory."""
STRIDE_PIXELS = 24_000_000
"""Of pictures with more pixels, only every second row and column is taken, or every third, and so on."""
SMALL = 48
"""Pictures whose shorter side is below this are made twice as large first, as far as `MAX_PIXELS` allows."""
LEAST = 12
"""Pictures are halved until their longer side would be below this."""
MARGIN = 16
"""Paper around the picture, in pixels of the size looked at, so that digits at its border are not cut."""
SCORE = 0.25
"""What the first network finds less likely to be a digit is not looked at again."""
PLAIN = 2.0
"""With a higher vote paper is plainly light, and ink dark. Else, ..."""
WAYS, TRIAL = 4, 250_000
"""... so many ways to see the picture are tried, on so many pixels at most: see `_best_seen`."""
EVENER = 1.25
"""It is seen evenly lit where so many times as much is found then: logits above 0.0 are summed."""
CLEAR, MUCH = 0.9, 10.0
"""Where on plainly light paper no logit is higher than the first, or a trial shows less than the second, the picture is
turned around, too; ..."""
OTHERWISE = 2.0
"""... it stays so if more is found then, and more than this."""
_SHAPES: dict[str, list[Any]] = {
    "corners": ["n", 4],
    "answers": ["n", 11],
    "crops": ["n", SIDE, SIDE, 3],
    "heard": ["n", 10],
    "boxes": ["n", 4],
    "scores": ["n"],
    "probabilities": ["n", 10],
}  # of the outputs
_NOTHING = tuple(np.zeros(shape, np.float32) for shape in ((0, 4), (0, 11), (0, SIDE, SIDE, 3)))
"""Corners, answers and crops where nothing is found."""


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
        found = _all_sizes(ops, weights, first, picture, ops.constant(np.array(False)))
        outputs = dict(zip(("corners", "answers", "crops"), found, strict=True))
    else:
        sides = (width, height, width, height)
        edge = ops.Concat(*(ops.Reshape(side, [1]) for side in sides), axis=0)
        picture, even, corners, answers, crops = _best_seen(ops, weights, first, picture, vote)
        named = _named(ops, refinement, calibration or Calibration(), answers, crops)
        boxes, scores, digits, heard = read(ops, picture, even, first, edge, corners, *named, line, hearing)
        boxes = ops.Max(ops.Min(boxes, edge), 0.0)
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


def _first_size(ops: Ops, picture: Value) -> tuple[Value, Value]:
    """The picture (1, C, H, W) at the largest size to look at, and its scale."""
    height, width = ops.real(ops.size(picture, 2)), ops.real(ops.size(picture, 3))
    most = ops.Sqrt(ops.Div(float(MAX_PIXELS), ops.Mul(height, width)))
    scale = ops.Min(ops.Where(ops.Less(ops.Min(height, width), float(SMALL)), 2.0, 1.0), most)
    same = ops.Equal(scale, 1.0)
    return ops.either(same, lambda _: [picture], lambda inner: [_resized(inner, picture, scale)])[0], scale


def _resized(ops: Ops, picture: Value, scale: Value) -> Value:
    """A picture (1, C, H, W) at another scale."""
    scales = ops.Concat(np.ones(2, np.float32), ops.Expand(scale, np.array([2], np.int64)), axis=0)
    return str(ops.Resize(picture, "", scales, mode="linear", antialias=1))


def _best_seen(parent: Ops, weights: Weights, first: Value, picture: Value, vote: Value) -> list[Value]:
    """A picture (1, 3, H, W) with ink darker than paper, whether it is seen evenly lit, and what is found in it.

    Which is ink and which is paper is a guess, by the `vote` of `opaque`, until there are digits. Turns of the loop:

    0 to 3: where paper is not plainly light, a trial, of a large picture made smaller: as guessed; turned around, light
        for dark; both evenly lit. Of a small picture that is all.
    4: the picture as it is, in the way that showed most.
    5: the same turned around, where little was found in the trial, or, on plainly light paper, in turn 4.
    """
    plain = parent.Greater(vote, PLAIN)
    guess = parent.Where(parent.GreaterOrEqual(vote, 0.0), 1.0, -1.0)
    height, width = (parent.real(parent.size(picture, axis)) for axis in (2, 3))
    part = parent.Sqrt(parent.Div(float(TRIAL), parent.Mul(height, width)))
    part = parent.Min(parent.Max(part, parent.Div(1.0, parent.Min(height, width))), 1.0)  # at least a pixel is left
    small = parent.Equal(part, 1.0)
    (trial,) = parent.either(small, lambda _: [picture], lambda inner: [_resized(inner, picture, part)])
    ops = Ops(parent)
    count, go_on, way, even, most, *before = (ops.name() for _ in range(8))  # the best so far, and how much it shows
    turn = ops.Add(count, ops.Where(plain, WAYS, 0))

    def is_turn(*these: int) -> Value:
        return ops.Greater(ops.total(ops.whole(ops.Equal(turn, np.array(these, np.int64)))), 0)

    trying, lit = ops.Less(turn, WAYS), is_turn(2, 3)
    sign = ops.Mul(ops.Where(trying, guess, way), ops.Where(is_turn(1, 3, WAYS + 1), -1.0, 1.0))
    (shown,) = ops.either(trying, lambda _: [trial], lambda _: [picture])
    evenly = ops.Or(lit, ops.And(even, ops.Not(trying)))
    now = _all_sizes(ops, weights, first, _facing(ops, shown, sign), evenly)  # a trial's boxes are used if `small`
    sure = ops.Relu(ops.part(now[1], 0, 1, 1))
    here, surest = ops.total(sure), ops.largest(ops.Concat(sure, np.zeros((1, 1), np.float32), axis=0))
    bar = ops.Mul(most, ops.Where(ops.And(lit, ops.Not(even)), EVENER, 1.0))
    bar = ops.Max(bar, ops.Where(is_turn(WAYS + 1), OTHERWISE, 0.0))
    better = ops.Or(is_turn(0, WAYS), ops.Greater(here, bar))
    best = [ops.Where(better, sign, way), ops.Or(even, ops.And(better, lit)), ops.Where(better, here, most)]
    best += ops.either(better, lambda _: now, lambda _: before)
    unclear = ops.Less(ops.Where(plain, surest, most), ops.Where(plain, CLEAR, MUCH))
    on = ops.Or(is_turn(0, 1, 2), ops.And(is_turn(WAYS - 1), ops.Not(small)))
    on = ops.Or(on, ops.And(is_turn(WAYS), unclear))
    kinds: list[tuple[int, list[Any]]] = [(TensorProto.FLOAT, []), (TensorProto.BOOL, []), (TensorProto.FLOAT, [])]
    kinds += [(TensorProto.FLOAT, [None, *part.shape[1:]]) for part in _NOTHING]
    outputs = [(on, TensorProto.BOOL, []), *((x, *kind) for x, kind in zip(best, kinds, strict=True))]
    inputs: list[tuple[Value, int, Any]] = [(count, TensorProto.INT64, []), (go_on, TensorProto.BOOL, [])]
    inputs += [(x, *kind) for x, kind in zip((way, even, most, *before), kinds, strict=True)]
    given = WAYS + 2, np.array(True), guess, np.array(False), 0.0, *_NOTHING
    way, even, _, *found = parent.call("Loop", *given, outputs=6, body=ops.graph(outputs, inputs))
    return [_facing(parent, picture, way), even, *found]


def _facing(ops: Ops, picture: Value, way: Value) -> Value:
    """A picture as it is where `way` is 1.0, turned around, light for dark, where it is -1.0."""
    return ops.Add(ops.Mul(ops.Sub(picture, 127.5), way), 127.5)


def _all_sizes(ops: Ops, weights: Weights, first: Value, picture: Value, even: Value) -> list[Value]:
    """What is found in a picture (1, 3, H, W) of this scale, in all sizes: corners (n, 4), answers (n, 11), crops.

    Args:
        ops: the graph to write to.
        weights: of the network that finds.
        first: the picture's scale.
        picture: ink darker than paper.
        even: whether light is made even first.
    """
    longest = ops.Max(ops.real(ops.size(picture, 2)), ops.real(ops.size(picture, 3)))
    levels = ops.Add(ops.Floor(ops.Div(ops.Log(ops.Max(ops.Div(longest, float(LEAST)), 1.0)), float(np.log(2)))), 1.0)
    sizes = ops.whole(levels)
    return ops.call("Loop", sizes, "", picture, *_NOTHING, outputs=4, body=_one_size(ops, weights, first, even))[1:]


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
