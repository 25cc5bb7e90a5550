"""Where finds stand on a line, and what the network for lines sees of it, as ONNX operators.

All finds of a field stand on one line. On a page those make one that stand side by side, close to each other: digits of
one number, mostly. A line may slope; the network sees it level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from onnx import TensorProto

from inkdigits.detection import lines
from inkdigits.detection import network as parts
from inkdigits.detection.calibration import CAREFUL, Hearing
from inkdigits.detection.dates import without_slashes
from inkdigits.detection.onnx_layers import OnnxLayers, Weights, paper_level
from inkdigits.detection.transcript import Digits, corrected
from inkdigits.geometry import evenly_lit
from inkdigits.operators import Ops, Value

LIKELY = 0.5
"""What is less likely to be a digit, once all that look at it were heard, is none."""
POSSIBLE = 0.3
"""Lines are made of what the first two find at least so likely."""
LEVEL = 0.8
"""There is one line when all middles differ by less than this part of the median height."""
AROUND, CLOSE = (2.0, 0.17), (0.5, 0.1)
"""Paper seen around it, and around a line of a page, whose neighbors are near: across and down, as parts of the highest
digit's height. With more, the edge of a slip of paper or of a box often comes in, and digits are seen smaller."""
LONGER = 0.4
"""Around a line that is too long to be seen so, more is seen above and below it, up to this."""
NEAR = (1.5, 0.45)
"""On a page two finds stand side by side when their middles are less apart, across and down, than these parts of their
mean height, ..."""
ALIKE = 2.5
"""... and neither is so many times as high as the other."""
STEPS = 6
"""What is side by side makes a line, with what is beside that, and so on: so many times twice as far."""
LONG = (6.0, 3.0)
"""A line, and one of a page, may slope when it is longer than so many heights, ..."""
STEEPEST = 0.35
"""... at most with this rise over run."""
CROWD = 600
"""The surest so many possible digits of a page make lines; what else may be one does not."""
CERTAIN = 0.9
"""The third network is listened to on a page where it sees what the others find more likely than this ..."""
TRUSTED = 0.7
"""... as the same digit, so surely on the average (0.0 where it sees another): if not, there may be no line."""
BETWEEN = 0.2
"""It is asked what it saw in the middle of a find, without this part of its width on each side."""


class Seen(NamedTuple):
    """What lines are seen in."""

    gray: Value
    """(1, 1, H, W) the picture, ink darker than paper."""
    even: Value
    """Whether light is made even first: a bool."""


def one_line(ops: Ops, boxes: Value, scores: Value, edge: Value) -> Value:
    """Whether all that may be a digit stands on one line, not too long: a bool.

    `boxes` are corners (n, 4), `scores` (n,); `edge` (4,) is the picture's width, height, width and height.
    """
    possible = ops.Compress(boxes, ops.Greater(scores, POSSIBLE), axis=0)
    y0, y1 = (ops.part(possible, i, i + 1, 1) for i in (1, 3))
    middle, heights, count = ops.Div(ops.Add(y0, y1), 2.0), ops.Sub(y1, y0), ops.size(possible, 0)
    # The median, lest one tall mark beside two lines make them one; the 0.0 is for where there is nothing.
    ordered = ops.Concat(ops.Reshape(heights, [-1]), np.zeros(1, np.float32), axis=0)
    half = ops.Add(ops.Div(count, 2), 1)
    highest = ops.call("TopK", ordered, ops.Reshape(half, [1]), outputs=2)[0]
    middling = ops.Gather(highest, ops.Sub(half, 1), axis=0)
    spread = ops.Sub(_most(ops, middle), _least(ops, middle))
    level = ops.And(ops.Greater(count, 0), ops.Less(spread, ops.Mul(middling, LEVEL)))
    place = ops.Max(ops.Min(_around(ops, possible, np.array((AROUND[0], LONGER), np.float32)), edge), 0.0)
    return ops.And(level, _short(ops, place))


