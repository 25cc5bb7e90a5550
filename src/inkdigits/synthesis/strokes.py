"""Shapes drawn with a pen: digits in the ways people write them, scribbles and letters, as ink without paper.

MNIST holds few European ones, crossed sevens and slashed zeros, and no shape that is not a digit. Here are some, each
drawn anew: control points move, the pen changes, a smooth field bends the whole.

Ink is (h, w) float32 in [0, 1], 0.0 paper and 1.0 ink, cut out tightly around the strokes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Ink = NDArray[np.float32]
Points = Sequence[tuple[float, float]]

# How digits are written: strokes through points (x, y), 0..1 from the top left of the digit's box. A point that comes
# twice in a row is a corner; between corners the pen moves in a smooth curve.
_DIGITS: dict[int, list[list[Points]]] = {
    0: [
        [[(0.5, 0), (0.12, 0.25), (0.1, 0.7), (0.5, 1), (0.88, 0.7), (0.88, 0.28), (0.5, 0)]],
        [[(0.6, 0.02), (0.15, 0.3), (0.1, 0.75), (0.5, 1), (0.9, 0.65), (0.8, 0.2), (0.45, 0.03)]],
        [
            [(0.5, 0), (0.12, 0.25), (0.1, 0.7), (0.5, 1), (0.88, 0.7), (0.88, 0.28), (0.5, 0)],
            [(0.95, 0.02), (0.05, 0.98)],
        ],
        [[(0.9, 0.05), (0.4, 0), (0.1, 0.5), (0.45, 1), (0.87, 0.55), (0.55, 0.04), (0.98, 0.1)]],
        [[(0.6, 0.1), (0.2, 0.2), (0.1, 0.7), (0.5, 1), (0.9, 0.6), (0.72, 0.06)]],
    ],
    1: [
        [[(0.5, 0), (0.5, 1)]],
        [[(0.2, 0.35), (0.6, 0), (0.6, 0), (0.58, 1)]],
        [[(0.1, 0.5), (0.6, 0), (0.6, 0), (0.6, 1)]],
        [[(0.25, 0.25), (0.55, 0), (0.55, 0), (0.55, 1)], [(0.2, 1), (0.92, 1)]],
        [[(0.0, 0.62), (0.75, 0), (0.75, 0), (0.72, 1)]],
        [[(0.0, 0.95), (0.75, 0), (0.75, 0), (0.7, 1)]],
        [[(0.0, 0.7), (0.4, 0.4), (0.7, 0), (0.7, 0), (0.62, 1)]],
        [[(0.05, 0.5), (0.45, 0.06), (0.68, 0.06), (0.62, 0.5), (0.5, 1)]],
        [[(0.5, 0), (0.42, 0.8), (0.5, 1), (0.68, 0.94)]],
    ],
    2: [
        [[(0.1, 0.25), (0.45, 0), (0.85, 0.25), (0.5, 0.65), (0.05, 1), (0.05, 1), (0.95, 0.97)]],
        [[(0.1, 0.06), (0.85, 0.03), (0.85, 0.03), (0.08, 0.96), (0.08, 0.96), (0.95, 0.95)]],
        [[(0.12, 0.2), (0.5, 0), (0.85, 0.22), (0.6, 0.6), (0.05, 1), (0.05, 1), (0.45, 0.9), (0.97, 0.98)]],
        [[(0.1, 0.25), (0.5, 0), (0.85, 0.28), (0.35, 0.85), (0.08, 0.95), (0.15, 0.8), (0.5, 0.95), (0.97, 0.92)]],
        [[(0.3, 0.4), (0.14, 0.28), (0.2, 0.08), (0.55, 0), (0.82, 0.2), (0.6, 0.6), (0.15, 0.96), (0.05, 0.87),
          (0.2, 0.78), (0.5, 0.92), (0.97, 0.95)]],
        [[(0.48, 0.3), (0.2, 0.34), (0.14, 0.1), (0.5, 0), (0.82, 0.2), (0.55, 0.65), (0.06, 0.98), (0.06, 0.98),
          (0.97, 0.95)]],
        [[(0.1, 0.25), (0.5, 0), (0.85, 0.22), (0.6, 0.6), (0.3, 0.88), (0.5, 1), (0.95, 0.88)]],
        [[(0.45, 0.28), (0.2, 0.3), (0.2, 0.08), (0.55, 0), (0.8, 0.18), (0.55, 0.6), (0.15, 0.95), (0.06, 0.82),
          (0.3, 0.8), (0.6, 0.98), (0.97, 0.86)]],
    ],
    3: [
        [[(0.1, 0.12), (0.5, 0), (0.85, 0.22), (0.4, 0.46), (0.4, 0.46), (0.9, 0.7), (0.5, 1), (0.08, 0.88)]],
        [[(0.1, 0.03), (0.88, 0.02), (0.88, 0.02), (0.42, 0.4), (0.42, 0.4), (0.9, 0.7), (0.5, 1), (0.08, 0.9)]],
        [[(0.15, 0.14), (0.5, 0), (0.82, 0.2), (0.5, 0.45), (0.8, 0.62), (0.75, 0.88), (0.4, 1), (0.05, 0.86)]],
        [[(0.12, 0.12), (0.5, 0), (0.82, 0.2), (0.5, 0.46), (0.34, 0.5), (0.42, 0.4), (0.6, 0.46), (0.9, 0.7), (0.5, 1),
          (0.08, 0.86)]],
    ],
    4: [
        [[(0.2, 0), (0.08, 0.58), (0.08, 0.58), (0.95, 0.58)], [(0.7, 0.1), (0.65, 1)]],
        [[(0.68, 0), (0.04, 0.68), (0.04, 0.68), (0.97, 0.68)], [(0.68, 0), (0.66, 1)]],
        [[(0.6, 0), (0.05, 0.62), (0.05, 0.62), (0.95, 0.6)], [(0.72, 0.35), (0.64, 1)]],
        [[(0.5, 0), (0.06, 0.55), (0.06, 0.55), (0.9, 0.48), (0.9, 0.48), (0.5, 1)]],
        [[(0.12, 0), (0.1, 0.45), (0.5, 0.55), (0.85, 0.4)], [(0.88, 0), (0.8, 1)]],
        [[(0.1, 0.05), (0.1, 0.4), (0.45, 0.5), (0.85, 0.3)], [(0.92, 0), (0.75, 0.5), (0.5, 1)]],
        [[(0.45, 0), (0.12, 0.6), (0.12, 0.6), (0.92, 0.58)], [(0.7, 0.35), (0.55, 1)]],
        [[(0.2, 0), (0.08, 0.42), (0.3, 0.52), (0.85, 0.1), (0.85, 0.1), (0.62, 1)]],
        [[(0.15, 0), (0.12, 0.5), (0.12, 0.5), (0.95, 0.5)], [(0.88, 0), (0.82, 1)]],
        [[(0.55, 0), (0.15, 0.5), (0.2, 0.62), (0.9, 0.5)], [(0.75, 0.2), (0.6, 1)]],
    ],
    5: [
        [[(0.85, 0.02), (0.22, 0.02), (0.22, 0.02), (0.15, 0.44), (0.15, 0.44), (0.5, 0.36), (0.9, 0.65), (0.5, 1),
          (0.06, 0.92)]],
        [
            [(0.22, 0.06), (0.15, 0.44), (0.15, 0.44), (0.55, 0.38), (0.9, 0.67), (0.5, 1), (0.06, 0.9)],
            [(0.2, 0.03), (0.95, 0)],
        ],
        [[(0.92, 0.08), (0.5, 0), (0.15, 0.22), (0.5, 0.47), (0.87, 0.72), (0.5, 1), (0.08, 0.9)]],
        [[(0.97, 0.02), (0.35, 0.04), (0.2, 0.4), (0.7, 0.54), (0.8, 0.85), (0.4, 1), (0.05, 0.9)]],
        [[(0.9, 0.04), (0.42, 0.04), (0.42, 0.04), (0.25, 0.42), (0.25, 0.42), (0.72, 0.5), (0.56, 0.86), (0.08, 1)]],
        [[(0.4, 0.02), (0.36, 0.36), (0.62, 0.5), (0.62, 0.85), (0.3, 1), (0.05, 0.85)], [(0.4, 0.02), (1, 0)]],
        [
            [(0.3, 0.18), (0.2, 0.46), (0.5, 0.4), (0.82, 0.68), (0.5, 1), (0.05, 0.92)],
            [(0.42, 0.04), (0.65, 0.08), (0.95, 0)],
        ],
    ],
    6: [
        [[(0.75, 0.02), (0.3, 0.3), (0.1, 0.7), (0.5, 1), (0.88, 0.72), (0.5, 0.5), (0.13, 0.7)]],
        [[(0.5, 0), (0.16, 0.4), (0.12, 0.8), (0.55, 1), (0.88, 0.75), (0.55, 0.52), (0.14, 0.75)]],
        [[(0.8, 0), (0.35, 0.2), (0.1, 0.65), (0.35, 1), (0.78, 0.85), (0.72, 0.56), (0.35, 0.6), (0.18, 0.8)]],
        [[(0.2, 0), (0.13, 0.6), (0.3, 1), (0.8, 0.9), (0.78, 0.6), (0.4, 0.5), (0.16, 0.72)]],
    ],
    7: [
        [[(0.08, 0.04), (0.9, 0.03), (0.9, 0.03), (0.4, 1)]],
        [[(0.08, 0.06), (0.9, 0.03), (0.9, 0.03), (0.4, 1)], [(0.25, 0.5), (0.85, 0.48)]],
        [[(0.06, 0.22), (0.1, 0.05), (0.1, 0.05), (0.92, 0.05), (0.92, 0.05), (0.55, 0.5), (0.42, 1)]],
        [[(0.05, 0.12), (0.3, 0.0), (0.6, 0.12), (0.95, 0.02), (0.95, 0.02), (0.4, 1)], [(0.3, 0.5), (0.85, 0.5)]],
        [
            [(0.06, 0.2), (0.1, 0.05), (0.1, 0.05), (0.5, 0.09), (0.92, 0.02), (0.92, 0.02), (0.4, 1)],
            [(0.3, 0.55), (0.8, 0.45)],
        ],
        [[(0.05, 0.1), (0.5, 0), (0.82, 0.14), (0.62, 0.6), (0.45, 1)]],
        [[(0, 0.16), (0.3, 0.02), (0.85, 0.05), (0.58, 0.5), (0.42, 1)], [(0.15, 0.52), (0.95, 0.46)]],
        [[(0.1, 0.08), (0.72, 0.04), (0.72, 0.04), (0.6, 0.5), (0.5, 1)], [(0.2, 0.5), (1, 0.5)]],
        [[(0.1, 0.05), (0.9, 0.03), (0.9, 0.03), (0.58, 0.5), (0.5, 0.92), (0.7, 1)]],
    ],
    8: [
        [[(0.8, 0.14), (0.45, 0), (0.18, 0.22), (0.5, 0.47), (0.87, 0.75), (0.5, 1), (0.13, 0.76), (0.5, 0.47),
          (0.82, 0.22), (0.72, 0.07)]],
        [
            [(0.5, 0), (0.2, 0.22), (0.5, 0.47), (0.8, 0.24), (0.5, 0)],
            [(0.5, 0.47), (0.12, 0.74), (0.5, 1), (0.88, 0.74), (0.5, 0.47)],
        ],
        [[(0.88, 0.04), (0.4, 0.06), (0.22, 0.28), (0.75, 0.66), (0.7, 0.96), (0.28, 0.95), (0.24, 0.7), (0.65, 0.4),
          (0.95, 0.02)]],
    ],
    9: [
        [[(0.85, 0.22), (0.5, 0.02), (0.14, 0.28), (0.5, 0.52), (0.85, 0.22), (0.85, 0.22), (0.78, 1)]],
        [[(0.85, 0.2), (0.5, 0.02), (0.14, 0.28), (0.5, 0.52), (0.84, 0.25), (0.85, 0.65), (0.6, 0.98), (0.15, 0.92)]],
        [[(0.15, 0.03), (0.14, 0.35), (0.5, 0.45), (0.85, 0.25)], [(0.86, 0.0), (0.84, 0.65), (0.6, 1), (0.15, 0.93)]],
        [[(0.85, 0.25), (0.55, 0.02), (0.15, 0.25), (0.4, 0.52), (0.83, 0.28), (0.8, 0.7), (0.45, 1)]],
        [[(0.9, 0.06), (0.45, 0), (0.1, 0.25), (0.35, 0.5), (0.76, 0.3), (0.88, 0), (0.78, 0.6), (0.6, 1)]],
        [[(0.5, 0.3), (0.15, 0.4), (0.12, 0.12), (0.5, 0), (0.88, 0.2), (0.8, 0.6), (0.5, 1)]],
        [[(0.75, 0.15), (0.4, 0.02), (0.15, 0.2), (0.4, 0.4), (0.75, 0.2), (0.75, 0.2), (0.86, 0.6), (0.7, 0.95),
          (0.3, 1), (0.05, 0.86)]],
        [[(0.95, 0.02), (0.4, 0.05), (0.2, 0.25), (0.45, 0.42), (0.8, 0.12), (0.8, 0.12), (0.8, 0.7), (0.5, 1),
          (0.05, 0.92)]],
    ],
}  # fmt: skip
# Ways in which only the digits beside them tell them from an l, an r or a P.
_AMBIGUOUS: dict[int, list[list[Points]]] = {
    1: [
        [[(0.05, 0.8), (0.6, 0.35), (0.65, 0.02), (0.4, 0.1), (0.32, 0.65), (0.45, 0.98), (0.85, 0.88)]],
    ],
    5: [
        [[(0.05, 0.4), (0.35, 1), (0.35, 1), (0.52, 0.06), (0.52, 0.06), (1, 0.02)]],
        [[(0.1, 0.45), (0.25, 0.92), (0.4, 0.94), (0.45, 0.3), (0.56, 0.04), (1, 0.08)]],
        [[(0.22, 0.1), (0.3, 1), (0.3, 1), (0.42, 0.25), (0.95, 0.06)]],
    ],
    9: [
        [[(0.25, 0.32), (0.2, 0.1), (0.6, 0), (0.92, 0.2), (0.65, 0.45), (0.33, 0.46), (0.33, 0.46), (0.28, 1)]],
        [[(0.42, 0.42), (0.14, 0.38), (0.14, 0.12), (0.55, 0), (0.92, 0.2), (0.72, 0.42), (0.42, 0.5), (0.42, 0.5),
          (0.36, 1)]],
    ],
}  # fmt: skip
# Ways that are seldom seen, for what must know them all.
_SELDOM: dict[int, list[list[Points]]] = {
    0: [[[(0.95, 0.15), (0.55, 0.12), (0.3, 0), (0.1, 0.45), (0.4, 1), (0.85, 0.7), (0.75, 0.15), (0.45, 0.12)]]],
    1: [[[(0, 0.8), (0.55, 0), (0.55, 0), (0.75, 1)]], [[(0, 0.6), (0.3, 0.3), (0.62, 0), (0.62, 0), (0.8, 1)]]],
    2: [
        [[(0.55, 0.5), (0.15, 0.4), (0.15, 0.1), (0.55, 0), (0.9, 0.2), (0.75, 0.6), (0.1, 1), (0.1, 1), (1, 0.95)]],
        [[(0.5, 0.45), (0.12, 0.35), (0.2, 0.05), (0.6, 0), (0.9, 0.25), (0.6, 0.7), (0.2, 0.98), (0.05, 0.88),
          (0.25, 0.78), (0.6, 0.92), (1, 0.98)]],
        [[(0.7, 0.55), (0.25, 0.55), (0.08, 0.3), (0.35, 0), (0.8, 0.08), (0.85, 0.45), (0.2, 1), (0.2, 1),
          (0.6, 0.97), (1, 0.9)]],
        [[(0.6, 0.62), (0.2, 0.5), (0.1, 0.2), (0.5, 0), (0.9, 0.25), (0.7, 0.65), (0.4, 0.92), (0.6, 1), (1, 0.88)]],
    ],
    5: [[[(0.6, 0.02), (0.2, 0.45), (0.7, 0.5), (0.6, 0.88), (0.25, 1)]]],
    7: [
        [[(0.15, 0.15), (0.35, 0.02), (0.7, 0.08), (0.62, 0.5), (0.5, 1)], [(0, 0.5), (1, 0.47)]],
        [[(0.25, 0.05), (0.75, 0.03), (0.75, 0.03), (0.68, 0.6), (0.45, 0.98), (0.2, 0.85)], [(0.1, 0.5), (1, 0.48)]],
        [[(0.1, 0), (0.35, 0.12), (0.8, 0.02), (0.8, 0.02), (0.5, 0.5), (0.48, 1)], [(0.15, 0.5), (0.85, 0.45)]],
        [[(0.25, 0.35), (0.1, 0.2), (0.3, 0.02), (0.85, 0.05), (0.85, 0.05), (0.5, 0.55), (0.42, 1)],
         [(0.2, 0.52), (0.85, 0.48)]],
        [[(0.2, 0.06), (0.6, 0.02), (0.85, 0.25), (0.8, 0.7), (0.5, 1)]],
    ],
    9: [
        [[(0.55, 0.5), (0.15, 0.35), (0.35, 0.03), (0.85, 0.1), (0.8, 0.4), (0.5, 0.52), (0.5, 0.52), (0.6, 1)]],
        [[(0.4, 0.48), (0.12, 0.25), (0.45, 0), (0.92, 0.15), (0.7, 0.42), (0.4, 0.48), (0.4, 0.48), (0.5, 1)]],
        [[(0.9, 0.1), (0.4, 0.02), (0.12, 0.2), (0.4, 0.42), (0.85, 0.3), (0.9, 0.1), (0.45, 0.5), (0.85, 1)]],
        [[(0.85, 0.05), (0.4, 0.02), (0.15, 0.25), (0.45, 0.4), (0.85, 0.1), (0.6, 0.55), (0.7, 0.85), (0.3, 1)]],
        [[(0.8, 0.1), (0.3, 0.1), (0.2, 0.35), (0.6, 0.4), (0.85, 0.12), (0.6, 0.45), (0.65, 0.75), (0.4, 1),
          (0.1, 0.9)]],
        [[(0.3, 1), (0.35, 0.4), (0.6, 0), (0.95, 0.2), (0.75, 0.5), (0.38, 0.52)]],
        [[(0.5, 0.55), (0.15, 0.3), (0.5, 0), (0.88, 0.28), (0.5, 0.55), (0.45, 0.75), (0.5, 1)]],
    ],
}  # fmt: skip
# Ways that hardly anyone uses, such as fours like a bolt of lightning, an A or a psi, and nines like an open eight.
_RARE: dict[int, list[list[Points]]] = {
    1: [[[(0, 0.4), (0.5, 0.26), (0.72, 0), (0.72, 0), (0.72, 1)]]],
    4: [
        [[(0.75, 0), (0.05, 0.76), (0.05, 0.76), (0.88, 0.74)], [(0.92, 0.45), (0.82, 1)]],
        [[(0.75, 0), (0.06, 0.72), (0.06, 0.72), (0.85, 0.62), (0.85, 0.62), (0.72, 1)]],
        [[(0.6, 0), (0.1, 0.5), (0.15, 0.75), (0.5, 0.78), (0.88, 0.7)], [(0.92, 0.4), (0.85, 1)]],
        [[(0.08, 0.12), (0.1, 0.5), (0.45, 0.66), (0.86, 0.4), (0.82, 0.1), (0.6, 0.2), (0.52, 0.6), (0.47, 1)]],
        [[(0.05, 0.08), (0.15, 0.52), (0.55, 0.6), (0.95, 0.28), (0.8, 0.04), (0.6, 0.35), (0.4, 1)]],
        [[(0.95, 0), (0.15, 0.3), (0.02, 0.5), (0.15, 0.66), (0.9, 0.62)], [(0.9, 0.38), (0.75, 1)]],
        [[(0.7, 0), (0.02, 0.7), (0.02, 0.7), (0.5, 0.66)], [(0.92, 0.5), (0.55, 1)]],
        [[(0.55, 0), (0.02, 0.86), (0.02, 0.86), (1, 0.86)], [(0.55, 0), (0.72, 1)]],
    ],
    5: [[[(0.1, 0.2), (0.6, 0.34), (0.85, 0.65), (0.5, 1), (0.02, 0.95)], [(0.35, 0.04), (1, 0)]]],
    7: [
        [[(0, 0.05), (0.35, 0.1), (0.85, 0), (0.85, 0), (0.5, 0.6), (0.4, 1)], [(0.05, 0.68), (1, 0.64)]],
        [[(0, 0.25), (0.5, 0.22), (0.9, 0.1), (0.7, 0.02), (0.6, 0.3), (0.45, 1)], [(0.1, 0.62), (1, 0.6)]],
    ],
    8: [
        [[(0.5, 0.4), (0.55, 0.05), (0.95, 0.02), (0.85, 0.3), (0.1, 0.75), (0.05, 0.95), (0.5, 0.98), (0.6, 0.6),
          (0.5, 0.35)]],
        [[(0.95, 0.1), (0.5, 0), (0.2, 0.2), (0.5, 0.45), (0.85, 0.72), (0.5, 1), (0.2, 0.8), (0.6, 0.5)]],
    ],
    9: [
        [[(0.65, 0.36), (0.35, 0.3), (0.4, 0.03), (0.8, 0.05), (0.75, 0.3), (0.5, 0.42), (0.8, 0.65), (0.98, 0.88),
          (0.7, 1), (0.02, 0.97)]],
        [[(0.1, 0.05), (0.1, 0.35), (0.5, 0.44), (0.88, 0.3), (0.9, 0), (0.85, 0.4), (0.7, 0.58), (0.95, 0.85),
          (0.5, 1), (0.02, 0.95)]],
        [[(0.85, 0.1), (0.35, 0.05), (0.1, 0.25), (0.35, 0.44), (0.85, 0.15), (0.6, 0.5), (0.95, 0.82), (0.5, 1),
          (0.1, 0.93)]],
    ],
}  # fmt: skip
# Ways of writing fast: ones with a flag as long as they are or with a foot, fours in one go, fives like a root or an r,
# sevens like a t, twos with a loop.
_LOOSE: dict[int, list[list[Points]]] = {
    1: [
        [[(0.25, 0.22), (0.6, 0), (0.6, 0), (0.6, 0.97), (0.6, 0.97), (0.05, 0.97), (0.05, 0.97), (1, 0.97)]],
        [[(0.3, 0.25), (0.65, 0.02), (0.65, 0.02), (0.6, 0.9), (0.25, 1), (0.1, 0.9), (0.45, 0.92), (1, 0.98)]],
        [[(0.0, 0.6), (0.5, 0.3), (0.75, 0.03), (0.5, 0.05), (0.4, 0.5), (0.45, 1)]],
        [[(0.3, 0.3), (0.6, 0), (0.6, 0), (0.55, 1)], [(0, 1), (1, 0.97)]],
        [[(0, 1), (0.7, 0), (0.7, 0), (0.75, 1)]],
        [[(0, 0.9), (0.4, 0.5), (0.65, 0.05), (0.65, 0.05), (0.55, 1)]],
    ],
    2: [
        [[(0.1, 0.5), (0.1, 0.1), (0.6, 0), (0.9, 0.3), (0.55, 0.8), (0.2, 1), (0.05, 0.9), (0.25, 0.78), (0.6, 1),
          (0.95, 0.85)]],
        [[(0.35, 0.35), (0.15, 0.15), (0.55, 0), (0.9, 0.25), (0.6, 0.75), (0.25, 0.97), (0.1, 0.85), (0.35, 0.75),
          (0.65, 0.95), (1, 0.9)]],
    ],
    4: [
        [[(0.15, 0), (0.1, 0.45), (0.4, 0.55), (0.8, 0.35), (0.9, 0), (0.9, 0), (0.75, 1)]],
        [[(0.55, 0), (0.1, 0.55), (0.1, 0.55), (0.9, 0.4), (0.9, 0.4), (0.45, 1)]],
        [[(0.3, 0), (0.15, 0.6), (0.15, 0.6), (0.6, 0.45), (0.6, 0.45), (0.5, 1)]],
        [[(0.5, 0), (0.1, 0.6), (0.5, 0.62), (0.9, 0.35), (0.9, 0.35), (0.6, 1)]],
    ],
    5: [
        [[(0.1, 0.15), (0.2, 1), (0.2, 1), (0.3, 0.3), (0.6, 0.05), (1, 0.1)]],
        [[(0.0, 0.55), (0.15, 0.5), (0.3, 1), (0.3, 1), (0.45, 0.1), (0.45, 0.1), (1, 0.05)]],
        [[(0.15, 0.5), (0.3, 0.95), (0.42, 0.9), (0.4, 0.4), (0.5, 0.05), (1, 0.0)]],
        [[(0.05, 0.85), (0.3, 1), (0.45, 0.85), (0.4, 0.4), (0.4, 0.05), (0.4, 0.05), (1, 0.05)]],
    ],
    7: [
        [[(0.2, 0.1), (0.65, 0.0), (0.65, 0.0), (0.45, 1)], [(0, 0.45), (1, 0.42)]],
        [[(0.35, 0.02), (0.6, 0.05), (0.5, 0.6), (0.45, 1)], [(0, 0.5), (1, 0.45)]],
        [[(0.5, 0), (0.5, 0.9), (0.7, 1)], [(0, 0.4), (1, 0.4)]],
    ],
    9: [
        [[(0.45, 0.45), (0.1, 0.35), (0.2, 0.05), (0.65, 0), (0.9, 0.2), (0.7, 0.45), (0.45, 0.47), (0.45, 0.47),
          (0.5, 1)]],
        [[(0.9, 0.12), (0.5, 0), (0.15, 0.2), (0.4, 0.42), (0.85, 0.2), (0.7, 0.6), (0.75, 0.95), (0.4, 1),
          (0.2, 0.85)]],
        [[(0.8, 0.15), (0.45, 0.02), (0.2, 0.2), (0.45, 0.38), (0.8, 0.15), (0.6, 0.5), (0.55, 1)]],
    ],
}  # fmt: skip
_LOOSENESS, _LOOSEST = (0.03, 0.05, 0.075), (0.05, 0.075, 0.1)
"""How far points of digits written fast move, and in varied hands, as a part of the digit's size."""
_WIDTHS = {0: (0.45, 0.95), 1: (0.15, 0.75)}
# Joined handwriting: each letter is one stroke from where the last one ended to where the next begins; x in letter
# widths, y upward from the line the word stands on in heights of a small letter.
_JOINED: dict[str, Points] = {
    "a": [(0, 0.1), (0.6, 0.95), (0.25, 0.8), (0.2, 0.15), (0.5, 0.05), (0.75, 0.9), (0.78, 0.2), (1, 0.1)],
    "c": [(0, 0.1), (0.7, 0.9), (0.35, 0.95), (0.15, 0.4), (0.5, 0), (1, 0.2)],
    "d": [(0, 0.1), (0.6, 0.9), (0.2, 0.7), (0.3, 0.05), (0.7, 0.5), (0.8, 2), (0.78, 0.2), (1, 0.1)],
    "e": [(0, 0.1), (0.55, 0.45), (0.5, 0.95), (0.2, 0.75), (0.25, 0.1), (0.6, 0), (1, 0.2)],
    "g": [(0, 0.1), (0.6, 0.95), (0.2, 0.7), (0.4, 0.1), (0.75, 0.9), (0.7, -0.6), (0.4, -1), (0.25, -0.6), (1, 0.1)],
    "h": [(0, 0.1), (0.35, 1.4), (0.3, 2), (0.12, 1.2), (0.12, 0), (0.35, 0.85), (0.62, 0.85), (0.7, 0.1), (1, 0.1)],
    "i": [(0, 0.1), (0.45, 0.95), (0.5, 0.15), (1, 0.15)],
    "l": [(0, 0.1), (0.5, 1.2), (0.42, 2), (0.2, 1.4), (0.3, 0.1), (0.7, 0.05), (1, 0.2)],
    "n": [(0, 0.1), (0.1, 0.9), (0.14, 0.05), (0.35, 0.8), (0.6, 0.9), (0.72, 0.1), (1, 0.1)],
    "o": [(0, 0.1), (0.5, 0.95), (0.15, 0.6), (0.4, 0), (0.75, 0.5), (0.5, 0.95), (1, 0.85)],
    "r": [(0, 0.1), (0.3, 0.95), (0.45, 0.75), (0.7, 0.85), (0.7, 0.2), (1, 0.1)],
    "s": [(0, 0.1), (0.45, 0.95), (0.6, 0.4), (0.45, 0), (0.15, 0.1), (1, 0.15)],
    "t": [(0, 0.1), (0.45, 1), (0.48, 1.7), (0.45, 0.2), (0.65, 0), (1, 0.2)],
    "u": [(0, 0.1), (0.12, 0.9), (0.18, 0.15), (0.45, 0), (0.7, 0.4), (0.72, 0.95), (0.78, 0.15), (1, 0.1)],
    "v": [(0, 0.1), (0.1, 0.9), (0.4, 0.02), (0.75, 0.9), (1, 0.85)],
    "y": [(0, 0.1), (0.1, 0.9), (0.3, 0.1), (0.75, 0.9), (0.65, -0.7), (0.35, -0.95), (0.25, -0.5), (1, 0.1)],
}  # fmt: skip


