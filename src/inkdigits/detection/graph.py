"""The network for pages as an ONNX graph that takes a picture of any size and gives the digits in it with boxes.

Input `pixels`: uint8 (H, W, C), C 1 (gray), 3 (RGB) or 4 (RGBA). Outputs, for the n digits found, surest first: `boxes`
(n, 4), x, y, width and height in pixels of the picture; `scores` (n,), how likely there is a digit; `probabilities`
(n, 10), which one it is if there is. Only standard operators of opset 18 are used, so every runtime of ONNX can run
the file.

Digits of all sizes are found by looking at the picture at full size, at half of it, a quarter, and so on: in one of
them every digit has a size that the network knows. What is found twice is kept once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from inkdigits.detection import lines
from inkdigits.detection import network as parts
from inkdigits.detection import refinement as looks
from inkdigits.detection.calibration import CAREFUL, Calibration, Hearing
from inkdigits.detection.refinement import CONTEXT, SIDE
from inkdigits.graph import OPSET, Ops, Value, opaque
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
LIKELY = 0.65
"""What the first two networks find less likely to be a digit is none ..."""
TOGETHER = 0.5
"""... but on a line, where the third is heard too, what all together find less likely than this."""
POSSIBLE = 0.3
"""There is one line when of all that the first two find at least so likely ..."""
LEVEL = 0.8
"""... the middles differ by less than this part of the median height ..."""
UNLIKELY = 0.05
"""... and on it the third is asked about everything that they find at least so likely."""
AROUND = (2.0, 0.4)
"""Paper seen around a line, across and down, as parts of the highest digit's height."""
BETWEEN = 0.2
"""The third network is asked what it saw in the middle of a find, without this part of its width on each side."""
OVERLAP = 0.3
"""Of two boxes that share more than this part of their union, the surer one stays."""
INSIDE = 0.6
"""Of two boxes that share more than this part of the smaller one, the surer one stays."""
SAME = 0.5
"""Boxes that share more than this part of their union say together which digit is there."""
SERIF = 0.45
"""What is smaller than this part of the height of a digit beside it, and less sure, is one of its strokes ..."""
BESIDE = 0.4
"""... when it is no farther from it than this part of its height."""
GRAY = (0.299, 0.587, 0.114)
"""Parts of red, green and blue in the gray levels of a line."""
MOST = 1000
"""No more digits are found at one size of a picture."""
Weights = dict[str, list[NDArray[np.float32]]]
"""Layer name -> its arrays."""
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
        refinement: of the one that takes a closer look. None: the graph gives what that one learns from instead, all
            finds as `corners` (n, 4), `answers` (n, 11) logits and `crops` (n, 32, 32, 3).
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
    picture, polarity = opaque(ops, ops.Transpose(strided, perm=[2, 0, 1]))
    picture, first = _first_size(ops, ops.Unsqueeze(picture, [0]))
    first = ops.Div(first, step)
    # From here on three channels, and ink is darker than paper.
    picture = ops.Expand(picture, np.array([1, 3, 1, 1], np.int64))
    picture = ops.Add(ops.Mul(picture, polarity), ops.Mul(ops.Sub(1.0, polarity), 127.5))
    longest = ops.Mul(ops.Max(height, width), first)
    levels = ops.Add(ops.Floor(ops.Div(ops.Log(ops.Max(ops.Div(longest, float(LEAST)), 1.0)), float(np.log(2)))), 1.0)
    nothing = [np.zeros(shape, np.float32) for shape in ((0, 4), (0, 11), (0, SIDE, SIDE, 3))]
    body = _one_size(ops, weights, first)
    found = ops.call("Loop", ops.whole(levels), "", picture, *nothing, outputs=4, body=body)
    if refinement is None:
        outputs = dict(zip(("corners", "answers", "crops"), found[1:], strict=True))
    else:
        sides = (width, height, width, height)
        edge = ops.Concat(*(ops.Reshape(side, [1]) for side in sides), axis=0)
        named = _named(ops, refinement, calibration or Calibration(), *found[2:])
        boxes, scores, digits, heard = _read(ops, picture, first, edge, found[1], *named, line, hearing)
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
    one = np.ones(2, np.float32)

    def resized(inner: Ops) -> list[Value]:
        scales = inner.Concat(one, inner.Expand(scale, np.array([2], np.int64)), axis=0)
        return [inner.Resize(picture, "", scales, mode="linear", antialias=1)]

    same = ops.Equal(scale, 1.0)
    return ops.either(same, lambda inner: [picture], resized)[0], scale


