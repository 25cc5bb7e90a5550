"""From pictures of digits to the strokes of a pen."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Strokes = list[NDArray[np.float64]]
"""Each stroke is an array of points (x, y)."""


def skeleton(ink: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Thin ink to lines one pixel wide (Zhang and Suen 1984, "A fast parallel algorithm for thinning")."""
    image = np.pad(ink > 0, 1).astype(np.int8)
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            around = [np.roll(image, shift, (0, 1)) for shift in _CLOCKWISE]
            total = sum(around)
            rises = sum((around[i] == 0) & (around[(i + 1) % 8] == 1) for i in range(8))
            north, east, south, west = around[0], around[2], around[4], around[6]
            a, b = (north * east * south, east * south * west) if first else (north * east * west, north * south * west)
            gone = (image == 1) & (total >= 2) & (total <= 6) & (rises == 1) & (a == 0) & (b == 0)
            image[gone] = 0
            changed |= bool(gone.any())
    return image[1:-1, 1:-1].astype(bool)


# What np.roll needs to bring each neighbor here, clockwise from north.
_CLOCKWISE = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))


def strokes_of(image: NDArray[np.uint8]) -> Strokes:
    """The lines that a pen would draw to write a digit of MNIST, as points (x, y) in the digit's own square [0, 1].

    The digit's skeleton is followed pixel by pixel, straight on where lines meet.
    """
    large = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    left = {(int(x), int(y)) for y, x in np.argwhere(skeleton((large > 110).astype(np.uint8)))}
    low = np.min(list(left), axis=0)
    size = max(np.ptp(np.array(list(left)), axis=0).max(), 1)
    strokes = []
    while left:
        ends = [point for point in left if len(_near(point, left)) == 1]
        line = [min(ends or left)]
        left.discard(line[0])
        while ahead := _near(line[-1], left):
            way = np.subtract(line[-1], line[-min(5, len(line))])
            line.append(max(ahead, key=lambda point: float(np.dot(np.subtract(point, line[-1]), way))))
            left -= {line[-1], *(_near(line[-2], left) if len(line) > 1 else [])}
        if len(line) > 6 or not strokes:
            strokes.append((np.array([*line[:-1:7], line[-1]]) - low) / size)
    return strokes


def _near(point: tuple[int, int], points: set[tuple[int, int]]) -> list[tuple[int, int]]:
    x, y = point
    return [each for each in points if each != point and abs(each[0] - x) <= 1 and abs(each[1] - y) <= 1]
