"""Pictures of digits drawn by us, as the world would show them: for tests that need no data set."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

STROKES: dict[int, list[list[tuple[float, float]]]] = {
    0: [[(0.5, 0.0), (0.15, 0.2), (0.05, 0.55), (0.25, 0.95), (0.6, 0.95), (0.85, 0.6), (0.8, 0.2), (0.5, 0.0)]],
    1: [[(0.35, 0.15), (0.55, 0.0), (0.5, 1.0)]],
    2: [[(0.1, 0.2), (0.35, 0.0), (0.7, 0.1), (0.7, 0.4), (0.1, 1.0), (0.45, 0.9), (0.9, 1.0)]],
    3: [[(0.1, 0.1), (0.5, 0.0), (0.75, 0.2), (0.4, 0.45), (0.8, 0.7), (0.5, 1.0), (0.05, 0.9)]],
    4: [[(0.35, 0.0), (0.05, 0.6), (0.85, 0.55)], [(0.65, 0.25), (0.6, 1.0)]],
    5: [[(0.8, 0.0), (0.3, 0.05), (0.2, 0.45), (0.6, 0.4), (0.8, 0.7), (0.5, 1.0), (0.1, 0.9)]],
    6: [[(0.65, 0.0), (0.2, 0.4), (0.1, 0.75), (0.4, 1.0), (0.75, 0.8), (0.5, 0.55), (0.15, 0.7)]],
    7: [[(0.05, 0.05), (0.8, 0.0), (0.4, 1.0)]],
    8: [[(0.7, 0.15), (0.4, 0.0), (0.15, 0.2), (0.7, 0.7), (0.45, 1.0), (0.15, 0.8), (0.7, 0.15)]],
    9: [[(0.75, 0.2), (0.4, 0.0), (0.15, 0.25), (0.4, 0.5), (0.75, 0.2), (0.65, 1.0)]],
}
"""Corners of each digit's strokes, x and y from 0.0 to 1.0."""


def ink(digit: int, height: int = 100, stroke: float = 0.12) -> NDArray[np.float32]:
    """One digit, `height` pixels tall with a margin of a stroke's width, as ink: 0.0 to 1.0, (H, W) float32."""
    thick = max(1, round(stroke * height))
    scale, margin = height - thick, thick
    canvas = np.zeros((height + 2 * thick, round(0.9 * height) + 2 * thick), np.uint8)
    for corners in STROKES[digit]:
        points = np.array([[margin + thick / 2 + x * scale * 0.85, margin + thick / 2 + y * scale] for x, y in corners])
        for _ in range(3):  # Chaikin's corner cutting: a pen does not turn on the spot
            cut = np.stack([0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]], 1)
            points = np.concatenate([points[:1], cut.reshape(-1, 2), points[-1:]])
        fixed = np.round(points * 16).astype(np.int32)
        cv2.polylines(canvas, [fixed[:, None]], False, 255, thick, cv2.LINE_AA, shift=4)
    return canvas.astype(np.float32) / np.float32(255)


def picture(
    digit: int,
    *,
    size: tuple[int, int] = (160, 200),
    height: int = 100,
    place: tuple[float, float] = (0.5, 0.5),
    stroke: float = 0.12,
    paper: Any = 235,
    pen: Any = 40,
    light: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """A picture of one digit: gray (H, W), or (H, W, 3) when paper and pen are RGB.

    `place` moves the digit from 0.0 (top, left) to 1.0; `light` darkens towards one corner by this part; `noise` is
    the sd of Gaussian noise in gray levels.
    """
    drawn = ink(digit, height, stroke)
    cover = np.zeros(size, np.float32)
    top = round(place[0] * (size[0] - drawn.shape[0]))
    left = round(place[1] * (size[1] - drawn.shape[1]))
    cover[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    back, front = np.asarray(paper, np.float32), np.asarray(pen, np.float32)
    image = (
        cover[..., None] * front + (1 - cover[..., None]) * back if back.ndim else cover * front + (1 - cover) * back
    )
    slope = np.add.outer(np.linspace(0, 0.5, size[0]), np.linspace(0, 0.5, size[1])).astype(np.float32)
    shade = 1 - light * slope
    image = image * (shade[..., None] if image.ndim == 3 else shade)
    image = image + np.random.default_rng(seed).normal(0, noise, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
