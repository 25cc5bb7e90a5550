"""What the network should answer to a page, and how far from that it is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inkdigits.detection.network import STRIDE
from inkdigits.synthesis.pages import Page

SIDES = (12.0, 44.0)
"""Digits whose longer side is in this range, in pixels, are to be found."""
TOLERATED = (9.0, 60.0)
"""Digits in this wider range may be found; what is smaller or larger is no digit to this network."""

BOX_WEIGHT = 1.0
CLASS_WEIGHT = 1.0


class Targets(NamedTuple):
    """The wanted answers to one page (or, stacked, to many)."""

    heat: NDArray[np.float32]
    """(h, w): 1.0 in the cell of a digit's middle, falling off around it; -1.0 where any answer is right."""
    digits: NDArray[np.int32]
    """(h, w): the digit near whose middle a cell is."""
    sides: NDArray[np.float32]
    """(h, w, 4): distances from the cell's middle to the digit's left, top, right and bottom side, in pixels."""
    weight: NDArray[np.float32]
    """(h, w): how much the digit and sides of a cell count."""


def targets(page: Page) -> Targets:
    """The wanted answers to a page."""
    height, width = (side // STRIDE for side in page.pixels.shape[:2])
    heat, weight = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    digits, sides = np.zeros((height, width), np.int32), np.zeros((height, width, 4), np.float32)
    ys, xs = (np.arange(height) + 0.5) * STRIDE, (np.arange(width) + 0.5) * STRIDE
    for (x, y, wide, tall), digit in zip(page.boxes, page.digits, strict=True):
        side = max(wide, tall)
        if not TOLERATED[0] <= side <= TOLERATED[1]:
            continue
        wanted = SIDES[0] <= side <= SIDES[1]
        middle_x, middle_y = x + wide / 2, y + tall / 2
        row, column = min(height - 1, int(middle_y / STRIDE)), min(width - 1, int(middle_x / STRIDE))
        spread_x, spread_y = max(2.0, 0.12 * wide), max(2.0, 0.12 * tall)
        bump = np.exp(
            -0.5 * (((ys - ys[row]) / spread_y) ** 2)[:, None] - 0.5 * (((xs - xs[column]) / spread_x) ** 2)[None, :]
        ).astype(np.float32)
        if not wanted:
            heat[(bump > 0.1) & (heat < 0.5)] = -1
            continue
        near = (bump > 0.5) & (bump > weight)
        np.maximum(heat, np.where(bump > 0.05, bump, heat), out=heat, where=bump > 0.05)
        digits[near] = digit
        weight[near] = bump[near]
        around = np.stack(
            np.broadcast_arrays(xs[None, :] - x, ys[:, None] - y, x + wide - xs[None, :], y + tall - ys[:, None]), -1
        )
        sides[near] = np.maximum(around[near], 0.5)
    return Targets(heat, digits, sides, weight)


def loss(answers: Any, heat: Any, digits: Any, sides: Any, weight: Any) -> Any:
    """How wrong answers (N, h, w, 15) are: focal loss for middles, cross-entropy for digits, 1 - IoU for boxes.

    The penalty-reduced focal loss is CornerNet's (Law and Deng, 2018). Everything is per digit.
    """
    from keras import ops

    count = ops.maximum(ops.sum(ops.cast(heat > 0.999, "float32")), 1.0)
    score = answers[..., 0]
    p = ops.clip(ops.sigmoid(score), 1e-5, 1 - 1e-5)
    middle = ops.cast(heat > 0.999, "float32")
    known = ops.cast(heat >= 0, "float32")
    away = known * (1 - middle)
    focal = -middle * (1 - p) ** 2 * ops.log(p) - away * (1 - heat) ** 4 * p**2 * ops.log(1 - p)
    classes = ops.cast(ops.one_hot(digits, 10), "float32") * 0.98 + 0.002
    surprise = -ops.sum(classes * ops.log_softmax(answers[..., 1:11]), -1)
    given = ops.exp(ops.clip(answers[..., 11:15], -3.0, 5.0))
    inside = ops.minimum(given, sides)
    shared = (inside[..., 0] + inside[..., 2]) * (inside[..., 1] + inside[..., 3])
    area = (given[..., 0] + given[..., 2]) * (given[..., 1] + given[..., 3])
    true = (sides[..., 0] + sides[..., 2]) * (sides[..., 1] + sides[..., 3])
    apart = 1 - (shared + 1) / (area + true - shared + 1)
    total = ops.maximum(ops.sum(weight), 1.0)
    named = ops.sum(weight * surprise) / total
    boxed = ops.sum(weight * apart) / total
    return ops.sum(focal) / count + CLASS_WEIGHT * named + BOX_WEIGHT * boxed