def _one_size(parent: Ops, weights: Weights, first: Value) -> onnx.GraphProto:
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
    paper = _paper(ops, picture)
    padded = ops.Add(ops.Pad(ops.Sub(picture, paper), pads, mode="constant"), paper)
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


def _paper(ops: Ops, picture: Value) -> Value:
    """The gray level of paper in each channel, (1, C, 1, 1): the mean of what is brighter than the mean."""
    bright = ops.real(ops.GreaterOrEqual(picture, ops.mean(picture, 2, 3, keep=True)))
    count = ops.Max(ops.total(bright, 2, 3, keep=True), 1.0)
    return ops.Div(ops.total(ops.Mul(picture, bright), 2, 3, keep=True), count)


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


def _read(
    ops: Ops,
    picture: Value,
    scale: Value,
    edge: Value,
    boxes: Value,
    scores: Value,
    digits: Value,
    line: Weights | None,
    hearing: Hearing | None,
) -> tuple[Value, Value, Value, Value]:
    """From all finds every digit once: corners (n, 4), scores (n,), probabilities and what was `heard` (n, 10).

    `picture` (1, 3, H, W) is at `scale` times the size in which corners are given; there `edge` (4,) is its width,
    height, width and height.
    """

    def once(least: Any) -> tuple[Value, Value, Value]:
        likely = ops.Greater(scores, least)
        return _once(ops, *(ops.Compress(x, likely, axis=0) for x in (boxes, scores, digits)))

    if line is None:
        return *once(LIKELY), ""
    level, place = _one_line(ops, boxes, scores, edge)
    kept = once(ops.Where(level, UNLIKELY, LIKELY))
    found = ops.Mul(kept[0], scale), *kept[1:]
    heard = _heard(ops, line, level, picture, ops.Mul(place, scale), *found)
    return *(_said_together(ops, hearing, level, *kept, heard) if hearing else kept), heard


def _once(ops: Ops, boxes: Value, scores: Value, digits: Value) -> tuple[Value, Value, Value]:
    """Every digit once, the surest of what overlaps, surest first; all that were found in its place say which it is."""
    chosen = ops.NonMaxSuppression(
        ops.Unsqueeze(boxes, [0]), ops.Unsqueeze(scores, [0, 1]), np.array([5 * MOST], np.int64), OVERLAP, 0.0
    )
    order = ops.Gather(chosen, 2, axis=1)
    kept, kept_scores = ops.Gather(boxes, order, axis=0), ops.Gather(scores, order, axis=0)
    shared, _, union = _overlap(ops, kept, boxes)
    same = ops.Mul(ops.real(ops.Greater(shared, ops.Mul(union, SAME))), ops.Unsqueeze(scores, [0]))
    votes = ops.MatMul(same, digits)
    votes = ops.Div(votes, ops.total(votes, 1, keep=True))
    shared, smaller, _ = _overlap(ops, kept, kept)
    part = ops.Or(ops.Greater(shared, ops.Mul(smaller, INSIDE)), _serif(ops, kept))
    surer = ops.Trilu(ops.real(part), np.array(-1, np.int64), upper=0)  # rows are sorted: left of the diagonal
    keep = ops.Equal(ops.total(surer, 1), 0.0)
    boxes, scores, digits = (ops.Compress(x, keep, axis=0) for x in (kept, kept_scores, votes))
    return boxes, scores, digits


def _one_line(ops: Ops, boxes: Value, scores: Value, edge: Value) -> tuple[Value, Value]:
    """Whether all that may be a digit stands on one line, not too long, and its corners (4,) with paper around.

    No corner lies beyond the picture's `edge` (4,), its width, height, width and height.
    """
    possible = ops.Compress(boxes, ops.Greater(scores, POSSIBLE), axis=0)
    x0, y0, x1, y1 = (ops.part(possible, i, i + 1, 1) for i in range(4))
    middle = ops.Div(ops.Add(y0, y1), 2.0)

    def least(x: Value) -> Value:
        return ops.Neg(most(ops.Neg(x)))

    def most(x: Value) -> Value:
        return ops.largest(ops.Concat(x, np.full((1, 1), -1e9, np.float32), axis=0))

    heights, count = ops.Sub(y1, y0), ops.size(possible, 0)
    tallest = most(heights)
    # The median, lest one tall mark beside two lines make them one; the 0.0 is for where there is nothing.
    ordered = ops.Concat(ops.Reshape(heights, [-1]), np.zeros(1, np.float32), axis=0)
    half = ops.Add(ops.Div(count, 2), 1)
    highest = ops.call("TopK", ordered, ops.Reshape(half, [1]), outputs=2)[0]
    middling = ops.Gather(highest, ops.Sub(half, 1), axis=0)
    spread = ops.Sub(most(middle), least(middle))
    level = ops.And(ops.Greater(count, 0), ops.Less(spread, ops.Mul(middling, LEVEL)))
    across, down = (ops.Mul(tallest, part) for part in AROUND)
    sides = ops.Sub(least(x0), across), ops.Sub(least(y0), down), ops.Add(most(x1), across), ops.Add(most(y1), down)
    place = ops.Max(ops.Min(ops.Concat(*(ops.Reshape(side, [1]) for side in sides), axis=0), edge), 0.0)
    size = ops.Sub(ops.part(place, 2, 4, 0), ops.part(place, 0, 2, 0))
    wide, high = (ops.Gather(size, index, axis=0) for index in (0, 1))
    return ops.And(level, ops.Less(wide, ops.Mul(high, lines.LONGEST / lines.HEIGHT))), place


