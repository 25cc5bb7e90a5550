"""From all finds of the networks for pages every digit once, as ONNX operators: the last part of their graph.

Of finds that overlap the surest stays, and those in the same place vote on which digit it is. Where all stand on one
line, the network for lines is heard, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inkdigits.detection import lines, transcript
from inkdigits.detection import network as parts
from inkdigits.detection.calibration import CAREFUL, Hearing
from inkdigits.detection.onnx_layers import OnnxLayers, Weights, paper_level
from inkdigits.graph import Ops, Value

LIKELY = 0.5
"""What is less likely to be a digit, once all that look at it were heard, is none."""
SURE = 0.99
"""Where nothing is so surely a digit, ..."""
SEVERAL = 3
"""... at least so many things may be one, not on one line, ..."""
USUAL = 2.0
"""... and the mean of their logits is lower than this, ..."""
DOUBT = 2.0
"""... all are doubted: so many times as much is taken from each one's logit as the mean lacks."""
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


def read(
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

    level, place = _one_line(ops, boxes, scores, edge)
    if line is None:
        return *_doubted(ops, level, *once(LIKELY)), ""
    kept = once(ops.Where(level, UNLIKELY, LIKELY))
    found = ops.Mul(kept[0], scale), *kept[1:]
    heard, signs, places = _heard(ops, line, level, picture, ops.Mul(place, scale), *found)
    if hearing is None:
        return *kept, heard
    said = _said_together(ops, hearing, level, *kept, heard)
    known = transcript.corrected(ops, level, signs, ops.Div(places, scale), kept, said)
    return *_doubted(ops, level, *known), heard


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
) -> tuple[Value, Value, Value]:
    """How sure the network for lines is of each digit in each of n boxes: (n, 10), 0.0 where there is no one line.

    What it sees in the place of several boxes is shared among them, for it sees every digit once. Further, what it sees
    in each of its frames, (T, 11), and where in the picture their middles are from left to right, (T,).

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
        ink = inner.Sub(paper_level(inner, small), small)
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
        middles = inner.Add(inner.Div(inner.Add(inner.Reshape(frame, [-1]), 0.5), grow), inner.real(left))
        heard = inner.largest(inner.Mul(inner.Unsqueeze(share, [2]), inner.Unsqueeze(said, [0])), 1)
        return [heard, inner.Squeeze(signs, [0]), middles]

    def nothing(inner: Ops) -> list[Value]:
        silent = inner.Expand(0.0, inner.Concat(count, np.array([10], np.int64), axis=0))
        return [
            silent,
            inner.constant(np.zeros((1, lines.BLANK + 1), np.float32)),
            inner.constant(np.zeros(1, np.float32)),
        ]

    heard, signs, places = ops.either(level, look, nothing)
    return heard, signs, places


def _said_together(
    ops: Ops, hearing: Hearing, level: Value, boxes: Value, scores: Value, digits: Value, heard: Value
) -> tuple[Value, Value, Value]:
    """On a line: boxes, scores and digits after the third network was heard, surest first; elsewhere as they are."""
    here = ops.Mul(_logit(ops, scores), hearing.others)
    here = ops.Add(ops.Add(here, ops.Mul(_logit(ops, ops.largest(heard, 1)), hearing.line)), hearing.shift)
    scores = ops.Where(level, ops.Sigmoid(here), scores)
    known = ops.Mul(ops.Log(ops.Add(digits, CAREFUL)), 1 - hearing.share)
    known = ops.Add(known, ops.Mul(ops.Log(ops.Add(heard, CAREFUL)), hearing.share))
    digits = ops.Where(level, ops.Softmax(ops.Div(known, hearing.temperature), axis=1), digits)
    return _likely(ops, boxes, scores, digits)


def _doubted(ops: Ops, level: Value, boxes: Value, scores: Value, digits: Value) -> tuple[Value, Value, Value]:
    """What is left where much may be a digit and nothing surely is one, as on a photograph of something else."""
    logits, count = _logit(ops, scores), ops.size(scores, 0)
    lacks = ops.Sub(USUAL, ops.Div(ops.total(logits), ops.real(ops.Max(count, 1))))
    sure = ops.Greater(ops.total(ops.real(ops.Greater(scores, SURE))), 0.0)
    doubtful = ops.And(ops.Not(ops.Or(level, sure)), ops.And(ops.Greater(lacks, 0.0), ops.Greater(count, SEVERAL - 1)))
    less = ops.Sigmoid(ops.Sub(logits, ops.Mul(lacks, DOUBT)))
    return _likely(ops, boxes, ops.Where(doubtful, less, scores), digits)


def _likely(ops: Ops, boxes: Value, scores: Value, digits: Value) -> tuple[Value, Value, Value]:
    """What is likelier a digit than not, surest first."""
    count = ops.total(ops.whole(ops.Greater(scores, LIKELY)))
    scores, order = ops.call("TopK", scores, ops.Reshape(count, [1]), outputs=2)
    return ops.Gather(boxes, order, axis=0), scores, ops.Gather(digits, order, axis=0)


def _logit(ops: Ops, p: Value) -> Value:
    return ops.Log(ops.Div(ops.Add(p, CAREFUL), ops.Sub(1 + CAREFUL, p)))


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