def drawn_digit(
    rng: Generator,
    digit: int,
    height: int,
    *,
    pen: float | None = None,
    ambiguous: bool = False,
    seldom: bool = False,
    rare: bool = False,
    loose: bool = False,
    varied: bool = False,
) -> Ink:
    """A digit written with a pen.

    Args:
        rng: draws everything else.
        digit: 0..9.
        height: of the digit, about, in pixels.
        pen: width of its strokes as a part of the height; any unless given.
        ambiguous: also in ways that look like a letter.
        seldom: also in ways that few people use.
        rare: also in ways that hardly anyone uses.
        loose: written fast: shapes vary more, there are further ways, and where three or more ways are not common ones,
            at least half of the digits are written in those.
        varied: what is written fast varies even more.
    """
    ways = _DIGITS[digit] + (_AMBIGUOUS.get(digit, []) if ambiguous else [])
    ways = ways + (_SELDOM.get(digit, []) if seldom else []) + (_RARE.get(digit, []) if rare else [])
    if loose:
        odd = ways[len(_DIGITS[digit]) :] + _LOOSE.get(digit, [])
        ways = odd if len(odd) > 2 and rng.random() < 0.5 else ways
    strokes = ways[rng.integers(len(ways))]
    low, high = _WIDTHS.get(digit, (0.45, 0.9))
    thick, wide = (pen or _pen(rng)) * height, rng.uniform(low, high) * height
    jitter = float(rng.choice(_LOOSEST if varied else _LOOSENESS)) if loose else 0.035
    return drawn(rng, strokes, height, wide, thick, jitter)