def _heard(
    ops: Ops, line: Weights, level: Value, picture: Value, place: Value, boxes: Value, scores: Value, digits: Value
) -> Value:
    """How sure the network for lines is of each digit in each of n boxes: (n, 10), 0.0 where there is no one line.

    What it sees in the place of several boxes is shared among them, for it sees every digit once.

    Args:
        ops: the graph to write to.
        line: the network.
        level: whether there is one line.
        picture: (1, 3, H, W).
        place: corners (4,) of the line in it.
        boxes: corners (n, 4) in it.
        scores: (n,) how likely there is a digit in each.
        digits: (n, 10) which one it is if there is.
    """
    count = ops.Reshape(ops.size(boxes, 0), [1])

    def look(inner: Ops) -> list[Value]:
        def ends(low: int, high: int, axis: int) -> tuple[Value, Value]:
            """At least one pixel of the picture."""
            first, last = (inner.Gather(place, index, axis=0) for index in (low, high))
            start = inner.Min(inner.whole(inner.Floor(first)), inner.Sub(inner.size(picture, axis), 1))
            return start, inner.Max(inner.whole(inner.Ceil(last)), inner.Add(start, 1))

        (left, right), (top, bottom) = ends(0, 2, 3), ends(1, 3, 2)
        cut = inner.part(inner.part(picture, top, bottom, 2), left, right, 3)
        gray = inner.total(inner.Mul(cut, np.array(GRAY, np.float32).reshape(1, 3, 1, 1)), 1, keep=True)
        width = inner.real(inner.size(gray, 3))
        scale = inner.Div(float(lines.HEIGHT), inner.real(inner.size(gray, 2)))
        wide = inner.Max(inner.Min(inner.Round(inner.Mul(width, scale)), float(lines.LONGEST)), float(lines.LEAST))
        columns = inner.Reshape(inner.whole(wide), [1])
        size = inner.Concat(np.array([1, 1, lines.HEIGHT], np.int64), columns, axis=0)
        small = inner.Resize(gray, "", "", size, mode="linear", antialias=1)
        ink = inner.Sub(_paper(inner, small), small)
        ink = inner.Div(ink, inner.Sqrt(inner.Add(inner.mean(inner.Mul(ink, ink)), parts.FAINT**2)))
        whole = inner.Add(columns, lines.PAPER + lines.MULTIPLE - 1)
        rest = inner.Sub(inner.Mul(inner.Div(whole, lines.MULTIPLE), lines.MULTIPLE), columns)
        padded = inner.Pad(ink, inner.Concat(np.zeros(7, np.int64), rest, axis=0))
        signs = inner.Softmax(lines.layout(OnnxLayers(inner, line), padded), axis=2)
        said = inner.Squeeze(inner.part(signs, 0, lines.BLANK, 2), [0])  # (T, 10)
        # Frame t has seen from t to t + 1; a find is from `low` to `high`.
        last = inner.real(inner.size(said, 0))
        frame = inner.Reshape(inner.Range(0.0, last, 1.0), np.array([1, -1], np.int64))
        x0, x1 = (inner.Sub(inner.part(boxes, i, i + 1, 1), inner.real(left)) for i in (0, 2))
        inset = inner.Mul(inner.Sub(x1, x0), BETWEEN)
        grow = inner.Div(wide, inner.Mul(width, float(lines.FRAME)))
        low, high = inner.Mul(inner.Add(x0, inset), grow), inner.Mul(inner.Sub(x1, inset), grow)
        low = inner.Min(inner.Floor(inner.Max(low, 0.0)), inner.Sub(last, 1.0))
        inside = inner.And(inner.GreaterOrEqual(frame, low), inner.Or(inner.Less(frame, high), inner.Equal(frame, low)))
        middle = inner.Div(inner.Add(inner.part(boxes, 1, 2, 1), inner.part(boxes, 3, 4, 1)), 2.0)
        above, below = (inner.Gather(place, index, axis=0) for index in (1, 3))
        inside = inner.And(inside, inner.And(inner.Greater(middle, above), inner.Less(middle, below)))
        fits = inner.Mul(inner.real(inside), inner.MatMul(digits, inner.transpose(said)))
        fits = inner.Mul(fits, inner.Unsqueeze(scores, [1]))
        share = inner.Div(fits, inner.Max(inner.total(fits, 0, keep=True), 1e-9))  # (n, T)
        return [inner.largest(inner.Mul(inner.Unsqueeze(share, [2]), inner.Unsqueeze(said, [0])), 1)]

    def nothing(inner: Ops) -> list[Value]:
        return [inner.Expand(0.0, inner.Concat(count, np.array([10], np.int64), axis=0))]

    return str(ops.either(level, look, nothing)[0])


