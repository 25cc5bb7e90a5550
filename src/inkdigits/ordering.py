"""From digits lying about on a page to lines of numbers, as a person would read them.

Lines may slope, by up to about 15 degrees and each a little differently, and hold digits of several sizes. A page's
slope is judged from neighbors; then every digit, from left to right, joins the line whose end it continues, or begins
one. A gap wider than most of a digit's height separates numbers, except in the boxes of a form, where digits stand at
even distances however narrow some are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

REACH = 3.0
"""Neighbors whose directions tell a page's slope are at most this many heights apart."""
STEEPEST = 0.35
"""The steepest slope of a line, as rise over run: a little over 15 degrees."""
RISE = 0.6
"""A digit continues a line when its middle is off the line's by at most this part of their mean height."""
MEMORY = 4
"""A line's place is judged from its last digits, as many as this."""
GAP = 0.75
"""A gap of more than this part of the digits' height separates numbers."""
CELL = 1.3
"""Three digits or more stand in the boxes of a form when their middles are at most so many heights apart ..."""
EVEN = 1.3
"""... and the greatest of these distances is at most so many times the least."""
UNLIKE = 2.5
"""Digits of one line are at most so many times as high as its others."""


@dataclass
class _Line:
    members: list[int] = field(default_factory=list)

    def place(self, ys: NDArray[np.floating]) -> float:
        """How high the line is at its end: the mean of its last digits."""
        return float(np.mean(ys[self.members[-MEMORY:]]))


def lines(boxes: NDArray[np.floating]) -> list[list[list[int]]]:
    """Put digits in reading order.

    Args:
        boxes: (n, 4) x, y, width, height of each digit.

    Returns:
        Lines from top to bottom, each a list of numbers from left to right, each a list of rows of `boxes`.
    """
    if not len(boxes):
        return []
    boxes = np.asarray(boxes, np.float64)
    heights = np.maximum(boxes[:, 3], 0.5 * boxes[:, 2])  # a digit that lies nearly flat is as large as it is wide
    heights = np.maximum(heights, 1e-3)  # a box cut at the picture's border may have no height left
    xs, ys = boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3] / 2
    ys = ys - _slope(xs, ys, heights) * xs
    found: list[_Line] = []
    for index in np.argsort(xs, kind="stable"):
        best = _continued(found, int(index), boxes, xs, ys, heights)
        if best is None:
            best = _Line()
            found.append(best)
        best.members.append(int(index))
    found.sort(key=lambda line: float(np.mean(ys[line.members])))
    return [_numbers(line.members, boxes, xs, heights) for line in found]


def _slope(xs: NDArray[np.floating], ys: NDArray[np.floating], heights: NDArray[np.floating]) -> float:
    """The page's slope, rise over run downwards: the median over digits of the direction to the next on the right."""
    slopes = []
    for index in range(len(xs)):
        right, down = xs - xs[index], ys - ys[index]
        alike = (heights < 1.6 * heights[index]) & (heights > heights[index] / 1.6)
        near = (right > 0.3 * heights[index]) & (right < REACH * heights[index]) & alike
        near &= np.abs(down) < STEEPEST * right + 0.15 * heights[index]
        if near.any():
            at = np.flatnonzero(near)[np.argmin(right[near])]
            slopes.append(down[at] / right[at])
    return float(np.clip(np.median(slopes), -STEEPEST, STEEPEST)) if len(slopes) >= 2 else 0.0


def _continued(
    found: list[_Line],
    index: int,
    boxes: NDArray[np.floating],
    xs: NDArray[np.floating],
    ys: NDArray[np.floating],
    heights: NDArray[np.floating],
) -> _Line | None:
    """The line that a digit continues best, if any."""
    best, least = None, RISE
    for line in found:
        last = line.members[-MEMORY:]
        tall = float(np.mean(heights[last]))
        if not 1 / UNLIKE <= heights[index] / tall <= UNLIKE:
            continue
        off = abs(ys[index] - line.place(ys)) / ((tall + heights[index]) / 2)
        end = line.members[-1]
        if xs[index] < boxes[end, 0] + 0.7 * boxes[end, 2] and off > 0.35:
            continue  # one stands above the other
        if off < least:
            best, least = line, off
    return best


def _numbers(
    members: list[int], boxes: NDArray[np.floating], xs: NDArray[np.floating], heights: NDArray[np.floating]
) -> list[list[int]]:
    """Split a line where its gaps are wide."""
    tall = float(np.median(heights[members]))
    apart = np.diff(xs[members])
    if len(apart) > 1 and apart.max() <= min(EVEN * apart.min(), CELL * tall):
        return [members]
    numbers = [[members[0]]]
    for before, after in pairwise(members):
        gap = boxes[after, 0] - (boxes[before, 0] + boxes[before, 2])
        if gap > GAP * tall:
            numbers.append([])
        numbers[-1].append(after)
    return numbers
