"""From all finds of the networks for pages every digit once, as ONNX operators: the last part of their graph.

Of finds that overlap the surest stays, and those in the same place vote on which digit it is. Then the network for
lines is asked, too (`hearing`).
"""

from __future__ import annotations

import numpy as np

from inkdigits.detection.calibration import Hearing
from inkdigits.detection.hearing import LIKELY, POSSIBLE, Seen, asked, heard, likely, logit, one_line, several_lines
from inkdigits.detection.onnx_layers import Weights
from inkdigits.detection.transcript import Digits
from inkdigits.operators import Ops, Value

SURE = 0.99
"""Where nothing is so surely a digit, ..."""
USUAL = 2.5
"""... and the mean of all logits is lower than this, there may be no digits; unless several stand on one line, ..."""
DOUBT = 2.0
"""... all are doubted: so many times as much is taken from each one's logit as the mean lacks."""
UNLIKELY = 0.05
"""The third network is asked about everything that the first two find at least so likely."""
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
MOST = 1000
"""No more digits are found at one size of a picture."""


def read(
    ops: Ops,
    gray: Value,
    even: Value,
    scale: Value,
    edge: Value,
    boxes: Value,
    scores: Value,
    digits: Value,
    line: Weights | None,
    hearing: Hearing | None,
) -> tuple[Value, Value, Value, Value]:
    """From all finds every digit once: corners (n, 4), scores (n,) and probabilities (n, 10), surest first.

    Without a `hearing`, all that may be a digit instead, and what was `heard` of it, (n, 10); else the latter is "".

    `gray` (1, 1, H, W), ink darker than paper, is at `scale` times the size in which corners are given; there `edge`
    (4,) is its width, height, width and height. `even` tells whether finds were seen in even light; so are lines, then.
    """
    level = one_line(ops, boxes, scores, edge)
    probable = ops.Greater(scores, LIKELY if line is None else UNLIKELY)
    kept = _once(ops, *(ops.Compress(x, probable, axis=0) for x in (boxes, scores, digits)))
    if line is None:
        return *_doubted(ops, level, *kept), ""
    finds = ops.Mul(kept[0], scale), *kept[1:]
    seen = Seen(gray, even)
    if hearing is None:
        return *kept, heard(ops, line, level, seen, finds)
    together = _lines(ops, level, finds)
    boxes, scores, digits = asked(ops, line, hearing, level, seen, together, finds)
    return *_doubted(ops, level, ops.Div(boxes, scale), scores, digits), ""


def _lines(ops: Ops, level: Value, finds: Digits) -> Value:
    """Which of n finds stand on each line, (lines, n) bool; none do where all are doubtful."""
    boxes, scores, _ = finds

    def one(inner: Ops) -> list[Value]:
        return [inner.Unsqueeze(inner.Greater(scores, POSSIBLE), [0])]

    def several(inner: Ops) -> list[Value]:
        doubtful, _ = _doubtful(inner, inner.Compress(scores, inner.Greater(scores, LIKELY), axis=0))
        return [several_lines(inner, boxes, inner.Where(doubtful, 0.0, scores))]

    return str(ops.either(level, one, several)[0])


def _once(ops: Ops, boxes: Value, scores: Value, digits: Value) -> Digits:
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


def _doubted(ops: Ops, level: Value, boxes: Value, scores: Value, digits: Value) -> Digits:
    """What is left where something may be a digit and nothing surely is one, as on a photograph of something else."""
    doubtful, lacks = _doubtful(ops, scores)
    alone = ops.Less(ops.size(scores, 0), 2)
    doubtful = ops.And(doubtful, ops.Or(alone, ops.Not(level)))
    less = ops.Sigmoid(ops.Sub(logit(ops, scores), ops.Mul(lacks, DOUBT)))
    return likely(ops, boxes, ops.Where(doubtful, less, scores), digits)


def _doubtful(ops: Ops, scores: Value) -> tuple[Value, Value]:
    """Whether something may be a digit and nothing surely is one, of scores (n,), and what the mean logit lacks."""
    count = ops.real(ops.Max(ops.size(scores, 0), 1))
    lacks = ops.Sub(USUAL, ops.Div(ops.total(logit(ops, scores)), count))
    sure = ops.Greater(ops.total(ops.real(ops.Greater(scores, SURE))), 0.0)
    return ops.And(ops.Greater(lacks, 0.0), ops.Not(sure)), lacks


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