def several_lines(ops: Ops, boxes: Value, scores: Value) -> Value:
    """The lines of a page, (lines, n) bool: which of n finds, surest first, stand on each; on each at least two.

    Of chains of more than 2 ** `STEPS` finds lines may overlap; they are too long to be seen whole.
    """
    count = ops.size(boxes, 0)
    possible = ops.total(ops.whole(ops.Greater(scores, POSSIBLE)))

    def joined(inner: Ops) -> list[Value]:
        most = inner.Min(possible, CROWD)
        x0, y0, x1, y1 = (inner.part(inner.part(boxes, 0, most, 0), i, i + 1, 1) for i in range(4))
        tall = inner.Max(inner.Sub(y1, y0), inner.Mul(inner.Sub(x1, x0), 0.5))  # as in `ordering`
        mean = inner.Div(inner.Add(tall, inner.transpose(tall)), 2.0)
        beside = inner.Less(tall, inner.Mul(inner.transpose(tall), ALIKE))
        beside = inner.And(beside, inner.transpose(beside))
        for low, high, near in ((x0, x1, NEAR[0]), (y0, y1, NEAR[1])):
            middle = inner.Div(inner.Add(low, high), 2.0)
            apart = inner.Abs(inner.Sub(middle, inner.transpose(middle)))
            beside = inner.And(beside, inner.Less(apart, inner.Mul(mean, near)))
        index = inner.Range(0, most, 1)
        same = inner.Equal(inner.Unsqueeze(index, [0]), inner.Unsqueeze(index, [1]))
        reached = inner.real(inner.Or(beside, same))
        for _ in range(STEPS):
            reached = inner.real(inner.Greater(inner.MatMul(reached, reached), 0.0))
        first = inner.Equal(inner.ArgMax(reached, axis=1, keepdims=0), index)  # one row of those of each line
        first = inner.And(first, inner.Greater(inner.total(reached, 1), 1.0))
        rest = inner.Reshape(inner.Sub(count, most), [1])
        pads = inner.Concat(np.zeros(3, np.int64), rest, axis=0)
        return [inner.Greater(inner.Pad(inner.Compress(reached, first, axis=0), pads), 0.0)]

    def none(inner: Ops) -> list[Value]:
        shape = inner.Concat(np.zeros(1, np.int64), inner.Reshape(count, [1]), axis=0)
        return [inner.Greater(inner.Expand(0.0, shape), 0.0)]

    return str(ops.either(ops.Greater(possible, 1), joined, none)[0])


def heard(ops: Ops, line: Weights, level: Value, seen: Seen, finds: Digits) -> Value:
    """How sure the network for lines is of each digit in each of n finds, (n, 10); 0.0 where there is no one line.

    See `asked` for what is given.
    """
    boxes, scores, digits = finds

    def look(inner: Ops) -> list[Value]:
        slope, spot = _laid(inner, boxes, inner.Greater(scores, POSSIBLE), seen.gray, level)
        flat = _sheared(inner, boxes, inner.Neg(slope))
        here = inner.Mul(scores, inner.real(_inside(inner, flat, spot)))
        return [_heard(inner, line, seen, spot, slope, (flat, here, digits))[0]]

    return str(ops.either(level, look, lambda inner: [inner.Mul(digits, 0.0)])[0])


