"""Synthetic pictures of one digit, and of what is none, as `classify` meets them, normalized to what networks see.

Every picture goes through `preprocess.normalize` like any other, so a network trained on these sees in training what
it will see in use: neighbors that intrude, rests of ruled lines, strokes that the light broke.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from inkdigits.calibration import OTHER
from inkdigits.preprocess import SIZE, normalize
from inkdigits.synthesis import paper, strokes, typefaces
from inkdigits.synthesis.glyphs import Writer
from inkdigits.synthesis.strokes import Ink

_OVERLAP = 0.5
"""A digit counts as found when its box and the one that `normalize` saw share this part of their union."""
_INTRUSION = 0.8
"""Less than this part of a neighbor is visible."""


class Crop(NamedTuple):
    """A picture and what it shows."""

    seen: NDArray[np.uint8]
    """(28, 28), 0 paper .. 255 ink."""
    label: int
    """0..9, or `OTHER`."""


class Crops:
    """Makes crops without end.

    Args:
        images: (N, 28, 28) uint8 digits of MNIST, 0 paper .. 255 ink.
        labels: (N,) which digits they are.
    """

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        self.images, self.labels = images, labels

    def digit(self, rng: Generator) -> Crop:
        """A digit: in a scene, worn down, or stretched into its frame."""
        while True:
            kind = rng.choice(["scene", "worn", "framed"], p=[0.4, 0.33, 0.27])
            if kind == "scene":
                crop = self._scene(rng)
            elif kind == "worn":
                index = rng.integers(len(self.labels))
                crop = _seen(worn(rng, self.images[index]), int(self.labels[index]))
            else:
                crop = self._framed(rng)
            if crop is not None:
                return crop

    def other(self, rng: Generator) -> Crop:
        """Anything but one digit: letters, scribbles, signs, faces, several digits, a digit lying on its side, dirt."""
        while True:
            kinds = ["letter", "scribble", "line", "several", "lying", "pieces", "texture", "noise", "face"]
            kind = rng.choice(kinds, p=[0.44, 0.15, 0.12, 0.12, 0.06, 0.03, 0.03, 0.02, 0.03])
            height = _height(rng)
            if kind == "letter":
                ink = typefaces.letter(rng, height)
            elif kind == "scribble":
                ink = strokes.scribble(rng, height)
            elif kind == "line":
                ink = strokes.line(rng, height)
                if ink.shape[0] > 1.5 * ink.shape[1]:  # that would be a one
                    continue
            elif kind == "several":
                ink = self._several(rng, height)
            elif kind == "lying":
                digit = int(rng.choice([2, 3, 4, 5, 7]))
                ink = np.rot90(self._writer(rng).digit(rng, height, digit)[0]).copy()
            elif kind == "pieces":
                ink = np.zeros((height, int(height * rng.uniform(0.5, 2))), np.float32)
                for _ in range(rng.integers(2, 9)):
                    strokes.put(ink, strokes.dot(rng, height * rng.uniform(0.03, 0.15)), *(rng.random(2) * ink.shape))
            elif kind == "face":
                ink = strokes.face(rng, height)
            elif kind == "noise":
                ink = rng.random((height, int(height * rng.uniform(0.5, 2))), np.float32)
            else:
                ink = np.zeros((height, height), np.float32)
            if kind in ("letter", "scribble") and rng.random() < 0.3:
                crop = _seen(_plain(rng, ink), OTHER)
            else:
                crop = _photo(rng, ink, whole=kind == "several", strong=kind == "texture")
            if crop is not None:
                return crop

    def _writer(self, rng: Generator) -> Writer:
        seldom = bool(rng.random() < 0.5)
        return Writer(rng, self.images, self.labels, rng.choice([0.7, 1.2, 2.0]), seldom=seldom, rare=seldom)

    def _scene(self, rng: Generator) -> Crop | None:
        """A digit on paper; often with parts of what stands beside it."""
        height, writer = _height(rng), self._writer(rng)
        ink, digit = writer.digit(rng, height)
        tall, wide = ink.shape
        crowded = rng.random() < 0.55
        around = rng.uniform(0.05, 0.5) if crowded else float(np.exp(rng.uniform(np.log(0.06), np.log(2.5))))
        margins = np.maximum(1, around * height * rng.uniform(0.6 if crowded else 0.2, 1.4, 4)).astype(int)
        left, right, top, bottom = margins.tolist()
        if crowded:  # the digit that counts is in the middle
            right = max(1, left + int(rng.normal(0, 0.06) * height))
        sheet = np.zeros((tall + top + bottom, wide + left + right), np.float32)
        strokes.put(sheet, ink, top, left)
        if crowded:
            gap = rng.uniform(-0.05, 0.3) * height
            for side in (-1, 1):
                if rng.random() < 0.55:
                    other = writer.digit(rng, int(height * rng.uniform(0.85, 1.1)))[0]
                    x = left + wide + gap if side > 0 else left - gap - other.shape[1]
                    visible = sheet.shape[1] - x if side > 0 else x + other.shape[1]
                    if visible < _INTRUSION * other.shape[1]:  # more of it, and there would be two digits to read
                        strokes.put(sheet, other, top + rng.normal(0, 0.08) * height, x)
            if rng.random() < 0.35:  # a point or comma after it
                point = strokes.dot(rng, height * rng.uniform(0.06, 0.15))
                strokes.put(
                    sheet, point, top + tall * rng.uniform(0.85, 1.0), left + wide + rng.uniform(0, 0.15) * height
                )
            if rng.random() < 0.35:  # lines of a form or a table, near or through it
                _rule(rng, sheet)
        pixels = _finished(rng, sheet, height)
        return _seen(pixels, digit, (left, top, wide, tall))

    def _framed(self, rng: Generator) -> Crop | None:
        """A digit that fills its frame of few pixels, perhaps stretched and in two levels only."""
        digit = int(rng.integers(10))
        if rng.random() < 0.4:
            ink = strokes.drawn_digit(rng, digit, 48, seldom=True, rare=True)
        else:
            ink = self._writer(rng).digit(rng, 48, digit)[0]
        if rng.random() < 0.4:
            ink = strokes.slanted(ink, rng.uniform(-0.2, 0.6))
        side = int(rng.integers(12, 33))
        stretch = rng.random() < 0.5 and (digit != 1 or ink.shape[1] > 0.3 * ink.shape[0])
        tall, wide = ink.shape
        size = (
            (side, side) if stretch else (max(3, round(side * wide / max(tall, wide))), side * tall // max(tall, wide))
        )
        small = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
        if rng.random() < 0.5:
            small = (small > rng.uniform(0.3, 0.55)).astype(np.float32)
        margin = int(rng.integers(0, 3))
        small = cv2.copyMakeBorder(small, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
        pixels = (255 * small).astype(np.uint8)
        return _seen(255 - pixels if rng.random() < 0.5 else pixels, digit)

    def _several(self, rng: Generator, height: int) -> Ink:
        """Two or three whole digits side by side, or one above the other; now and then of machine print."""
        if rng.random() < 0.12:
            return typefaces.printed(rng, str(rng.integers(10, 1000)), height)
        writer = self._writer(rng)
        inks = [writer.digit(rng, height)[0] for _ in range(rng.choice([2, 3], p=[0.75, 0.25]))]
        gap = int(rng.uniform(-0.05, 0.4) * height)
        if rng.random() < 0.85:
            sheet = np.zeros((int(1.2 * max(i.shape[0] for i in inks)), sum(i.shape[1] + max(gap, 0) for i in inks)))
            x = 0.0
            for ink in inks:
                strokes.put(sheet, ink, rng.uniform(0, 0.1) * height, x)
                x += ink.shape[1] + gap
        else:
            sheet = np.zeros((sum(i.shape[0] + max(gap, 0) for i in inks), max(i.shape[1] for i in inks)))
            y = 0.0
            for ink in inks:
                strokes.put(sheet, ink, y, (sheet.shape[1] - ink.shape[1]) / 2)
                y += ink.shape[0] + gap
        return strokes.tight(sheet.astype(np.float32))


def worn(rng: Generator, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image of MNIST with noise, lines, blur, edges or bars over it: (28, 28) uint8, light ink on dark."""
    ink = image.astype(np.float32) / 255
    kinds = ["edges", "specks", "shot", "dots", "zigzag", "shattered", "blur", "clouds", "bars", "lost"]
    kind = rng.choice(kinds, p=[0.08, 0.07, 0.1, 0.06, 0.22, 0.11, 0.06, 0.05, 0.21, 0.04])
    if kind == "edges":
        return np.asarray(cv2.Canny(image, *sorted(rng.uniform(30, 250, 2))), np.uint8)
    if kind == "specks":
        noise = rng.random(ink.shape)
        amount = rng.uniform(0.02, 0.3)
        ink[noise < amount / 2] = 0
        ink[noise > 1 - amount / 2] = 1
    elif kind == "shot":
        photons = np.exp(rng.uniform(np.log(3), np.log(40)))
        ink = rng.poisson(ink * photons).astype(np.float32) / np.float32(photons)
    elif kind in ("dots", "zigzag"):
        ink = np.maximum(ink, _across(rng, zigzag=kind == "zigzag"))
    elif kind == "shattered":
        reach = rng.uniform(0.5, 2.2)
        rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float32)
        moves = rng.uniform(-reach, reach, (2, SIZE, SIZE)).astype(np.float32)
        ink = cv2.remap(ink, columns + moves[1], rows + moves[0], cv2.INTER_LINEAR)
        ink = cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.2, 0.9))
    elif kind == "blur":
        if rng.random() < 0.5:
            ink = cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.5, 2))
        else:
            length, angle = rng.integers(2, 6), rng.uniform(0, np.pi)
            kernel = np.zeros((13, 13), np.uint8)
            cv2.line(kernel, (6, 6), (int(6 + length * np.cos(angle)), int(6 + length * np.sin(angle))), 1)
            ink = cv2.filter2D(ink, -1, kernel / kernel.sum())
    elif kind == "clouds":
        clouds = cv2.resize(rng.random((6, 6), np.float32), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        if rng.random() < 0.5:
            ink = np.maximum(ink, 0.7 * (clouds > rng.uniform(0.6, 0.8)))
        else:
            ink = 0.5 * ink + 0.6 * clouds
    elif kind == "bars":
        ends = rng.integers(3, 9, 2)
        side = ink if rng.random() < 0.7 else ink.T
        side[:, : ends[0]] = 1 - side[:, : ends[0]]
        side[:, SIZE - ends[1] :] = 1 - side[:, SIZE - ends[1] :]
    else:
        ink = ink * (rng.random(ink.shape) > rng.uniform(0.05, 0.4))
    if rng.random() < 0.3:
        ink = ink * rng.uniform(0.3, 1) + rng.uniform(0, 0.4)
    return (np.clip(ink, 0, 1) * 255).astype(np.uint8)


def _across(rng: Generator, *, zigzag: bool) -> NDArray[np.float32]:
    """A dotted line or a zigzag across 28 x 28; half of them are short and cross only the middle."""
    short, upright = rng.random() < 0.5, rng.random() < 0.3
    angle = rng.uniform(-0.5, 0.5) * (0.3 if short else 1.0) + (np.pi / 2 if upright else 0)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    middle, reach = rng.uniform(5, SIZE - 5, 2), 24.0
    if short:
        middle, reach = rng.uniform(2, SIZE - 2, 2), rng.uniform(7, 12)
        middle[int(upright)] = rng.uniform(12, 16)
    places = np.arange(-reach, reach, rng.uniform(1.5, 3.5))
    swing = rng.uniform(0.8, 2.8) if zigzag else 0.0
    points = middle + places[:, None] * along + np.where(np.arange(len(places)) % 2, swing, -swing)[:, None] * across
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    fixed = np.rint(points * 16).astype(np.int32)
    if zigzag:
        cv2.polylines(canvas, [fixed], False, 255, 1, cv2.LINE_AA, 4)
    else:
        for x, y in fixed:
            cv2.circle(canvas, (int(x), int(y)), 8, 255, -1, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / np.float32(255)


def _height(rng: Generator) -> int:
    return int(np.exp(rng.uniform(np.log(16), np.log(80))))


def _rule(rng: Generator, sheet: Ink) -> None:
    """A thin straight line across the sheet, upright or level, mostly near an edge."""
    height, width = sheet.shape
    canvas = np.zeros(sheet.shape, np.uint8)
    part = rng.beta(0.5, 0.5)
    tilt = rng.normal(0, 0.05)
    if rng.random() < 0.5:
        ends = ((part * width, 0), ((part + tilt) * width, height))
    else:
        ends = ((0, part * height), (width, (part + tilt) * height))
    thick = max(1, int(rng.uniform(0.02, 0.06) * height))
    start, end = np.rint(np.array(ends) * 16).astype(int).tolist()
    cv2.line(canvas, start, end, 255, thick, cv2.LINE_AA, 4)
    np.maximum(sheet, canvas.astype(np.float32) / 255 * np.float32(rng.uniform(0.4, 1)), out=sheet)


def _photo(rng: Generator, ink: Ink, *, whole: bool, strong: bool) -> Crop | None:
    """Ink somewhere on paper: something else than a digit. `whole`: only if all of it is seen."""
    tall, wide = ink.shape
    margins = np.maximum(1, tall * np.exp(rng.uniform(np.log(0.06), np.log(1.2), 4))).astype(int).tolist()
    top, bottom, left, right = margins
    sheet = cv2.copyMakeBorder(ink, top, bottom, left, right, cv2.BORDER_CONSTANT)
    if strong:
        sheet = np.maximum(sheet, cv2.resize(rng.random((7, 7), np.float32) ** 2, sheet.shape[::-1]))
    box = (left, top, wide, tall) if whole else None
    return _seen(_finished(rng, sheet, tall), OTHER, box)


def _plain(rng: Generator, ink: Ink) -> NDArray[np.uint8]:
    """Ink that fills a small square, as data sets of glyphs have it."""
    tall, wide = ink.shape
    side = rng.integers(16, 29)
    size = (max(2, round(side * wide / max(tall, wide))), max(2, round(side * tall / max(tall, wide))))
    small = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
    pad_y, pad_x = max(0, SIZE - size[1]), max(0, SIZE - size[0])
    small = cv2.copyMakeBorder(small, pad_y // 2, pad_y - pad_y // 2, pad_x // 2, pad_x - pad_x // 2, 0)
    pixels = np.asarray(255 * small, np.float32).astype(np.uint8)
    return 255 - pixels if rng.random() < 0.5 else pixels


def _finished(rng: Generator, sheet: Ink, height: int) -> NDArray[np.uint8]:
    """A sheet of ink as a picture of it: paper, light, camera; dark on light or light on dark."""
    if rng.random() < 0.25:  # a drawing on a screen: nothing but ink
        gray = (255 * (1 - sheet)).astype(np.uint8)
        return 255 - gray if rng.random() < 0.5 else gray
    tall, wide = sheet.shape
    picture = paper.paper(rng, tall, wide, height)
    pixels = paper.photographed(rng, paper.inked(rng, picture, sheet), height)
    return 255 - pixels if rng.random() < 0.15 else pixels


def _seen(pixels: NDArray[np.uint8], label: int, box: tuple[int, int, int, int] | None = None) -> Crop | None:
    """What networks see of a picture; None when it is not what the label says."""
    normalized = normalize(pixels)
    if normalized.blank:
        return None
    if box is not None:
        x, y, wide, tall = normalized.box
        across = min(x + wide, box[0] + box[2]) - max(x, box[0])
        down = min(y + tall, box[1] + box[3]) - max(y, box[1])
        shared = max(0.0, float(across)) * max(0.0, float(down))
        if shared < _OVERLAP * (wide * tall + box[2] * box[3] - shared):
            return None
    return Crop(np.rint(normalized.seen * 255).astype(np.uint8), label)
