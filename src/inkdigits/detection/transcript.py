"""What the network for lines alone reads, from left to right, and when that counts instead of what all say together.

The others can only be told which of their finds is which digit, so a digit that none of them found is missing from the
number, most often a 1. The third network says how likely a whole number is (Graves et al., 2006): its own can be
compared with theirs. Where it counts, digits that they found may be named anew or left out, too.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from inkdigits.detection.lines import BLANK
from inkdigits.operators import Ops, Value

SURE = 0.5
"""What the third network alone reads counts when it is likelier than this, ..."""
TIMES = 10.0
"""... so many times as likely as what all said together, ..."""
AGREED = 0.5
"""... and when what the others found in the places of its digits, whatever they called it, scores more than this on the
average, 0.0 where they found nothing: it may read a word as digits."""
TALL = 0.3
"""A digit without a find is as high as the nearest find that is at least so likely ..."""
HALF = np.where(np.arange(10) == 1, 0.1, 0.3)
"""... and reaches so far to both sides of its middle ..."""
EARLY = 0.14
"""... which is so far to the right of where the network says it, all as parts of that height."""
REACH = 0.6
"""A find is in the place of a digit that was read less than this part of its width from its middle."""
_FAR = 1e9
"""In place of how far apart two things are that do not belong together."""

Digits = tuple[Value, Value, Value]
"""Corners (n, 4), scores (n,) and probabilities (n, 10)."""


def corrected(ops: Ops, signs: Value, places: Value, finds: Digits, said: Digits) -> Digits:
    """The digits of a line as all `said` together, or as the third network reads them; surest first.

    Args:
        ops: the graph to write to.
        signs: (T, 11) the probabilities of the ten digits and `BLANK` in each of the network's frames.
        places: (T,) where the frames' middles are, in the units of the corners.
        finds: all that the others found on the line.
        said: what is left of it after all were heard.
    """
    own, seen, where = _read(ops, signs, places)
    theirs, _ = in_order(ops, said)
    rather = ops.Max(ops.Mul(likelihood(ops, signs, theirs), TIMES), SURE)
    apart = _apart(ops, where, finds)
    found = ops.largest(ops.Where(ops.Less(apart, 1.0), ops.Unsqueeze(finds[1], [0]), 0.0), 1)
    agreed = ops.Mul(ops.real(ops.size(own, 0)), AGREED)
    likelier = ops.Greater(likelihood(ops, signs, own), rather)
    known = ops.And(likelier, ops.Greater(ops.total(found), agreed))
    boxes, scores, digits = ops.either(
        known, lambda inner: list(_placed(inner, seen, where, apart, finds)), lambda _: list(said)
    )
    return boxes, scores, digits


def _read(ops: Ops, signs: Value, places: Value) -> tuple[Value, Value, Value]:
    """The likeliest signs without blanks and repetitions.

    Returns:
        The digits (n,) int64, `signs` (n, 11) of the frames that show them, and the middles of these (n,).
    """
    path, blank = ops.ArgMax(signs, axis=1, keepdims=0), np.array([BLANK], np.int64)
    before = ops.part(ops.Concat(blank, path, axis=0), 0, -1, 0)
    after = ops.part(ops.Concat(path, blank, axis=0), 1, 2**40, 0)
    shown = ops.Not(ops.Equal(path, BLANK))
    changes = (ops.And(shown, ops.Not(ops.Equal(path, other))) for other in (before, after))
    start, end = (ops.Reshape(ops.NonZero(change), [-1]) for change in changes)  # the first and last frame of each
    seen = ops.Div(ops.Add(*(ops.Gather(signs, at, axis=0) for at in (start, end))), 2.0)
    where = ops.Div(ops.Add(*(ops.Gather(places, at, axis=0) for at in (start, end))), 2.0)
    return ops.Gather(path, start, axis=0), seen, where


def likelihood(ops: Ops, signs: Value, digits: Value) -> Value:
    """How likely a number is: the sum over all ways to spread its digits (n,) int64 over frames, signs (T, 11)."""
    pairs = ops.Concat(ops.Unsqueeze(ops.Add(ops.Mul(digits, 0), BLANK), [1]), ops.Unsqueeze(digits, [1]), axis=1)
    written = ops.Concat(ops.Reshape(pairs, [-1]), np.array([BLANK], np.int64), axis=0)  # a blank around each
    count = ops.size(written, 0)
    index = ops.Range(0, count, 1)
    before, after = ops.Unsqueeze(written, [1]), ops.Unsqueeze(written, [0])
    ahead = ops.Sub(ops.Unsqueeze(index, [0]), ops.Unsqueeze(index, [1]))
    # A frame shows the same as the last one, or the next, or leaves out a blank that is not between two of a digit.
    over = ops.And(ops.Not(ops.Equal(before, after)), ops.Not(ops.Equal(after, BLANK)))
    moves = ops.Or(ops.Equal(ahead, 0), ops.Or(ops.Equal(ahead, 1), ops.And(ops.Equal(ahead, 2), over)))
    moves, start = ops.real(moves), ops.real(ops.Equal(ops.Unsqueeze(index, [0]), 0))
    inner = Ops(ops)
    reached, shown = inner.name(), inner.name()
    following = inner.Mul(inner.MatMul(reached, moves), shown)
    row = (TensorProto.FLOAT, [1, None])
    body = inner.graph([(following, *row)], [(reached, *row), (shown, TensorProto.FLOAT, [None])])
    (end,) = ops.call("Scan", start, ops.Gather(signs, written, axis=1), body=body, num_scan_inputs=1)
    return ops.total(ops.Mul(end, ops.real(ops.GreaterOrEqual(ops.Unsqueeze(index, [0]), ops.Sub(count, 2)))))


def in_order(ops: Ops, said: Digits) -> tuple[Value, Value]:
    """Which digits these are from left to right, and their rows: each (n,) int64."""
    boxes, _, digits = said
    middles = ops.Squeeze(ops.Add(ops.part(boxes, 0, 1, 1), ops.part(boxes, 2, 3, 1)), [1])
    order = ops.call("TopK", middles, ops.Reshape(ops.size(boxes, 0), [1]), outputs=2, largest=0)[1]
    return ops.ArgMax(ops.Gather(digits, order, axis=0), axis=1, keepdims=0), order


def _apart(ops: Ops, where: Value, finds: Digits) -> Value:
    """How far each of n places is from the middle of each of m finds, (n, m); from 1.0 on it is not in its place."""
    x0, x1 = (ops.part(finds[0], i, i + 1, 1) for i in (0, 2))
    middle, width = (ops.transpose(x) for x in (ops.Div(ops.Add(x0, x1), 2.0), ops.Sub(x1, x0)))
    return ops.Div(ops.Abs(ops.Sub(ops.Unsqueeze(where, [1]), middle)), ops.Mul(width, REACH))


def _placed(ops: Ops, seen: Value, where: Value, apart: Value, finds: Digits) -> Digits:
    """Digits that were `seen` (n, 11) at `where` (n,), each in the box of its find, or in one of its own."""
    boxes, scores, _ = finds
    scores, count = ops.Unsqueeze(scores, [0]), ops.size(where, 0)
    # Each digit takes the likeliest and nearest find, and each find one digit.
    cost = ops.Where(ops.Less(apart, 1.0), ops.Sub(apart, scores), _FAR)
    find, digit = (ops.ArgMin(cost, axis=axis, keepdims=0) for axis in (1, 0))
    its_own = ops.And(
        ops.Equal(ops.Gather(digit, find, axis=0), ops.Range(0, count, 1)),
        ops.Less(ops.Neg(ops.largest(ops.Neg(cost), 1)), _FAR),
    )
    nearest = ops.ArgMin(ops.Where(ops.Greater(scores, TALL), apart, _FAR), axis=1, keepdims=0)
    nearest = ops.Gather(boxes, nearest, axis=0)
    top, bottom = ops.part(nearest, 1, 2, 1), ops.part(nearest, 3, 4, 1)
    digits, height = ops.part(seen, 0, BLANK, 1), ops.Sub(bottom, top)
    middle = ops.Add(ops.Unsqueeze(where, [1]), ops.Mul(height, EARLY))
    half = ops.Mul(ops.Gather(HALF, ops.ArgMax(digits, axis=1, keepdims=1), axis=0), height)
    new = ops.Concat(ops.Sub(middle, half), top, ops.Add(middle, half), bottom, axis=1)
    placed = ops.Where(ops.Unsqueeze(its_own, [1]), ops.Gather(boxes, find, axis=0), new)
    here = ops.total(digits, 1)
    sure, order = ops.call("TopK", here, ops.Reshape(count, [1]), outputs=2)
    digits = ops.Gather(ops.Div(digits, ops.Unsqueeze(here, [1])), order, axis=0)
    return ops.Gather(placed, order, axis=0), sure, digits