def own_way(rng: Generator, digit: int) -> Sequence[Points]:
    """A way of writing a one, four, five or nine that a hand keeps to.

    A one has a flag of any length, often a steep one; the others are written in ways that few people use.
    """
    if digit == 1:
        down, out, lean, bow = rng.uniform((0.15, 0.15, -0.1, 0), (1, 0.9, 0.15, 0.5)).tolist()
        if rng.random() < 0.4:
            down, out = rng.uniform((0.5, 0.08), (1, 0.5)).tolist()
        flag = [(0.7 - 0.7 * out, down), (0.7 - 0.35 * out * (1 - bow), down * (0.5 + 0.4 * bow))]
        stem = [(0.7, 0.0), (0.7, 0.0), (0.7 - lean / 2, 0.5), (0.7 - lean, 1.0)]
        foot = [(0.3, 1.0), (1.05, 1.0)]
        return [flag + stem, foot] if rng.random() < 0.25 else [flag + stem]
    ways = _DIGITS[4][4:] if digit == 4 else []  # the first four are common
    for others in (_AMBIGUOUS, _SELDOM, _RARE, _LOOSE):
        ways = ways + others.get(digit, [])
    return ways[rng.integers(len(ways))]


def own_digit(rng: Generator, way: Sequence[Points], height: int, pen: float) -> Ink:
    """A digit in a hand's own way; `pen` is the width of its strokes as a part of the height."""
    return drawn(rng, way, height, rng.uniform(0.5, 1) * height, pen * height, rng.uniform(0.02, 0.06))


