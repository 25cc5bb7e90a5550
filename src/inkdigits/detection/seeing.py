"""Which way a picture is seen, as ONNX operators: ink darker than paper, in even light or as it is, and level.

Which is ink and which is paper, and whether light is uneven, is a guess until there are digits. So where it is not
plain, more than one way is tried, and the one in which the network finds most is taken. Where what it found makes lines
that slope, the picture is turned, and looked at once more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from inkdigits.detection.leveling import leveled, page_slope
from inkdigits.detection.looking import NOTHING, found
from inkdigits.detection.onnx_layers import Weights
from inkdigits.operators import Ops, Value

PLAIN = 2.0
"""With a higher vote paper is plainly light, and ink dark. Else, ..."""
WAYS, TRIAL = 4, 250_000
"""... so many ways to see the picture are tried, on so many pixels at most: see `best_seen`."""
EVENER = 1.25
"""It is seen evenly lit where so many times as much is found then: logits above 0.0 are summed."""
CLEAR, MUCH = 0.9, 10.0
"""Where on plainly light paper no logit is higher than the first, or a trial shows less than the second, light and dark
are exchanged, too; ..."""
OTHERWISE = 2.0
"""... they stay so if more is found then, and more than this."""
LEVEL = 0.85
"""A picture whose lines slope is seen level where more than this part of what was found is found then, too."""

GRAY = (0.299, 0.587, 0.114)
"""Parts of red, green and blue in gray levels."""


def best_seen(parent: Ops, weights: Weights, first: Value, picture: Value, vote: Value) -> list[Value]:
    """The best way to see a picture, and what is found in it.

    Turns of the loop:

    0 to 3: where paper is not plainly light, by the `vote` of `opaque`, a trial, of a large picture made smaller: as
        guessed; with light and dark exchanged; both evenly lit.
    4: the picture as it is, in the way that showed most, unless the trial was of all its pixels.
    5: with light and dark exchanged, where little was found in the trial, or, on plainly light paper, in turn 4.
    6: level, where the lines of what was found so far slope.

    Args:
        parent: the graph to write to.
        weights: of the network that finds.
        first: the picture's scale.
        picture: (1, 3, H, W).
        vote: how plainly light paper is.

    Returns:
        The picture in that way, gray (1, 1, H', W'), ink darker than paper; whether it is seen in even light, a bool;
        which slope was leveled, 0.0 if none was; and corners, answers and crops as `found` gives them, of this picture.
    """
    plain = parent.Greater(vote, PLAIN)
    guess = parent.Where(parent.GreaterOrEqual(vote, 0.0), 1.0, -1.0)
    height, width = (parent.real(parent.size(picture, axis)) for axis in (2, 3))
    trial, small = _for_trial(parent, picture, height, width)
    whole, exchanged, last = WAYS, WAYS + 1, WAYS + 2
    ops = Ops(parent)
    count, go_on, turn, sloping, way, even, tilt, most, *known = (ops.name() for _ in range(11))  # the best so far

    def is_turn(*these: int) -> Value:
        return ops.Greater(ops.total(ops.whole(ops.Equal(turn, np.array(these, np.int64)))), 0)

    trying, lit, level = ops.Less(turn, WAYS), is_turn(2, 3), is_turn(last)
    (laid,) = ops.either(level, lambda inner: [leveled(inner, picture, sloping)], lambda _: [picture])
    (shown,) = ops.either(trying, lambda _: [trial], lambda _: [laid])
    sign = ops.Mul(ops.Where(trying, guess, way), ops.Where(is_turn(1, 3, exchanged), -1.0, 1.0))
    evenly = ops.Or(lit, ops.And(even, ops.Not(trying)))
    now = found(ops, weights, first, _facing(ops, shown, sign), evenly)  # a trial's boxes are used if `small`
    sure = ops.Relu(ops.part(now[1], 0, 1, 1))
    here, surest = ops.total(sure), ops.largest(ops.Concat(sure, np.zeros((1, 1), np.float32), axis=0))
    bar = ops.Mul(most, ops.Where(ops.And(lit, ops.Not(even)), EVENER, ops.Where(level, LEVEL, 1.0)))
    bar = ops.Max(bar, ops.Where(is_turn(exchanged), OTHERWISE, 0.0))
    better = ops.Or(is_turn(0, whole), ops.Greater(here, bar))
    best = [ops.Where(better, sign, way), ops.Or(even, ops.And(better, lit))]
    best += [ops.Where(ops.And(better, level), sloping, tilt), ops.Where(better, here, most)]
    best += ops.either(better, lambda _: now, lambda _: known)
    _, _, _, shown_most, corners, answers, _ = best

    unclear = ops.Less(ops.Where(plain, surest, shown_most), ops.Where(plain, CLEAR, MUCH))
    enough = ops.Or(ops.And(is_turn(WAYS - 1), small), ops.And(is_turn(whole), ops.Not(unclear)))
    following = ops.Where(enough, last, ops.Add(turn, 1))
    logits = ops.part(answers, 0, 1, 1)
    (slopes,) = ops.either(
        ops.Equal(following, last),
        lambda inner: [page_slope(inner, corners, logits, width, height)],
        lambda inner: [inner.constant(0.0)],
    )
    on = ops.Or(ops.Less(following, last), ops.Not(ops.Equal(slopes, 0.0)))
    kinds: list[tuple[int, list[Any]]] = [(TensorProto.INT64, []), (TensorProto.FLOAT, [])]
    kinds += [(kind, []) for kind in (TensorProto.FLOAT, TensorProto.BOOL, TensorProto.FLOAT, TensorProto.FLOAT)]
    kinds += [(TensorProto.FLOAT, [None, *nothing.shape[1:]]) for nothing in NOTHING]
    # The first output is whether to go on; the others are what the next turn takes.
    outputs: list[tuple[Value, int, Any]] = [(on, TensorProto.BOOL, [])]
    outputs += [(x, *kind) for x, kind in zip((following, slopes, *best), kinds, strict=True)]
    inputs: list[tuple[Value, int, Any]] = [(count, TensorProto.INT64, []), (go_on, TensorProto.BOOL, [])]
    inputs += [(x, *kind) for x, kind in zip((turn, sloping, way, even, tilt, most, *known), kinds, strict=True)]
    given = np.array(True), parent.Where(plain, WAYS, 0), 0.0, guess, np.array(False), 0.0, 0.0, *NOTHING
    _, _, way, even, tilt, _, *seen = parent.call(
        "Loop", last + 1, *given, outputs=len(kinds), body=ops.graph(outputs, inputs)
    )
    gray = parent.Mul(_facing(parent, picture, way), np.array(GRAY, np.float32).reshape(1, 3, 1, 1))
    gray = parent.total(gray, 1, keep=True)
    tilted = parent.Not(parent.Equal(tilt, 0.0))
    (best_way,) = parent.either(tilted, lambda inner: [leveled(inner, gray, tilt)], lambda _: [gray])
    return [best_way, even, tilt, *seen]


def _for_trial(ops: Ops, picture: Value, height: Value, width: Value) -> tuple[Value, Value]:
    """A picture of this size with at most `TRIAL` pixels, and whether these are all it has."""
    part = ops.Sqrt(ops.Div(float(TRIAL), ops.Mul(height, width)))
    part = ops.Min(ops.Max(part, ops.Div(1.0, ops.Min(height, width))), 1.0)  # at least a pixel is left
    small = ops.Equal(part, 1.0)
    return ops.either(small, lambda _: [picture], lambda inner: [resized(inner, picture, part)])[0], small


def resized(ops: Ops, picture: Value, scale: Value) -> Value:
    """A picture (1, C, H, W) at another scale."""
    scales = ops.Concat(np.ones(2, np.float32), ops.Expand(scale, np.array([2], np.int64)), axis=0)
    return str(ops.Resize(picture, "", scales, mode="linear", antialias=1))


def _facing(ops: Ops, picture: Value, way: Value) -> Value:
    """A picture as it is where `way` is 1.0, with light and dark exchanged where it is -1.0."""
    return ops.Add(ops.Mul(ops.Sub(picture, 127.5), way), 127.5)
