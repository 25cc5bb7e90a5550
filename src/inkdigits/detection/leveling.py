"""A picture whose lines slope is made level, as ONNX operators: by how much, the picture turned, boxes turned back.

In a photo that was not held straight, and in hands that climb or fall, digits are turned as the lines are, and networks
that know upright ones miss some.
"""

from __future__ import annotations

import numpy as np

from inkdigits.operators import Ops, Value

CROWD = 400
"""The slope is judged from the surest so many finds."""
NEAR, ALIKE = (0.3, 3.0), 1.6
"""The next digit on the right is so many heights away, neither is so many times as high as the other, ..."""
STEEPEST, LOOSE = 0.35, 0.15
"""... and it is not farther up or down than for this rise over run, 19 degrees, and so many heights."""
FAR, OFF = 8.0, 0.35
"""Then all pairs count that are less than so many heights apart and off the slope by less than so many."""
LEAST = 0.09
"""With a smaller slope, about 5 degrees, lines are level enough."""
MOST_PIXELS = 5_000_000
"""A picture that would have more pixels once it is level, as a long and narrow one may, is left as it is."""


def page_slope(ops: Ops, boxes: Value, logits: Value, width: Value, height: Value) -> Value:
    """The slope of the lines that finds make, rise over run downwards; 0.0 where it is not to be leveled.

    The median over finds of the direction to the next on the right, as in `ordering`; then, for two digits tell little
    of a line, the straight line of least squares through all that stand on one.

    Args:
        ops: the graph to write to.
        boxes: corners (n, 4).
        logits: how surely each is a digit, (n, 1).
        width: of the picture.
        height: of the picture.
    """
    count = ops.Min(ops.total(ops.whole(ops.Greater(logits, 0.0))), CROWD)

    def judged(inner: Ops) -> list[Value]:
        order = inner.call("TopK", inner.Reshape(logits, [-1]), inner.Reshape(count, [1]), outputs=2)[1]
        found = _of_lines(inner, inner.Gather(boxes, order, axis=0))
        wide, tall = _sides(inner, width, height, *_direction(inner, found))
        steep = inner.Greater(inner.Abs(found), LEAST)
        return [inner.Where(inner.And(steep, inner.Less(inner.Mul(wide, tall), float(MOST_PIXELS))), found, 0.0)]

    return str(ops.either(ops.Greater(count, 1), judged, lambda inner: [inner.constant(0.0)])[0])


def _of_lines(ops: Ops, boxes: Value) -> Value:
    """The slope of the lines that boxes (n, 4) make; 0.0 where fewer than two have one on the right."""
    x0, y0, x1, y1 = (ops.part(boxes, i, i + 1, 1) for i in range(4))
    tall = ops.Max(ops.Sub(y1, y0), ops.Mul(ops.Sub(x1, x0), 0.5))
    mean = ops.Div(ops.Add(tall, ops.transpose(tall)), 2.0)
    alike = ops.Less(tall, ops.Mul(ops.transpose(tall), ALIKE))
    middles = (ops.Div(ops.Add(low, high), 2.0) for low, high in ((x0, x1), (y0, y1)))
    right, down = (ops.Sub(ops.transpose(middle), middle) for middle in middles)
    beside = ops.And(ops.And(alike, ops.transpose(alike)), ops.Greater(right, ops.Mul(mean, NEAR[0])))
    steep = ops.Add(ops.Mul(right, STEEPEST), ops.Mul(mean, LOOSE))
    near = ops.And(ops.Less(right, ops.Mul(mean, NEAR[1])), ops.Less(ops.Abs(down), steep))

    far = ops.Where(ops.And(beside, near), right, 1e9)
    nearest = ops.ArgMin(far, axis=1, keepdims=1)
    run, rise = (ops.GatherElements(x, nearest, axis=1) for x in (far, down))
    each = ops.Compress(ops.Div(rise, run), ops.Reshape(ops.Less(run, 1e9), [-1]), axis=0)
    number = ops.size(each, 0)
    half = ops.Reshape(ops.Add(ops.Div(number, 2), 1), [1])  # the 0.0 is for where there is none
    ordered = ops.call("TopK", ops.Concat(ops.Reshape(each, [-1]), np.zeros(1, np.float32), axis=0), half, outputs=2)[0]
    found = ops.Mul(ops.ReduceMin(ordered, keepdims=0), ops.real(ops.Greater(number, 1)))

    for _ in range(2):
        off = ops.Abs(ops.Sub(down, ops.Mul(right, found)))
        on = ops.And(ops.Less(off, ops.Mul(mean, OFF)), ops.Less(right, ops.Mul(mean, FAR)))
        on = ops.Mul(right, ops.real(ops.And(beside, on)))
        fitted = ops.Div(ops.total(ops.Mul(on, down)), ops.Max(ops.total(ops.Mul(on, right)), 1e-6))
        found = ops.Where(ops.Greater(number, 1), fitted, 0.0)
    return ops.Clip(found, -STEEPEST, STEEPEST)