def asked(
    ops: Ops,
    line: Weights,
    hearing: Hearing,
    level: Value,
    seen: Seen,
    together: Value,
    finds: Digits,
) -> Digits:
    """The digits there are after the network for lines was asked about each line in turn, surest first.

    Where it is not listened to, and on no line, finds are as they were.

    Args:
        ops: the graph to write to.
        line: the network.
        hearing: how its answers change the others'.
        level: whether there is one line.
        seen: the picture.
        together: (lines, n) bool: which of n finds stand on each line.
        finds: what the others say of these; corners in pixels of the picture.
    """
    kinds: list[tuple[int, list[int | None]]] = [(TensorProto.BOOL, [None])]
    kinds += [(TensorProto.FLOAT, [None, *rest]) for rest in ([4], [], [10])]
    body = Ops(ops)
    turn, go_on, *before = (body.name() for _ in range(6))
    members = body.Gather(together, turn, axis=0)
    after = _next_line(body, line, hearing, level, seen, members, finds, before)
    # The first output is whether to go on; the others are what the next turn takes.
    outputs: list[tuple[Value, int, Any]] = [(body.Identity(go_on), TensorProto.BOOL, [])]
    outputs += [(x, *kind) for x, kind in zip(after, kinds, strict=True)]
    inputs: list[tuple[Value, int, Any]] = [(turn, TensorProto.INT64, []), (go_on, TensorProto.BOOL, [])]
    inputs += [(x, *kind) for x, kind in zip(before, kinds, strict=True)]
    given = ops.GreaterOrEqual(finds[1], 0.0), *(np.zeros(shape, np.float32) for shape in ((0, 4), (0,), (0, 10)))
    count = ops.size(together, 0)
    left, *known = ops.call("Loop", count, "", *given, outputs=4, body=body.graph(outputs, inputs))
    rest = (ops.Compress(x, left, axis=0) for x in finds)
    return likely(ops, *(ops.Concat(new, old, axis=0) for new, old in zip(known, rest, strict=True)))


def _next_line(
    ops: Ops,
    line: Weights,
    hearing: Hearing,
    level: Value,
    seen: Seen,
    members: Value,
    finds: Digits,
    before: Sequence[Value],
) -> list[Value]:
    """Which of n finds are left, (n,) bool, and boxes, scores and digits of lines, from those `before` this line."""
    left, *known = before
    boxes, scores, digits = finds
    slope, spot = _laid(ops, boxes, members, seen.gray, level)
    flat = _sheared(ops, boxes, ops.Neg(slope))
    # Whatever stands there is asked about, for the network sees it: what is too unlikely to make lines, or too small.
    here = ops.And(left, _inside(ops, flat, spot))
    boxes, scores, digits = (ops.Compress(x, here, axis=0) for x in (flat, scores, digits))
    said, signs, places = _heard(ops, line, seen, spot, slope, (boxes, scores, digits))
    agrees = _agrees(ops, ops.Compress(members, here, axis=0), scores, digits, said)
    listens = ops.Or(level, ops.And(agrees, _short(ops, spot)))

    def counted(inner: Ops) -> list[Value]:
        theirs = said_together(inner, hearing, boxes, scores, digits, said)
        number = corrected(inner, signs, places, (boxes, scores, digits), theirs)
        return list(without_slashes(inner, signs, number))

    new = ops.either(listens, counted, lambda inner: [inner.part(x, 0, 0, 0) for x in (boxes, scores, digits)])
    new = _sheared(ops, new[0], slope), *new[1:]
    left = ops.And(left, ops.Not(ops.And(here, listens)))
    return [left, *(ops.Concat(old, one, axis=0) for old, one in zip(known, new, strict=True))]


def said_together(ops: Ops, hearing: Hearing, boxes: Value, scores: Value, digits: Value, said: Value) -> Digits:
    """What is left of n finds, surest first, where what the network for lines `said`, (n, 10), counts as well."""
    here = ops.Mul(logit(ops, scores), hearing.others)
    here = ops.Add(ops.Add(here, ops.Mul(logit(ops, ops.largest(said, 1)), hearing.line)), hearing.shift)
    known = ops.Mul(ops.Log(ops.Add(digits, CAREFUL)), 1 - hearing.share)
    known = ops.Add(known, ops.Mul(ops.Log(ops.Add(said, CAREFUL)), hearing.share))
    return likely(ops, boxes, ops.Sigmoid(here), ops.Softmax(ops.Div(known, hearing.temperature), axis=1))


def likely(ops: Ops, boxes: Value, scores: Value, digits: Value) -> Digits:
    """What is likelier a digit than not, surest first."""
    count = ops.total(ops.whole(ops.Greater(scores, LIKELY)))
    scores, order = ops.call("TopK", scores, ops.Reshape(count, [1]), outputs=2)
    return ops.Gather(boxes, order, axis=0), scores, ops.Gather(digits, order, axis=0)