def bar(rng: Generator, height: int, pen: float) -> Ink:
    """A one that is a plain stroke, most often an upright one; `pen` is its width as a part of the height."""
    lean, jitter = rng.choice([0.03, 0.15], p=[0.7, 0.3]), rng.choice([0.0, 0.02])
    return drawn(rng, [[(0.5, 0), (0.5, 1)]], height, float(height), pen * height, jitter, lean)


def drawn(
    rng: Generator,
    strokes: Sequence[Points],
    height: int,
    width: float,
    pen: float,
    jitter: float = 0.0,
    lean: float = 0.15,
) -> Ink:
    """Strokes drawn with one pen.

    Args:
        rng: draws how they lean, turn, and are bent.
        strokes: through points (x, y), 0..1 from the top left of their box.
        height: of the box, in pixels.
        width: of the box, in pixels.
        pen: the width of the strokes, in pixels.
        jitter: how far points move, as a part of the box.
        lean: how far they lean, as a standard deviation of the slope.
    """
    pen = max(1.0, pen)
    slant, turn = rng.normal(0, lean), rng.normal(0, 0.06)
    paths = []
    for stroke in strokes:
        points = np.asarray(stroke, np.float64)
        corner = np.r_[False, (points[1:] == points[:-1]).all(1)]
        moves = rng.normal(0, jitter, points.shape)
        moves[corner] = moves[np.flatnonzero(corner) - 1]  # a corner stays one point
        x, y = ((_curve(points + moves) - 0.5) * (width, height)).T
        paths.append(np.stack([x - (slant + turn) * y, y + turn * x], 1))
    margin = int(pen / 2) + 2
    low, high = (edge(np.concatenate(paths), axis=0) for edge in (np.min, np.max))
    wide, tall = np.ceil(high - low).astype(int) + 2 * margin
    canvas = np.zeros((tall, wide), np.uint8)
    for path in paths:
        fixed = np.rint((path - low + margin) * 16).astype(np.int32)
        cv2.polylines(canvas, [fixed], False, 255, max(1, round(pen)), cv2.LINE_AA, 4)
    ink = canvas.astype(np.float32) / np.float32(255)
    if pen < 1.5:
        ink = ink * np.float32(rng.uniform(0.6, 1))
    return bent(rng, ink, rng.uniform(0.005, 0.03)) if jitter else tight(ink)