def _said_together(
    ops: Ops, hearing: Hearing, level: Value, boxes: Value, scores: Value, digits: Value, heard: Value
) -> tuple[Value, Value, Value]:
    """On a line: boxes, scores and digits after the third network was heard, surest first; elsewhere as they are."""

    def logit(p: Value) -> Value:
        return ops.Log(ops.Div(ops.Add(p, CAREFUL), ops.Sub(1 + CAREFUL, p)))

    here = ops.Mul(logit(scores), hearing.others)
    here = ops.Add(ops.Add(here, ops.Mul(logit(ops.largest(heard, 1)), hearing.line)), hearing.shift)
    scores = ops.Where(level, ops.Sigmoid(here), scores)
    known = ops.Mul(ops.Log(ops.Add(digits, CAREFUL)), 1 - hearing.share)
    known = ops.Add(known, ops.Mul(ops.Log(ops.Add(heard, CAREFUL)), hearing.share))
    digits = ops.Where(level, ops.Softmax(ops.Div(known, hearing.temperature), axis=1), digits)
    count = ops.total(ops.whole(ops.Greater(scores, ops.Where(level, TOGETHER, LIKELY))))
    scores, order = ops.call("TopK", scores, ops.Reshape(count, [1]), outputs=2)
    return ops.Gather(boxes, order, axis=0), scores, ops.Gather(digits, order, axis=0)


def _serif(ops: Ops, boxes: Value) -> Value:
    """For all pairs of corners (n, 4): whether the first is a small thing beside the second; (n, n)."""
    sides = ops.Sub(ops.part(boxes, 2, 4, 1), ops.part(boxes, 0, 2, 1))
    height = ops.part(sides, 1, 2, 1)
    reach = ops.Add(boxes, ops.Mul(height, np.array([[-BESIDE, 0, BESIDE, 0]], np.float32)))
    shared, _, _ = _overlap(ops, boxes, reach)
    longer = ops.Unsqueeze(ops.largest(sides, 1), [1])
    small = ops.Less(longer, ops.Mul(ops.transpose(height), SERIF))
    area = ops.Mul(ops.part(sides, 0, 1, 1), height)
    return ops.And(small, ops.Greater(shared, ops.Mul(area, 0.5)))


def _overlap(ops: Ops, first: Value, second: Value) -> tuple[Value, Value, Value]:
    """For all pairs of corners (n, 4) and (m, 4): the area shared, the smaller one's, and that of both; (n, m)."""

    def sides(boxes: Value) -> list[Value]:
        return [ops.part(boxes, i, i + 1, 1) for i in range(4)]

    def area(parts: list[Value]) -> Value:
        return ops.Mul(ops.Sub(parts[2], parts[0]), ops.Sub(parts[3], parts[1]))

    ours, theirs = sides(first), sides(second)
    areas = [area(ours), ops.transpose(area(theirs))]

    def along(low: int, high: int) -> Value:
        end = ops.Min(ours[high], ops.transpose(theirs[high]))
        return ops.Max(ops.Sub(end, ops.Max(ours[low], ops.transpose(theirs[low]))), 0.0)

    shared = ops.Mul(along(0, 2), along(1, 3))
    return shared, ops.Min(*areas), ops.Sub(ops.Add(*areas), shared)


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