def logit(ops: Ops, p: Value) -> Value:
    """Of probabilities, as if none were nearer to 0 or 1 than `CAREFUL`."""
    return ops.Log(ops.Div(ops.Add(p, CAREFUL), ops.Sub(1 + CAREFUL, p)))


def _heard(ops: Ops, line: Weights, seen: Seen, place: Value, slope: Value, finds: Digits) -> tuple[Value, ...]:
    """How sure the network for lines is of each digit in each of n finds, (n, 10), on one line.

    What it sees in the place of several is shared among them, for it sees every digit once. Further, what it sees in
    each of its frames, (T, 11), and where in the picture their middles are from left to right, (T,).

    Args:
        ops: the graph to write to.
        line: the network.
        seen: the picture.
        place: corners (4,) of the line in it, once it is level.
        slope: of the line, as rise over run downwards; 0.0 where it is level already.
        finds: on it, moved as the line is when it is made level.
    """
    boxes, scores, digits = finds

    def ends(low: int, high: int) -> tuple[Value, Value]:
        """At least one pixel."""
        first, last = (ops.Gather(place, index, axis=0) for index in (low, high))
        start = ops.whole(ops.Floor(first))
        return start, ops.Max(ops.whole(ops.Ceil(last)), ops.Add(start, 1))

    (left, right), (top, bottom) = ends(0, 2), ends(1, 3)
    strip = _strip(ops, seen.gray, ops.Range(left, right, 1), ops.Range(top, bottom, 1), slope)
    width = ops.real(ops.size(strip, 3))
    scale = ops.Div(float(lines.HEIGHT), ops.real(ops.size(strip, 2)))
    wide = ops.Max(ops.Min(ops.Round(ops.Mul(width, scale)), float(lines.LONGEST)), float(lines.LEAST))
    columns = ops.Reshape(ops.whole(wide), [1])
    size = ops.Concat(np.array([1, 1, lines.HEIGHT], np.int64), columns, axis=0)
    small = ops.Resize(strip, "", "", size, mode="linear", antialias=1)
    (small,) = ops.either(seen.even, lambda inner: [evenly_lit(inner, small, lines.REACH)], lambda _: [small])
    ink = ops.Sub(paper_level(ops, small), small)
    ink = ops.Div(ink, ops.Sqrt(ops.Add(ops.mean(ops.Mul(ink, ink)), parts.FAINT**2)))
    whole = ops.Add(columns, lines.PAPER + lines.MULTIPLE - 1)
    rest = ops.Sub(ops.Mul(ops.Div(whole, lines.MULTIPLE), lines.MULTIPLE), columns)
    padded = ops.Pad(ink, ops.Concat(np.zeros(7, np.int64), rest, axis=0))
    signs = ops.Softmax(lines.layout(OnnxLayers(ops, line), padded), axis=2)
    said = ops.Squeeze(ops.part(signs, 0, lines.BLANK, 2), [0])  # (T, 10)
    # Frame t has seen from t to t + 1; a find is from `low` to `high`.
    last = ops.real(ops.size(said, 0))
    frame = ops.Reshape(ops.Range(0.0, last, 1.0), np.array([1, -1], np.int64))
    x0, x1 = (ops.Sub(ops.part(boxes, i, i + 1, 1), ops.real(left)) for i in (0, 2))
    inset = ops.Mul(ops.Sub(x1, x0), BETWEEN)
    grow = ops.Div(wide, ops.Mul(width, float(lines.FRAME)))
    low, high = ops.Mul(ops.Add(x0, inset), grow), ops.Mul(ops.Sub(x1, inset), grow)
    low = ops.Min(ops.Floor(ops.Max(low, 0.0)), ops.Sub(last, 1.0))
    inside = ops.And(ops.GreaterOrEqual(frame, low), ops.Or(ops.Less(frame, high), ops.Equal(frame, low)))
    fits = ops.Mul(ops.real(inside), ops.MatMul(digits, ops.transpose(said)))
    fits = ops.Mul(fits, ops.Unsqueeze(scores, [1]))
    share = ops.Div(fits, ops.Max(ops.total(fits, 0, keep=True), 1e-9))  # (n, T)
    middles = ops.Add(ops.Div(ops.Add(ops.Reshape(frame, [-1]), 0.5), grow), ops.real(left))
    each = ops.largest(ops.Mul(ops.Unsqueeze(share, [2]), ops.Unsqueeze(said, [0])), 1)
    return each, ops.Squeeze(signs, [0]), middles