def scribble(rng: Generator, height: int) -> Ink:
    """One to four strokes through random points: what a hand leaves that writes nothing."""
    strokes = []
    for _ in range(rng.integers(1, 5)):
        points = rng.random((rng.integers(2, 8), 2))
        if rng.random() < 0.3:  # straight lines rather than curves
            points = np.repeat(points, 2, axis=0)
        strokes.append([(float(x), float(y)) for x, y in points])
    return drawn(rng, strokes, height, rng.uniform(0.4, 1.8) * height, _pen(rng) * height)


def word(rng: Generator, height: int) -> Ink:
    """A word in joined handwriting; its small letters are about `height` pixels high."""
    letters = rng.choice(list(_JOINED), rng.integers(2, 10))
    wide = rng.uniform(0.5, 1.2)
    joined = np.concatenate([np.add(_JOINED[letter], (i, 0)) for i, letter in enumerate(letters)])
    low, high = joined[:, 1].min(), joined[:, 1].max()
    scaled = np.stack([joined[:, 0] / len(letters), (high - joined[:, 1]) / (high - low)], 1)
    strokes = [[(float(x), float(y)) for x, y in scaled]]
    for i in np.flatnonzero(letters == "t"):  # the bar of a t
        y = (high - rng.uniform(1.1, 1.5)) / (high - low)
        strokes.append([((i + 0.1) / len(letters), y), ((i + rng.uniform(0.8, 1.3)) / len(letters), y)])
    tall = int(height * (high - low))
    return drawn(rng, strokes, tall, wide * height * len(letters), _pen(rng) * height, jitter=0.012)