def leveled(ops: Ops, picture: Value, slope: Value) -> Value:
    """A picture (1, C, H, W) whose lines have a slope, turned until they are level, and larger; its border goes on."""
    along, across = _direction(ops, slope)
    height, width = (ops.real(ops.size(picture, axis)) for axis in (2, 3))
    wide, tall = (ops.Ceil(side) for side in _sides(ops, width, height, along, across))

    def from_middle(side: Value) -> Value:
        return ops.Sub(ops.Range(0.5, side, 1.0), ops.Div(side, 2.0))

    x, y = from_middle(wide), ops.Unsqueeze(from_middle(tall), [1])
    across_picture = ops.Sub(ops.Mul(x, along), ops.Mul(y, across))
    down_picture = ops.Add(ops.Mul(x, across), ops.Mul(y, along))
    # The picture's borders are at -1.0 and 1.0.
    places = ops.Div(across_picture, ops.Div(width, 2.0)), ops.Div(down_picture, ops.Div(height, 2.0))
    grid = ops.Unsqueeze(ops.Concat(*(ops.Unsqueeze(place, [2]) for place in places), axis=2), [0])
    return str(ops.GridSample(picture, grid, mode="bilinear", padding_mode="border", align_corners=0))


def unleveled(ops: Ops, boxes: Value, slope: Value, width: Value, height: Value) -> Value:
    """Where corners (n, 4) on a picture that `leveled` made are on the picture itself, of this width and height.

    A box is as large as an oval that fills it needs once it is turned, for a digit seldom fills the corners.
    """
    along, across = _direction(ops, slope)
    wide, tall = _sides(ops, width, height, along, across)
    x0, y0, x1, y1 = (ops.part(boxes, i, i + 1, 1) for i in range(4))
    x, y = (ops.Div(ops.Sub(ops.Add(a, b), side), 2.0) for a, b, side in ((x0, x1, wide), (y0, y1, tall)))
    right = ops.Add(ops.Sub(ops.Mul(x, along), ops.Mul(y, across)), ops.Div(width, 2.0))
    down = ops.Add(ops.Add(ops.Mul(x, across), ops.Mul(y, along)), ops.Div(height, 2.0))

    def reach(first: Value, second: Value) -> Value:
        first, second = ops.Mul(first, along), ops.Mul(second, across)
        return ops.Div(ops.Sqrt(ops.Add(ops.Mul(first, first), ops.Mul(second, second))), 2.0)

    broad, high = ops.Sub(x1, x0), ops.Sub(y1, y0)
    beside, above = reach(broad, high), reach(high, broad)
    corners = ops.Sub(right, beside), ops.Sub(down, above), ops.Add(right, beside), ops.Add(down, above)
    return str(ops.Concat(*corners, axis=1))


def _direction(ops: Ops, slope: Value) -> tuple[Value, Value]:
    """Cosine and sine of the angle of a slope."""
    along = ops.Div(1.0, ops.Sqrt(ops.Add(ops.Mul(slope, slope), 1.0)))
    return along, ops.Mul(slope, along)


def _sides(ops: Ops, width: Value, height: Value, along: Value, across: Value) -> tuple[Value, Value]:
    """Width and height of the smallest upright rectangle around one of this width and height, turned."""
    across = ops.Abs(across)
    wide = ops.Add(ops.Mul(width, along), ops.Mul(height, across))
    return wide, ops.Add(ops.Mul(width, across), ops.Mul(height, along))