def _strip(ops: Ops, gray: Value, columns: Value, rows: Value, slope: Value) -> Value:
    """These columns and rows of a picture (1, 1, H, W), whose rows have a slope: (1, 1, rows, columns).

    What is beyond its upper and lower border is as the border is.
    """
    height, width = ops.size(gray, 2), ops.size(gray, 3)
    columns, rows = ops.Max(ops.Min(columns, ops.Sub(width, 1)), 0), ops.Unsqueeze(ops.real(rows), [1])
    last = ops.real(ops.Sub(height, 1))
    exact = ops.Add(rows, ops.Unsqueeze(ops.Mul(slope, ops.Add(ops.real(columns), 0.5)), [0]))
    exact = ops.Max(ops.Min(exact, last), 0.0)
    above = ops.Floor(exact)
    table, across = ops.Reshape(gray, [-1]), ops.Unsqueeze(columns, [0])

    def at(where: Value) -> Value:
        return ops.Gather(table, ops.Add(ops.Mul(ops.whole(where), width), across), axis=0)

    upper = at(above)
    strip = ops.Add(upper, ops.Mul(ops.Sub(at(ops.Min(ops.Add(above, 1.0), last)), upper), ops.Sub(exact, above)))
    return ops.Unsqueeze(strip, [0, 1])


def _laid(ops: Ops, boxes: Value, members: Value, gray: Value, level: Value) -> tuple[Value, Value]:
    """The slope of a line, and its corners (4,) when it is level, with paper around, as far as the picture goes."""
    its = ops.Compress(boxes, members, axis=0)
    (x, y), tall = _middles(ops, its), _tallest(ops, its)
    across, middle = ops.Sub(_most(ops, x), _least(ops, x)), ops.mean(x)
    x, y = ops.Sub(x, middle), ops.Sub(y, ops.mean(y))
    rise = ops.Div(ops.total(ops.Mul(x, y)), ops.Max(ops.total(ops.Mul(x, x)), 1e-6))
    long = ops.Greater(across, ops.Mul(tall, ops.Where(level, *LONG)))
    slope = ops.Where(long, ops.Clip(rise, -STEEPEST, STEEPEST), 0.0)
    paper = ops.Where(level, *(np.array(paper, np.float32) for paper in (AROUND, CLOSE)))
    spot = _around(ops, _sheared(ops, its, ops.Neg(slope)), paper)
    (spot,) = ops.either(level, lambda inner: [_high_enough(inner, spot)], lambda _: [spot])
    width, height = (ops.Reshape(ops.real(ops.size(gray, axis)), [1]) for axis in (3, 2))
    # Where the picture begins and ends at the line's middle.
    start = ops.Mul(ops.Mul(slope, middle), np.array([0, -1, 0, -1], np.float32))
    end = ops.Add(start, ops.Concat(width, height, width, height, axis=0))
    return slope, ops.Max(ops.Min(spot, end), start)


def _agrees(ops: Ops, members: Value, scores: Value, digits: Value, said: Value) -> Value:
    """Whether most of what surely is a digit on a line, to the others, is the same one in what was `said` (m, 10).

    Of m finds there `members` (m,) make the line; what else stands there does not tell whether it is one.
    """
    sure = ops.real(ops.And(members, ops.Greater(scores, CERTAIN)))
    same = ops.Equal(*(ops.ArgMax(each, axis=1, keepdims=0) for each in (digits, said)))
    agreed = ops.total(ops.Mul(ops.Mul(sure, ops.real(same)), ops.largest(said, 1)))
    count = ops.total(sure)
    return ops.And(ops.Greater(count, 0.0), ops.GreaterOrEqual(agreed, ops.Mul(count, TRUSTED)))