def line(rng: Generator, length: int) -> Ink:
    """A dash, a cross or a check mark about `length` pixels long."""
    shapes: list[list[Points]] = [
        [[(0, 0.5), (1, 0.5)]],
        [[(0, 0.4), (1, 0.6)], [(0, 0.8), (1, 1)]],
        [[(0, 0.6), (0.35, 1), (0.35, 1), (1, 0)]],
        [[(0, 0.5), (0.3, 0.4), (0.7, 0.6), (1, 0.5)]],
        [[(0, 0), (1, 1)], [(0, 1), (1, 0)]],
        [[(0.5, 0), (0.5, 1)], [(0, 0.5), (1, 0.5)]],
    ]
    strokes = shapes[rng.choice(len(shapes), p=[0.4, 0.15, 0.1, 0.15, 0.1, 0.1])]
    flat = rng.uniform(0.02, 0.3) if len(strokes[0]) == 2 and len(strokes) < 2 else rng.uniform(0.4, 1)
    tall = max(2, int(length * flat))
    return drawn(rng, strokes, tall, float(length), _pen(rng) * tall, jitter=0.03)


def face(rng: Generator, height: int) -> Ink:
    """A ring with something in it: a face, a wheel, a clock."""
    ring = [(0.5, 0), (0.14, 0.15), (0, 0.5), (0.14, 0.85), (0.5, 1), (0.86, 0.85), (1, 0.5), (0.86, 0.15), (0.5, 0)]
    fills: list[list[Points]] = [
        [[(0.32, 0.28), (0.32, 0.4)], [(0.68, 0.28), (0.68, 0.4)], [(0.25, 0.62), (0.5, 0.76), (0.75, 0.62)]],
        [[(0.3, 0.3), (0.36, 0.36)], [(0.7, 0.3), (0.64, 0.36)], [(0.5, 0.42), (0.5, 0.58)], [(0.3, 0.7), (0.7, 0.7)]],
        [[(0.15, 0.15), (0.85, 0.85)], [(0.15, 0.85), (0.85, 0.15)]],
        [[(0.5, 0), (0.5, 1)], [(0, 0.5), (1, 0.5)]],
        [[(0.5, 0.15), (0.5, 0.5), (0.5, 0.5), (0.8, 0.6)]],
        [[(0.5, 0.2), (0.25, 0.75), (0.25, 0.75), (0.75, 0.75), (0.75, 0.75), (0.5, 0.2)]],
    ]
    shape = [ring, *fills[rng.integers(len(fills))]]
    return drawn(rng, shape, height, rng.uniform(0.7, 1.2) * height, rng.uniform(0.03, 0.1) * height, jitter=0.025)


