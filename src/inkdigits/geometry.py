"""The steps of `inkdigits.preprocess` as ONNX operators: pictures become the ink that networks see.

The functions below read like those of the reference whose names they bear; see there for what the steps mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto

from inkdigits import preprocess as reference
from inkdigits import trial
from inkdigits.operators import Ops, Value
from inkdigits.preprocess import BOX, GRID, SIZE, WINDOW

Box = tuple[Value, Value, Value, Value]  # top, bottom, left, right


class Strokes(NamedTuple):
    """As in the reference, and where they are; labels and mask (h, w) are float32, the rest holds one per label."""

    labels: Value
    mask: Value
    mass: Value
    top: Value
    bottom: Value
    left: Value
    right: Value


class Look(NamedTuple):
    """As in the reference."""

    window: Box
    paper: Value
    floor: Value
    ink: Value
    mask: Value
    digit: Box


def normalize_batch(ops: Ops, pixels: Value) -> list[Value]:
    """(N, H, W, C) uint8 -> (N, 28, 28) ink, (N, 4) boxes and (N,) votes."""
    count = ops.size(pixels, 0)
    fits = ops.And(ops.Equal(ops.size(pixels, 1), SIZE), ops.Equal(ops.size(pixels, 2), SIZE))

    def none_is_normal(inner: Ops) -> list[Value]:
        boxes = inner.Expand(0.0, inner.Concat(inner.Reshape(count, [1]), np.array([4]), axis=0))
        return [inner.Greater(inner.largest(boxes, 1), 0.0), boxes]

    def as_they_are(inner: Ops) -> list[Value]:
        votes = inner.Expand(-np.inf, inner.Reshape(count, [1]))
        return [_plain(inner, pixels), inner.Identity(boxes), votes]

    def one_by_one(inner: Ops) -> list[Value]:
        return inner.call("Scan", pixels, normal, boxes, outputs=3, body=_one_picture(inner), num_scan_inputs=3)

    normal, boxes = ops.either(fits, lambda inner: _normal_form(inner, pixels), none_is_normal)
    whole = ops.And(fits, ops.Equal(ops.total(ops.whole(normal)), count))
    return list(ops.either(whole, as_they_are, one_by_one))


def _plain(ops: Ops, pixels: Value) -> Value:
    """The first channel, from 0 to 1."""
    return ops.Div(ops.real(ops.Gather(pixels, 0, axis=-1)), 255.0)


def _one_picture(parent: Ops) -> onnx.GraphProto:
    """`normalize`: (H, W, C) uint8, whether it is in normal form and its box if so -> (28, 28) ink, (4,) box, vote."""
    ops = Ops(parent)
    picture, normal, given = ops.name(), ops.name(), ops.name()
    seen, box, vote = ops.either(
        normal,
        lambda inner: [_plain(inner, picture), inner.Identity(given), inner.constant(-np.inf)],
        lambda inner: _normalize_any(inner, picture),
    )
    seen = ops.Reshape(seen, [SIZE, SIZE])
    box, vote = ops.Reshape(box, [4]), ops.Reshape(vote, np.zeros(0, np.int64))
    return ops.graph(
        [(seen, TensorProto.FLOAT, [SIZE, SIZE]), (box, TensorProto.FLOAT, [4]), (vote, TensorProto.FLOAT, [])],
        [
            (picture, TensorProto.UINT8, ["H", "W", "C"]),
            (normal, TensorProto.BOOL, []),
            (given, TensorProto.FLOAT, [4]),
        ],
    )


def _normal_form(ops: Ops, pixels: Value) -> list[Value]:
    """(N,) bool and (N, 4) boxes, as in the reference."""
    values = ops.real(ops.Gather(pixels, 0, axis=3))
    color = ops.real(ops.part(pixels, 0, 3, 3))
    alpha = ops.real(ops.part(pixels, 3, 4, 3))  # of no width where there is none
    odd = ops.total(ops.Abs(ops.Sub(color, ops.Unsqueeze(values, [3]))), 1, 2, 3)
    clear = ops.total(ops.Sub(255.0, alpha), 1, 2, 3)
    ink = ops.real(ops.Greater(values, float(reference.NORMAL_INK)))
    (top, bottom), (left, right) = (_ends(ops, ops.largest(ink, axis), 1) for axis in (2, 1))
    height, width = ops.Sub(bottom, top), ops.Sub(right, left)
    mass = ops.Max(ops.total(values, 1, 2), 1.0)
    places = np.arange(SIZE, dtype=np.float32)

    def centered(axis: int) -> Value:
        center = ops.Div(ops.total(ops.Mul(ops.total(values, axis), places), 1), mass)
        return ops.LessOrEqual(ops.Abs(ops.Sub(center, SIZE / 2)), 1.0)

    ring = np.zeros((SIZE, SIZE), np.float32)
    ring[[0, -1], :] += 1
    ring[:, [0, -1]] += 1
    border = ops.Div(ops.total(ops.Mul(values, ring), 1, 2), float(4 * SIZE))
    side = ops.Max(height, width)
    low, high = reference.NORMAL_SIDES
    conditions = [
        ops.Equal(odd, 0.0),
        ops.Equal(clear, 0.0),
        ops.GreaterOrEqual(ops.largest(values, 1, 2), 128.0),
        ops.LessOrEqual(border, float(reference.NORMAL_INK)),
        ops.GreaterOrEqual(side, float(low)),
        ops.LessOrEqual(side, float(high)),
        centered(2),
        centered(1),
    ]
    normal = conditions[0]
    for condition in conditions[1:]:
        normal = ops.And(normal, condition)
    sides = [ops.Unsqueeze(each, [1]) for each in (left, top, width, height)]
    return [normal, ops.Concat(*sides, axis=1)]


def _ends(ops: Ops, lines: Value, axis: int) -> tuple[Value, Value]:
    """The first place along an axis where lines are greatest, and one past the last."""
    first = ops.real(ops.ArgMax(lines, axis=axis, keepdims=0))
    return first, ops.real(ops.Add(ops.ArgMax(lines, axis=axis, keepdims=0, select_last_index=1), 1))


def _normalize_any(ops: Ops, picture: Value) -> list[Value]:
    """Ink (28, 28), its box (4,) and the vote of a picture (H, W, C) uint8."""
    color, step = colors(ops, picture)
    seen, box, vote = in_frames(ops, color)
    return [seen, ops.Mul(box, ops.real(step)), vote]


def colors(ops: Ops, picture: Value) -> tuple[Value, Value]:
    """(H, W, C) uint8 -> (1 or 3, H, W) float32 as the reference has it, and the stride, an int64 scalar."""
    longest = ops.Max(ops.size(picture, 0), ops.size(picture, 1))
    step = ops.Div(ops.Add(longest, reference.MAX_SIDE - 1), reference.MAX_SIDE)
    steps = ops.Concat(ops.Reshape(step, [1]), ops.Reshape(step, [1]), axis=0)
    strided = ops.Slice(picture, np.zeros(2, np.int64), np.full(2, 2**40), np.arange(2), steps)
    return _composite(ops, ops.Transpose(strided, perm=[2, 0, 1])), step


def in_frames(ops: Ops, color: Value, given: Value | None = None) -> list[Value]:
    """Ink (28, 28), its box (4,) and the vote, of a picture (C, H, W) as the reference has it."""
    height, width = ops.real(ops.size(color, 1)), ops.real(ops.size(color, 2))
    whole = stack(ops, ops.constant(0.0), height, ops.constant(0.0), width, ops.constant(0.0))
    no_direction = ops.Expand(0.0, ops.Concat(ops.Shape(color, start=0, end=1), np.array([1, 1]), axis=0))

    body = Ops(ops)
    turn, running, frame, direction, seen, box, vote = (body.name() for _ in range(7))
    new_seen, new_box, new_frame, new_direction, new_vote = _normalize_window(body, color, _sides(body, frame), given)
    first = body.Equal(turn, 0)
    fits = body.Or(first, _fits(body, new_seen, new_box, new_direction, frame, direction))
    framed = body.Greater(body.largest(new_frame), 0.0)
    outcome = [body.Where(fits, new, old) for new, old in ((new_seen, seen), (new_box, box))]
    outcome.append(body.Where(first, new_vote, vote))
    shapes = [[5], ["c", 1, 1], [SIZE, SIZE], [4], []]
    states = [
        [(name, TensorProto.FLOAT, shape) for name, shape in zip(names, shapes, strict=True)]
        for names in ((frame, direction, seen, box, vote), (new_frame, new_direction, *outcome))
    ]
    graph = body.graph(
        [(body.And(fits, framed), TensorProto.BOOL, []), *states[1]],
        [(turn, TensorProto.INT64, []), (running, TensorProto.BOOL, []), *states[0]],
    )
    start = whole, no_direction, *no_ink(ops), 0.0
    *_, seen, box, vote = ops.call("Loop", reference.FRAMES + 1, np.array(True), *start, outputs=5, body=graph)
    return [seen, box, vote]


def _normalize_window(ops: Ops, color: Value, window: Box, given: Value | None) -> list[Value]:
    """Ink (28, 28), its box (4,), a frame as `_frame` has it, the weights of the channels (C, 1, 1), and the vote."""
    small = sample(ops, color, window, *_grid_shape(ops, window))
    direction = _ink_direction(ops, small)
    vote = given or _vote(ops, _mix(ops, small, direction))
    direction = ops.Mul(direction, ops.Where(ops.GreaterOrEqual(vote, 0.0), 1.0, -1.0))

    def second_look(inner: Ops, look: Look) -> list[Value]:
        closer = _around(inner, look.digit, window)
        return [*_look(inner, color, direction, closer, lay_out, no_ink), _frame(inner, look)]

    def lay_out(inner: Ops, look: Look) -> list[Value]:
        top, bottom, left, right = look.digit
        seen = _lay_out(inner, color, direction, look)
        box = stack(inner, left, top, inner.Sub(right, left), inner.Sub(bottom, top))
        some = inner.real(inner.Greater(inner.largest(seen), 0.0))
        return [seen, inner.Mul(box, some)]

    def nothing(inner: Ops) -> list[Value]:
        return [*no_ink(inner), inner.Expand(0.0, np.array([5]))]

    return [*_look(ops, color, direction, window, second_look, nothing), direction, vote]


def no_ink(ops: Ops) -> list[Value]:
    """Ink and box of a picture without any."""
    return [ops.Expand(0.0, np.array([SIZE, SIZE])), ops.Expand(0.0, np.array([4]))]


def _sides(ops: Ops, frame: Value) -> Box:
    top, bottom, left, right = (ops.Gather(frame, side) for side in range(4))
    return top, bottom, left, right


def _fits(ops: Ops, seen: Value, box: Value, direction: Value, frame: Value, outer: Value) -> Value:
    x, y, wide, tall = (ops.Gather(box, side) for side in range(4))
    top, bottom, left, right = _sides(ops, frame)
    gap = ops.Min(
        ops.Sub(x, left), ops.Sub(y, top), ops.Sub(ops.Sub(right, x), wide), ops.Sub(ops.Sub(bottom, y), tall)
    )
    longest = ops.Max(ops.Sub(bottom, top), ops.Sub(right, left))
    large = ops.GreaterOrEqual(ops.Max(wide, tall), ops.Mul(longest, float(reference.FRAMED)))
    free = ops.And(ops.Greater(gap, float(reference.FREE)), large)
    alike = ops.Greater(ops.total(ops.Mul(direction, outer)), 0.0)
    count = ops.total(ops.real(ops.Greater(seen, 0.5)))
    shape = ops.Div(ops.Max(wide, tall), ops.Max(ops.Min(wide, tall), 1e-6))
    hollow = ops.Less(ops.Mul(ops.Div(count, float(BOX**2)), shape), float(reference.SOLID))
    surface = ops.Greater(ops.Gather(frame, 4), 0.0)
    hole = ops.And(surface, ops.And(ops.Not(alike), hollow))
    return ops.And(free, ops.Or(hole, ops.And(ops.Not(surface), alike)))


def opaque(ops: Ops, color: Value) -> tuple[Value, Value]:
    """(C, H, W) uint8 with C 1, 3 or 4 -> (1 or 3, H, W) float32 without transparency, and the vote on its polarity.

    The vote is 0.0 or more when ink is probably darker than paper.
    """
    color = _composite(ops, color)
    window = (ops.constant(0.0), ops.real(ops.size(color, 1)), ops.constant(0.0), ops.real(ops.size(color, 2)))
    small = sample(ops, color, window, *_grid_shape(ops, window))
    return color, _vote(ops, ops.mean(small, 0))


def _composite(ops: Ops, picture: Value) -> Value:
    def over(inner: Ops) -> list[Value]:
        color = inner.real(inner.part(picture, 0, 3, 0))
        alpha = inner.Div(inner.real(inner.part(picture, 3, 4, 0)), 255.0)
        shown = inner.Mul(color, alpha)
        brightness = inner.Div(inner.total(shown), inner.Max(inner.Mul(inner.total(alpha), 3.0), 1.0))
        behind = inner.Where(inner.Less(brightness, 128.0), 255.0, 0.0)
        return [inner.Add(shown, inner.Mul(behind, inner.Sub(1.0, alpha)))]

    has_alpha = ops.Equal(ops.size(picture, 0), 4)
    return str(ops.either(has_alpha, over, lambda inner: [inner.real(picture)])[0])


def _ink_direction(ops: Ops, small: Value) -> Value:
    """(C, 1, 1), where the reference has (C,)."""
    flat = ops.Reshape(small, np.array([0, -1], np.int64))
    deviation = ops.Sub(flat, ops.mean(flat, 1, keep=True))
    count = ops.real(ops.size(flat, 1))
    covariance = ops.Div(ops.MatMul(deviation, ops.transpose(deviation)), count)
    start = np.array([[0.7], [1.0], [0.8]], np.float32)
    direction = ops.part(ops.constant(start), 0, ops.size(small, 0), 0)
    for _ in range(8):
        direction = ops.MatMul(covariance, direction)
        direction = ops.Div(direction, ops.Max(ops.largest(ops.Abs(direction)), 1e-6))
    direction = ops.Div(direction, ops.Max(ops.total(ops.Abs(direction)), 1e-6))
    only = ops.Equal(ops.size(small, 0), 1)
    return ops.Unsqueeze(ops.Where(only, 1.0, direction), [2])


def _vote(ops: Ops, gray: Value) -> Value:
    rest = ops.Sub(gray, _surface(ops, gray, *_bases(ops, gray)))
    squares = ops.Mul(rest, rest)
    spread = ops.Add(ops.Pow(ops.mean(squares), 1.5), 1e-3)
    skewness = ops.Neg(ops.Div(ops.mean(ops.Mul(squares, rest)), spread))
    votes = ops.Add(_light_vote(ops, gray), _light_vote(ops, rest))
    vote = ops.Add(votes, ops.Mul(skewness, float(reference.LUMINANCE_SKEW)))
    dark = ops.mean(ops.Sub(_closing(ops, gray, reference.STROKE), gray))
    light = ops.mean(ops.Add(gray, _closing(ops, ops.Neg(gray), reference.STROKE)))
    thinness = ops.Div(ops.Sub(dark, light), ops.Add(ops.Add(dark, light), 1e-3))
    return ops.Add(vote, ops.Mul(thinness, float(reference.THINNESS)))


def _light_vote(ops: Ops, gray: Value) -> Value:
    smallest = ops.Neg(ops.largest(ops.Neg(gray)))
    light = ops.real(ops.Greater(gray, ops.Div(ops.Add(ops.largest(gray), smallest), 2.0)))
    lines = [ops.total(ops.Gather(light, at, axis=axis)) for axis in (0, 1) for at in (0, -1)]
    length = ops.real(ops.Mul(ops.Add(ops.size(gray, 0), ops.size(gray, 1)), 2))
    border = ops.Div(ops.Sum(*lines), length)
    return ops.Sub(ops.Mul(ops.Add(border, ops.mean(light)), 2.0), 2.0)


def _look(
    ops: Ops,
    color: Value,
    direction: Value,
    window: Box,
    found: Callable[[Ops, Look], list[Value]],
    nothing: Callable[[Ops], list[Value]],
) -> list[Value]:
    """What `found` makes of a look, or `nothing` when there is no ink."""
    gray = _mix(ops, sample(ops, color, window, *_grid_shape(ops, window)), direction)
    paper = _paper(ops, gray)
    ink = ops.Sub(paper, gray)
    ranked = _ranked(ops, ink)
    last = ops.Sub(ops.size(ranked, 0), 1)
    low, high = (ops.Gather(ranked, ops.whole(ops.Mul(ops.real(last), 1 - q))) for q in reference.PAPER_QUANTILES)
    floor = ops.Min(ops.Add(high, ops.Mul(ops.Sub(high, low), float(reference.NOISE))), float(reference.LOUDEST))
    ranked, ink = ops.Relu(ops.Sub(ranked, floor)), ops.Relu(ops.Sub(ink, floor))
    uneven = ops.largest(ops.Sub(_surface(ops, gray, *_bases(ops, gray)), gray))

    def see(inner: Ops) -> list[Value]:
        full = inner.Min(inner.Div(ink, _full_ink(inner, ranked)), 1.0)
        mask = _digit(inner, _strokes(inner, full, reference.INK))

        def placed(deep: Ops) -> list[Value]:
            cells = _extent(deep, deep.Greater(mask, 0.0))
            return found(deep, Look(window, paper, floor, full, mask, _placed(deep, cells, window, gray)))

        return list(inner.either(inner.Greater(inner.largest(mask), 0.0), placed, nothing))

    darkest = ops.Min(ops.Gather(ranked, 0), uneven)
    return list(ops.either(ops.GreaterOrEqual(darkest, float(reference.FAINTEST)), see, nothing))


def _placed(ops: Ops, cells: Box, window: Box, grid: Value) -> Box:
    tall = ops.Div(ops.Sub(window[1], window[0]), ops.real(ops.size(grid, 0)))
    wide = ops.Div(ops.Sub(window[3], window[2]), ops.real(ops.size(grid, 1)))
    return (
        ops.Add(window[0], ops.Mul(cells[0], tall)),
        ops.Add(window[0], ops.Mul(cells[1], tall)),
        ops.Add(window[2], ops.Mul(cells[2], wide)),
        ops.Add(window[2], ops.Mul(cells[3], wide)),
    )


def _ranked(ops: Ops, ink: Value) -> Value:
    flat = ops.Reshape(ink, [-1])
    return ops.call("TopK", flat, ops.Shape(flat), outputs=2)[0]


def _full_ink(ops: Ops, ranked: Value) -> Value:
    strong = ops.Greater(ranked, ops.Mul(ops.Gather(ranked, 0), float(reference.STRONG)))
    return ops.Gather(ranked, ops.whole(ops.Mul(ops.total(ops.real(strong)), float(reference.TOP))))


def _paper(ops: Ops, gray: Value) -> Value:
    bases = _bases(ops, gray)
    without_ink = _closing(ops, gray)
    for _ in range(reference.SURFACE_FITS):
        surface = _surface(ops, without_ink, *bases)
        rest = ops.Sub(gray, surface)
        darker = ops.Min(rest, 0.0)
        threshold = ops.Mul(ops.Sqrt(ops.mean(ops.Mul(darker, darker))), 0.5)
        without_ink = ops.Where(ops.Less(rest, ops.Neg(threshold)), surface, gray)
    return ops.Add(surface, _closing(ops, ops.Sub(gray, surface)))


def _bases(ops: Ops, values: Value) -> tuple[Value, Value]:
    return _polynomials(ops, ops.size(values, 0)), _polynomials(ops, ops.size(values, 1))


def _surface(ops: Ops, values: Value, rows: Value, columns: Value) -> Value:
    terms = ops.MatMul(ops.MatMul(ops.transpose(rows), values), columns)
    terms = ops.Mul(terms, reference._TRIANGLE)
    return ops.MatMul(ops.MatMul(rows, terms), ops.transpose(columns))


def _polynomials(ops: Ops, count: Value) -> Value:
    places = ops.Sub(_count_up(ops, count), ops.Div(ops.real(ops.Sub(count, 1)), 2.0))
    places = ops.Div(places, ops.Max(ops.largest(places), 1.0))
    squares = ops.Mul(places, places)
    rows = [ops.Add(ops.Mul(places, 0.0), 1.0), places, ops.Sub(squares, ops.mean(squares))]
    powers = ops.Concat(*(ops.Unsqueeze(row, [1]) for row in rows), axis=1)
    return ops.Div(powers, ops.Sqrt(ops.Add(ops.total(ops.Mul(powers, powers), 0), 1e-9)))


def _closing(ops: Ops, gray: Value, side: int = WINDOW) -> Value:
    def spread(x: Value) -> Value:
        x = _max_pool(ops, x, side, 1)
        return _max_pool(ops, x, 1, side)

    planes = ops.Unsqueeze(gray, [0, 1])
    return ops.Squeeze(ops.Neg(spread(ops.Neg(spread(planes)))), [0, 1])


def _max_pool(ops: Ops, planes: Value, tall: int, wide: int) -> Value:
    pads = [tall // 2, wide // 2, tall // 2, wide // 2]
    return ops.MaxPool(planes, kernel_shape=[tall, wide], pads=pads)


def evenly_lit(ops: Ops, picture: Value, reach: int, smooth: bool = True) -> Value:
    """A picture (1, C, H, W) with paper of one gray level, whatever the light on it; see `trial.evenly_lit`."""
    seen = ops.AveragePool(picture, kernel_shape=[3, 3], pads=[1] * 4) if smooth else picture

    def brightest(x: Value) -> Value:
        return _max_pool(ops, _max_pool(ops, x, 1, reach), reach, 1)

    paper = ops.Max(ops.Neg(brightest(ops.Neg(brightest(seen)))), picture)
    return ops.Mul(ops.Div(ops.Add(picture, trial.DARK), ops.Add(paper, trial.DARK)), trial.LIGHT)


def _strokes(ops: Ops, ink: Value, least: float) -> Strokes:
    mask = ops.real(ops.Greater(ink, float(least)))
    labels = ops.Mul(_connected(ops, mask), mask)
    tall, wide = ops.real(ops.size(ink, 0)), ops.real(ops.size(ink, 1))
    zeros = ops.Expand(0.0, ops.Reshape(ops.Add(ops.Size(ink), 1), [1]))
    rows = ops.Unsqueeze(_count_up(ops, ops.size(ink, 0)), [1])
    columns = ops.Unsqueeze(_count_up(ops, ops.size(ink, 1)), [0])
    flat = ops.whole(ops.Reshape(labels, [-1]))

    def gathered(values: Value, reduction: str) -> Value:
        """Per label, the sum or maximum of non-negative values over its cells."""
        spread = ops.Reshape(ops.Mul(values, mask), [-1])
        return ops.ScatterElements(zeros, flat, spread, axis=0, reduction=reduction)

    return Strokes(
        labels,
        mask,
        gathered(ink, "add"),
        ops.Sub(tall, gathered(ops.Sub(tall, rows), "max")),
        gathered(ops.Add(rows, 1.0), "max"),
        ops.Sub(wide, gathered(ops.Sub(wide, columns), "max")),
        gathered(ops.Add(columns, 1.0), "max"),
    )


def _digit(ops: Ops, strokes: Strokes) -> Value:
    """The mask as float32, 0.0 or 1.0."""
    labels, mask, mass, top, bottom, left, right = strokes
    tall, wide = ops.real(ops.size(labels, 0)), ops.real(ops.size(labels, 1))
    within = [ops.Greater(top, 0.0), ops.Less(bottom, tall), ops.Greater(left, 0.0), ops.Less(right, wide)]
    inside = ops.And(ops.And(within[0], within[1]), ops.And(within[2], within[3]))
    reach = [
        ops.Div(bottom, tall),
        ops.Sub(1.0, ops.Div(top, tall)),
        ops.Div(right, wide),
        ops.Sub(1.0, ops.Div(left, wide)),
    ]
    light = ops.constant(True)
    for depth, (axis, at) in zip(reach, ((0, 0), (0, -1), (1, 0), (1, -1)), strict=True):
        line = ops.whole(ops.Gather(labels, at, axis=axis))
        count = ops.ScatterElements(ops.Mul(mass, 0.0), line, ops.Gather(mask, at, axis=axis), axis=0, reduction="add")
        along = ops.Div(count, ops.real(ops.Size(line)))
        all_along = ops.GreaterOrEqual(along, float(reference.SHADOW[0]))
        light = ops.And(light, ops.Not(ops.And(all_along, ops.LessOrEqual(depth, float(reference.SHADOW[1])))))
    away_y = ops.Sub(ops.Div(ops.Add(top, bottom), ops.Mul(tall, 2.0)), 0.5)
    away_x = ops.Sub(ops.Div(ops.Add(left, right), ops.Mul(wide, 2.0)), 0.5)
    away = ops.Add(ops.Mul(away_y, away_y), ops.Mul(away_x, away_x))
    central = ops.Exp(ops.Div(away, -float(reference.CENTRALITY**2)))
    weight = ops.Mul(ops.Mul(mass, ops.Where(inside, 1.0, float(reference.BORDER_PENALTY))), central)
    main = ops.ArgMax(ops.Mul(weight, ops.real(light)), axis=0, keepdims=0)

    def of_main(values: Value) -> Value:
        return ops.Gather(values, main)

    gap = ops.Max(
        ops.Sub(top, of_main(bottom)),
        ops.Sub(of_main(top), bottom),
        ops.Sub(left, of_main(right)),
        ops.Sub(of_main(left), right),
    )
    side = ops.Max(ops.Sub(of_main(bottom), of_main(top)), ops.Sub(of_main(right), of_main(left)))
    near = ops.LessOrEqual(gap, ops.Mul(side, float(reference.NEAR)))
    heavy = ops.GreaterOrEqual(mass, ops.Mul(of_main(mass), float(reference.SPECK)))
    keep = ops.And(ops.And(near, heavy), light)
    for side_within in within:
        keep = ops.And(keep, ops.Or(side_within, ops.Not(of_main(side_within))))
    return ops.Mul(ops.Gather(ops.real(keep), ops.whole(labels)), mask)


def _frame(ops: Ops, look: Look) -> Value:
    """(5,): top, bottom, left and right of what a frame holds, whether it is a surface; all 0.0 without a frame."""
    labels, _, mass, *box = _strokes(ops, look.ink, reference.LINE)
    height, width = ops.real(ops.size(labels, 0)), ops.real(ops.size(labels, 1))
    areas = ops.Mul(ops.Sub(box[1], box[0]), ops.Sub(box[3], box[2]))
    rank = ops.Sub(ops.Mul(areas, ops.Mul(height, width)), ops.Add(ops.Mul(box[0], width), box[2]))
    largest = ops.ArgMax(ops.Where(ops.Greater(mass, 0.0), rank, -(2.0**25)), axis=0, keepdims=0)
    top, bottom, left, right = (ops.Gather(side, largest) for side in box)
    frame = ops.real(ops.Equal(ops.whole(labels), largest))

    def sides(axis: int, first: Value, end: Value, across: Value) -> tuple[list[Value], Value, list[Value]]:
        """Along one axis: how much of both edges is covered, what is in the middle, how many full lines at each end."""
        count = ops.whole(ops.Sub(end, first))
        place = ops.whole(ops.Sub(_count_up(ops, ops.size(labels, axis)), first))
        places = place, ops.Sub(ops.Sub(count, 1), place)
        deep = ops.Max(ops.Div(count, reference.SLANT), 1)
        edges = [ops.Unsqueeze(ops.real(ops.Less(there, deep)), [1 - axis]) for there in places]
        covered = [ops.Div(ops.total(ops.largest(ops.Mul(frame, edge), axis)), across) for edge in edges]
        quarter, half = ops.Div(count, 4), ops.Div(count, 2)
        middle = ops.And(ops.GreaterOrEqual(place, quarter), ops.Less(place, ops.Sub(count, quarter)))
        full = ops.GreaterOrEqual(ops.Div(ops.total(frame, 1 - axis), across), float(reference.FRAME))
        lines = [ops.total(ops.real(ops.And(full, ops.Less(there, half)))) for there in places]
        return covered, ops.Unsqueeze(ops.real(middle), [1 - axis]), lines

    tall, wide = ops.Sub(bottom, top), ops.Sub(right, left)
    rows, columns = sides(0, top, bottom, wide), sides(1, left, right, tall)
    middle = ops.Mul(rows[1], columns[1])
    surface = ops.GreaterOrEqual(ops.total(ops.Mul(frame, middle)), ops.Mul(ops.total(middle), 0.5))

    def thick(lines: Value, count: Value) -> Value:
        slant = ops.real(ops.Div(ops.whole(count), reference.SLANT))
        bent = ops.Or(surface, ops.Equal(lines, 0.0))
        return ops.Add(ops.Where(bent, slant, lines), 1.0)

    cells = (
        ops.Add(top, thick(rows[2][0], tall)),
        ops.Sub(bottom, thick(rows[2][1], tall)),
        ops.Add(left, thick(columns[2][0], wide)),
        ops.Sub(right, thick(columns[2][1], wide)),
    )
    covered = ops.GreaterOrEqual(ops.Min(*rows[0], *columns[0]), float(reference.FRAME))
    smallest = ops.Mul(ops.Max(height, width), float(reference.SMALLEST_FRAME))
    large = ops.GreaterOrEqual(ops.Min(tall, wide), smallest)
    hollow = ops.And(ops.Less(cells[0], cells[1]), ops.Less(cells[2], cells[3]))
    there = ops.And(ops.And(covered, large), hollow)
    inside = stack(ops, *_placed(ops, cells, look.window, labels), ops.real(surface))
    return ops.Mul(inside, ops.real(there))


def _connected(ops: Ops, mask: Value) -> Value:
    """Label connected cells, gaps of up to two cells bridged: every cell takes the largest number it is joined to."""
    joined = _max_pool(ops, ops.Unsqueeze(mask, [0, 1]), 3, 3)
    numbers = ops.Add(_count_up(ops, ops.Size(mask)), 1.0)
    start = ops.Mul(ops.Reshape(numbers, ops.Shape(joined)), joined)

    body = Ops(ops)
    turn, running, labels = body.name(), body.name(), body.name()
    spread = labels
    for _ in range(4):
        spread = body.Mul(_max_pool(body, spread, 3, 3), joined)
    changed = body.Greater(body.largest(body.Sub(spread, labels)), 0.0)
    shape = [1, 1, "h", "w"]
    graph = body.graph(
        [(changed, TensorProto.BOOL, []), (spread, TensorProto.FLOAT, shape)],
        [(turn, TensorProto.INT64, []), (running, TensorProto.BOOL, []), (labels, TensorProto.FLOAT, shape)],
    )
    final = ops.Loop(GRID * GRID, np.array(True), start, body=graph)
    return ops.Squeeze(final, [0, 1])


def _around(ops: Ops, digit: Box, window: Box) -> Box:
    top, bottom, left, right = digit
    longest = ops.Max(ops.Sub(bottom, top), ops.Sub(right, left))
    inner = ops.Add(ops.Mul(longest, float(reference.MARGIN)), 2.0 - reference.NUDGE)
    return (
        ops.Max(ops.Floor(ops.Sub(top, inner)), window[0]),
        ops.Min(ops.Ceil(ops.Add(bottom, inner)), window[1]),
        ops.Max(ops.Floor(ops.Sub(left, inner)), window[2]),
        ops.Min(ops.Ceil(ops.Add(right, inner)), window[3]),
    )


def _lay_out(ops: Ops, color: Value, direction: Value, look: Look) -> Value:
    window, paper, floor, _, mask, digit = look
    tall, wide = ops.Sub(digit[1], digit[0]), ops.Sub(digit[3], digit[2])
    height, width = scaled(ops, tall, wide, BOX)
    y = ops.Div(ops.real(ops.size(paper, 0)), ops.Sub(window[1], window[0]))
    x = ops.Div(ops.real(ops.size(paper, 1)), ops.Sub(window[3], window[2]))
    in_cells = (
        ops.Mul(ops.Sub(digit[0], window[0]), y),
        ops.Mul(ops.Sub(digit[1], window[0]), y),
        ops.Mul(ops.Sub(digit[2], window[2]), x),
        ops.Mul(ops.Sub(digit[3], window[2]), x),
    )
    near = _max_pool(ops, ops.Unsqueeze(mask, [0, 1]), 3, 3)
    planes = ops.Concat(ops.Unsqueeze(paper, [0]), ops.Squeeze(near, [0]), axis=0)
    planes = sample(ops, planes, in_cells, height, width)
    gray = _mix(ops, sample(ops, color, digit, height, width), direction)
    ink = ops.Relu(ops.Sub(ops.Sub(ops.Gather(planes, 0), gray), floor))
    ink = ops.Mul(ink, ops.Min(ops.Mul(ops.Gather(planes, 1), 2.0), 1.0))
    ink = ops.Min(ops.Div(ink, ops.Max(_full_ink(ops, _ranked(ops, ink)), 1e-12)), 1.0)
    ink = ops.Pow(ink, float(reference.GAMMA))
    top, left = _offset(ops, ops.total(ink, 1), height), _offset(ops, ops.total(ink, 0), width)
    pads = ops.Concat(
        *(ops.Reshape(value, [1]) for value in (top, left)),
        ops.Reshape(ops.Sub(ops.Sub(SIZE, height), top), [1]),
        ops.Reshape(ops.Sub(ops.Sub(SIZE, width), left), [1]),
        axis=0,
    )
    return ops.Div(ops.Round(ops.Mul(ops.Pad(ink, pads), 255.0)), 255.0)


def _offset(ops: Ops, ink: Value, count: Value) -> Value:
    mass = ops.Max(ops.total(ink), 1e-12)
    center = ops.Div(ops.total(ops.Mul(ink, _count_up(ops, count))), mass)
    start = ops.whole(ops.Floor(ops.Sub(SIZE / 2 + 0.5 + reference.NUDGE, center)))
    return ops.Max(ops.Min(start, ops.Sub(SIZE, count)), 0)


def _grid_shape(ops: Ops, window: Box) -> tuple[Value, Value]:
    return scaled(ops, ops.Sub(window[1], window[0]), ops.Sub(window[3], window[2]), GRID)


def scaled(ops: Ops, tall: Value, wide: Value, longest: int) -> tuple[Value, Value]:
    """Float scalars -> height and width as the reference has them, int64 scalars."""
    scale = ops.Div(float(longest), ops.Max(tall, wide))
    rounded = [ops.whole(ops.Add(ops.Mul(side, scale), 0.5)) for side in (tall, wide)]
    return ops.Max(rounded[0], 1), ops.Max(rounded[1], 1)


def sample(ops: Ops, planes: Value, window: Box, height: Value, width: Value) -> Value:
    """A window of (C, H, W), in its pixels, at another size: (C, height, width)."""
    rows = _resampling(ops, ops.size(planes, 1), height, window[0], window[1])
    columns = _resampling(ops, ops.size(planes, 2), width, window[2], window[3])
    return ops.MatMul(ops.MatMul(rows, planes), ops.transpose(columns))


def _resampling(ops: Ops, size: Value, count: Value, start: Value, end: Value) -> Value:
    scale = ops.Div(ops.Sub(end, start), ops.real(count))
    centers = ops.Add(start, ops.Mul(ops.Add(_count_up(ops, count), 0.5), scale))
    places = ops.Add(_count_up(ops, size), 0.5)
    distance = ops.Abs(ops.Sub(ops.Unsqueeze(places, [0]), ops.Unsqueeze(centers, [1])))
    weights = ops.Relu(ops.Sub(1.0, ops.Div(distance, ops.Max(scale, 1.0))))
    return ops.Div(weights, ops.Max(ops.total(weights, 1, keep=True), 1e-6))


def _mix(ops: Ops, planes: Value, weights: Value) -> Value:
    return ops.total(ops.Mul(planes, weights), 0)


def _extent(ops: Ops, mask: Value) -> Box:
    """First row and one past the last, first column and one past the last where a boolean matrix is true: floats."""
    numbers = ops.real(mask)
    top, bottom = _ends(ops, ops.largest(numbers, 1), 0)
    return top, bottom, *_ends(ops, ops.largest(numbers, 0), 0)


def _count_up(ops: Ops, count: Value) -> Value:
    """0.0, 1.0, ... count - 1.0."""
    return ops.real(ops.Range(0, count, 1))


def stack(ops: Ops, *scalars: Value) -> Value:
    """Scalars as one array (n,)."""
    return ops.Concat(*(ops.Reshape(value, [1]) for value in scalars), axis=0)