def _short(ops: Ops, place: Value) -> Value:
    """Whether the network for lines can see all of a line with these corners (4,)."""
    wide, high = _size(ops, place)
    return ops.Less(wide, ops.Mul(high, lines.LONGEST / lines.HEIGHT))


def _high_enough(ops: Ops, place: Value) -> Value:
    """Corners (4,) as far apart up and down as the network for lines needs to see all between them, left to right."""
    wide, high = _size(ops, place)
    more = ops.Max(ops.Sub(ops.Mul(wide, lines.HEIGHT / lines.LONGEST), high), 0.0)
    return ops.Add(place, ops.Mul(more, np.array([0, -0.5, 0, 0.5], np.float32)))


def _size(ops: Ops, place: Value) -> tuple[Value, Value]:
    """Width and height between corners (4,)."""
    size = ops.Sub(ops.part(place, 2, 4, 0), ops.part(place, 0, 2, 0))
    wide, high = (ops.Gather(size, index, axis=0) for index in (0, 1))
    return wide, high


def _around(ops: Ops, boxes: Value, paper: Any) -> Value:
    """The corners (4,) of all boxes (n, 4) with `paper` (2,) around, across and down, in heights of the highest."""
    x0, y0, x1, y1 = (ops.part(boxes, i, i + 1, 1) for i in range(4))
    ends = _least(ops, x0), _least(ops, y0), _most(ops, x1), _most(ops, y1)
    left, top, right, bottom = (ops.Reshape(end, [1]) for end in ends)
    more = ops.Mul(_tallest(ops, boxes), paper)
    start, end = ops.Sub(ops.Concat(left, top, axis=0), more), ops.Add(ops.Concat(right, bottom, axis=0), more)
    return ops.Concat(start, end, axis=0)


def _inside(ops: Ops, boxes: Value, place: Value) -> Value:
    """Which boxes (n, 4) have their middles between these corners (4,): (n,) bool."""
    left, top, right, bottom = (ops.Gather(place, index, axis=0) for index in range(4))
    x, y = _middles(ops, boxes)
    beside = ops.And(ops.Greater(x, left), ops.Less(x, right))
    return ops.Squeeze(ops.And(beside, ops.And(ops.Greater(y, top), ops.Less(y, bottom))), [1])


def _sheared(ops: Ops, boxes: Value, slope: Value) -> Value:
    """Boxes (n, 4) moved down by so much for each pixel to the right."""
    down = ops.Mul(_middles(ops, boxes)[0], slope)
    return ops.Add(boxes, ops.Mul(down, np.array([[0, 1, 0, 1]], np.float32)))


def _middles(ops: Ops, boxes: Value) -> tuple[Value, Value]:
    """Where across and down the middles of boxes (n, 4) are: each (n, 1)."""
    x0, y0, x1, y1 = (ops.part(boxes, i, i + 1, 1) for i in range(4))
    return ops.Div(ops.Add(x0, x1), 2.0), ops.Div(ops.Add(y0, y1), 2.0)


def _tallest(ops: Ops, boxes: Value) -> Value:
    """The height of the highest of boxes (n, 4)."""
    return _most(ops, ops.Sub(ops.part(boxes, 3, 4, 1), ops.part(boxes, 1, 2, 1)))


def _least(ops: Ops, x: Value) -> Value:
    """The least of (n, 1)."""
    return ops.Neg(_most(ops, ops.Neg(x)))


def _most(ops: Ops, x: Value) -> Value:
    """The greatest of (n, 1); -1e9 of none."""
    return ops.largest(ops.Concat(x, np.full((1, 1), -1e9, np.float32), axis=0))