def dot(rng: Generator, size: float) -> Ink:
    """A dot or, half of the time, a comma of about `size` pixels."""
    tail = rng.uniform(0.3, 1.5) if rng.random() < 0.5 else 0.0
    side = int(size * (2 + tail)) + 3
    canvas = np.zeros((side, side), np.uint8)
    x = side - size / 2 - 1.5
    points = np.array([[x, size / 2 + 1], [x - size * tail / 2, size / 2 + 1 + size * tail]]) * 16
    cv2.polylines(canvas, [points.astype(np.int32)], False, 255, max(1, round(size)), cv2.LINE_AA, 4)
    return tight(canvas.astype(np.float32) / np.float32(255))


def bent(rng: Generator, ink: Ink, strength: float) -> Ink:
    """Ink pushed around by a smooth random field, by about `strength` of its longest side."""
    height, width = ink.shape
    margin = int(3 * strength * max(height, width)) + 1
    ink = cv2.copyMakeBorder(ink, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
    height, width = ink.shape
    push = rng.normal(0, strength * max(height, width), (2, 4, 4)).astype(np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    rows += cv2.resize(push[0], (width, height), interpolation=cv2.INTER_CUBIC)
    columns += cv2.resize(push[1], (width, height), interpolation=cv2.INTER_CUBIC)
    return tight(cv2.remap(ink, columns, rows, cv2.INTER_LINEAR))


def slanted(ink: Ink, slant: float) -> Ink:
    """Ink whose top leans to the right by `slant` of its height; to the left where that is negative."""
    height, width = ink.shape
    room = int(abs(slant) * height) + 2
    matrix = np.array([[1, -slant, max(0.0, slant) * height + 1], [0, 1, 0]])
    return tight(cv2.warpAffine(ink, matrix, (width + room, height), flags=cv2.INTER_LINEAR))


def tight(ink: Ink) -> Ink:
    """Ink without its empty margins; never smaller than one pixel."""
    return np.ascontiguousarray(ink[extent(ink)])


def put(sheet: Ink, ink: Ink, y: float, x: float) -> tuple[slice, slice] | None:
    """Ink on a sheet with its top left corner at (y, x), cut at the border; where it came to lie, if anywhere."""
    top, left = round(y), round(x)
    rows = slice(max(0, top), min(sheet.shape[0], top + ink.shape[0]))
    columns = slice(max(0, left), min(sheet.shape[1], left + ink.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    part = ink[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    np.maximum(sheet[rows, columns], part, out=sheet[rows, columns])
    return rows, columns


def extent(ink: NDArray[Any], threshold: float = 0.1) -> tuple[slice, slice]:
    """Rows and columns between which all ink above a threshold lies; the first of each where there is none."""
    mask = ink > threshold
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _pen(rng: Generator) -> float:
    """The width of a pen's strokes as a part of the height of what it writes."""
    return float(np.exp(rng.uniform(np.log(0.03), np.log(0.2))))


def _curve(points: NDArray[np.float64], steps: int = 8) -> NDArray[np.float64]:
    """A Catmull-Rom curve through points (n, 2); a point that comes twice is a corner."""
    padded = np.concatenate([points[:1], points, points[-1:]])
    t = (np.arange(steps) / steps)[:, None, None]
    a, b, c, d = (padded[i : len(padded) - 3 + i] for i in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([curve.transpose(1, 0, 2).reshape(-1, 2), points[-1:]])
