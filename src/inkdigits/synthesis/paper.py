"""Paper, light and camera: what stands between ink and the pixels of a picture.

Pictures are (h, w, 3) float32 gray levels from 0 to 255 until `photographed` makes them uint8.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from inkdigits.synthesis import strokes, typefaces

Picture = NDArray[np.float32]
_STAMPS = ("%Y-%m-%d %H:%M", "%Y/%m/%d", "%d.%m.%Y %H:%M:%S", "%d.%m.%y", "%d %m '%y", "%m/%d/%Y %H:%M", "%H:%M")


def paper(rng: Generator, height: int, width: int, unit: float, security: float = 0.22) -> Picture:
    """Empty paper under some light.

    Args:
        rng: draws everything.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        unit: the height of what will be written, in pixels.
        security: how often it has the fine wavy lines of cheques; fields of dots are about half as frequent.
    """
    tint = rng.normal(0, 1, 3) * rng.choice([0.0, 6.0, 22.0], p=[0.4, 0.4, 0.2])
    color = np.clip(rng.uniform(110, 255) + tint, 70, 255).astype(np.float32)
    picture = np.broadcast_to(color, (height, width, 3)).copy()
    if rng.random() < 0.7:  # uneven light
        picture *= 1 + _smooth(rng, height, width, 3)[..., None] * np.float32(rng.uniform(0.02, 0.16))
    if rng.random() < 0.12:  # the edge of a shadow
        y, x = np.ogrid[:height, :width]
        angle = rng.uniform(0, 2 * np.pi)
        far = (x - rng.uniform(0, width)) * np.cos(angle) + (y - rng.uniform(0, height)) * np.sin(angle)
        shade = 1 / (1 + np.exp(-far / rng.uniform(1, 2 * unit)))
        picture *= (1 - rng.uniform(0.1, 0.55) * shade.astype(np.float32))[..., None]
    for texture, chance in ((_grain, 0.5), (_guilloche, security), (_halftone, 0.45 * security), (_blotches, 0.15)):
        if rng.random() < chance:
            picture *= (1 - texture(rng, height, width, unit))[..., None]
    if rng.random() < 0.35:
        _ruled(rng, picture, unit)
    return picture


def inked(rng: Generator, picture: Picture, ink: NDArray[np.float32]) -> Picture:
    """Ink (h, w) in [0, 1] put on paper in one color."""
    level = picture.mean()
    dark = level * rng.uniform(0, 0.55) if rng.random() < 0.8 else level * rng.uniform(0.5, 0.84)
    color = np.full(3, dark, np.float32)
    if rng.random() < 0.45:  # a colored pen
        color = color * rng.uniform(0.3, 1.2, 3).astype(np.float32)
        if rng.random() < 0.5:
            color[rng.integers(3)] = min(240.0, level * rng.uniform(0.6, 0.95))
    if rng.random() < 0.3:  # ink that lies on unevenly
        ink = ink * (1 - rng.uniform(0.1, 0.6) * rng.random(ink.shape, np.float32))
    cover = (ink * np.float32(rng.uniform(0.8, 1)))[..., None]
    mixed: Picture = picture * (1 - cover) + color * cover
    return mixed


def photographed(rng: Generator, picture: Picture, unit: float) -> NDArray[np.uint8]:
    """What a scanner or a phone makes of it: blur, noise, little contrast, JPEG."""
    if rng.random() < 0.5:
        sigma = rng.uniform(0.3, max(0.5, min(1.8, unit / 18)))
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    if rng.random() < 0.12:  # moved while taking it
        length = int(rng.integers(2, max(3, int(unit / 6))))
        kernel = np.zeros((2 * length + 1, 2 * length + 1), np.uint8)
        angle = rng.uniform(0, np.pi)
        end = (int(length + length * np.cos(angle)), int(length + length * np.sin(angle)))
        cv2.line(kernel, (length, length), end, 1)
        picture = cv2.filter2D(picture, -1, kernel / kernel.sum())
    if rng.random() < 0.15:  # few pixels, made many
        height, width = picture.shape[:2]
        part = rng.uniform(max(0.4, 11 / unit), 0.95) if unit > 14 else 1.0
        small = cv2.resize(picture, (int(width * part), int(height * part)), interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.3:
        gamma = np.float32(np.exp(rng.normal(0, 0.35)))
        picture = np.asarray(255 * (np.maximum(picture, 0) / 255) ** gamma, np.float32)
    if rng.random() < 0.55:
        picture = picture + rng.standard_normal(picture.shape[:2], np.float32)[..., None] * rng.uniform(0.5, 9)
    if rng.random() < 0.35:
        picture = np.broadcast_to(picture.mean(2, keepdims=True), picture.shape)
    pixels = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 96))]
        pixels = np.asarray(cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], cv2.IMREAD_COLOR), np.uint8)
    return pixels


def scanned(rng: Generator, picture: Picture) -> NDArray[np.uint8]:
    """What a good scanner makes of it: hardly any blur or noise."""
    if rng.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.8))
    if rng.random() < 0.5:
        picture = picture + rng.standard_normal(picture.shape[:2], np.float32)[..., None] * rng.uniform(0.5, 4)
    return np.clip(picture, 0, 255).astype(np.uint8)


def stamped(rng: Generator, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A picture (h, w, 3) with date and time in light print, as cameras put them into it; and that print alone.

    The latter is (h, w), from 0.0, none, to 1.0.
    """
    when = datetime(1995, 1, 1) + timedelta(minutes=int(rng.integers(20_000_000)))
    ink = typefaces.typed(rng, when.strftime(_STAMPS[rng.integers(len(_STAMPS))]), int(rng.uniform(9, 26)))
    height, width, _ = pixels.shape
    light = np.zeros((height, width), np.float32)
    strokes.put(light, ink, rng.uniform(0, max(1, height - ink.shape[0])), rng.uniform(-0.1, 0.6) * width)
    rim = cv2.dilate(light, np.ones((3, 3), np.uint8)) * np.float32(rng.choice([0.0, 0.8]))
    color = np.array([[255, 255, 255], [255, 220, 60], [255, 140, 30]], np.float32)[rng.integers(3)]
    picture = pixels * (1 - rim[..., None])
    return np.asarray(picture * (1 - light[..., None]) + color * light[..., None], np.uint8), light


def _smooth(rng: Generator, height: int, width: int, knots: int) -> NDArray[np.float32]:
    """A smooth random field, about -2 to 2."""
    field = rng.standard_normal((knots, knots), np.float32)
    return np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _grain(rng: Generator, height: int, width: int, unit: float) -> NDArray[np.float32]:
    size = float(np.exp(rng.uniform(0, np.log(6))))
    grain = rng.standard_normal((int(height / size) + 2, int(width / size) + 2), np.float32)
    return np.asarray(cv2.resize(grain, (width, height)) * np.float32(rng.uniform(0.005, 0.07)), np.float32)


def _guilloche(rng: Generator, height: int, width: int, unit: float) -> NDArray[np.float32]:
    """The fine wavy lines that make cheques hard to copy."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pattern = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(1, 3)):
        angle, wave = rng.uniform(0, np.pi), rng.uniform(3, 12)
        bend = _smooth(rng, height, width, int(rng.integers(2, 7))) * np.float32(rng.uniform(1, 12))
        phase = (x * np.cos(angle) + y * np.sin(angle)).astype(np.float32) * np.float32(2 * np.pi / wave) + bend
        pattern += np.maximum(np.sin(phase) - np.float32(rng.uniform(-0.2, 0.8)), 0)
    return pattern / max(float(pattern.max()), 1e-3) * np.float32(rng.uniform(0.04, 0.36))


def _halftone(rng: Generator, height: int, width: int, unit: float) -> NDArray[np.float32]:
    y, x = np.ogrid[:height, :width]
    pitch = rng.uniform(2, 7)
    dots = np.sin(2 * np.pi * x / pitch) * np.sin(2 * np.pi * y / (pitch * rng.uniform(0.7, 1.4)))
    return np.asarray(np.maximum(dots, 0) * rng.uniform(0.04, 0.25), np.float32)


def _blotches(rng: Generator, height: int, width: int, unit: float) -> NDArray[np.float32]:
    field = _smooth(rng, height, width, int(rng.integers(4, 12)))
    return np.clip(field - 1, 0, 1) * np.float32(rng.uniform(0.05, 0.4))


def _ruled(rng: Generator, picture: Picture, unit: float) -> None:
    """Ruled or squared paper, or the line and box of a form."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    thick = 1 + int(rng.random() < 0.3) + int(rng.random() < 0.15)
    tilt = rng.normal(0, 0.03)

    def across(y: float) -> None:
        ends = (0, int(16 * y)), (16 * width, int(16 * (y + tilt * width)))
        cv2.line(mask, *ends, 255, thick, cv2.LINE_AA, 4)

    def down(x: float) -> None:
        cv2.line(mask, (int(16 * x), 0), (int(16 * (x - tilt * height)), 16 * height), 255, thick, cv2.LINE_AA, 4)

    pitch = unit * rng.uniform(0.5, 2.2)
    kind = rng.choice(["ruled", "squared", "one", "box"], p=[0.4, 0.25, 0.2, 0.15])
    if kind in ("ruled", "squared"):
        for y in np.arange(rng.uniform(-pitch, pitch), height + pitch, pitch):
            across(y)
        if kind == "squared":
            for x in np.arange(rng.uniform(-pitch, pitch), width + pitch, pitch):
                down(x)
        elif rng.random() < 0.3:
            down(rng.uniform(0, width))
    elif kind == "one":
        across(rng.uniform(0, height))
    else:
        top, left = rng.uniform(0, height / 2), rng.uniform(0, width / 2)
        for y in (top, top + unit * rng.uniform(1.2, 2.5)):
            across(y)
        for x in (left, left + unit * rng.uniform(1, 6)):
            down(x)
    color = rng.uniform(0.25, 0.95) * np.array([[1, 1, 1], [0.5, 0.7, 1.1], [1.1, 0.6, 0.6]])[rng.integers(3)]
    cover = (mask.astype(np.float32) / 255 * rng.uniform(0.4, 1))[..., None]
    picture *= 1 - cover + cover * np.minimum(color, 1).astype(np.float32)
