"""Digits of MNIST, and of typefaces, as ink of any size: stretched, slanted, thin or broad, in other countries' ways.

Ink is (h, w) float32 in [0, 1], 0.0 paper and 1.0 ink, cut out tightly around the digit.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from inkdigits.synthesis.strokes import Ink, Points, bar, bent, drawn_digit, own_digit, own_way, slanted, tight
from inkdigits.synthesis.typefaces import Face

_PENS = {"thin": (0.03, 0.06), "plain": (0.06, 0.13), "crisp": (0.06, 0.13), "broad": (0.12, 0.2)}
"""How wide strokes are that are drawn anew, as a part of a digit's height."""
_FACED = 0.3
"""So many hands are those of a typeface, where there are any."""
_OWN = {1: 0.35, 4: 0.15, 5: 0.15, 9: 0.15}
"""So many varied hands have a way of their own to write a digit."""


class Writer:
    """One hand with one pen: its digits look alike in slant, proportions and weight.

    Args:
        rng: draws the hand.
        images: (N, 28, 28) uint8 MNIST digits, 0 paper .. 255 ink.
        labels: (N,) digits.
        spread: how far hands differ, 1.0 as far as people's do in general, 2.0 with every oddity.
        ambiguous: some digits look like letters, as in numbers they may.
        seldom: more digits are drawn, also in ways that few people use.
        rare: some hands lean far to the right, and what is drawn may be in ways that hardly anyone uses.
        bars: so many hands write every one as a plain stroke, 0.0 to 1.0. For pages, where the digits beside it tell
            it from a line.
        leaning: so many hands lean far to the right, as fast writing does, 0.0 to 1.0; above 0.0, what is drawn leans
            as its hand does. For pages: crops show one digit, and are slanted on their own.
        loose: what is drawn is written fast.
        varied: more hands are drawn, and many have a way of their own to write a one, a four, a five or a nine.
        faces: typefaces that some hands write the digits of.
    """

    def __init__(
        self,
        rng: Generator,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        spread: float = 1.0,
        *,
        ambiguous: bool = False,
        seldom: bool = False,
        rare: bool = False,
        bars: float = 0.0,
        leaning: float = 0.0,
        loose: bool = False,
        varied: bool = False,
        faces: Sequence[Face] = (),
    ) -> None:
        self.images, self.labels = images, labels
        self.ways = {"ambiguous": ambiguous, "seldom": seldom, "rare": rare, "loose": loose, "varied": varied}
        self.slant = rng.normal(0, 0.18 * spread)
        if rare and rng.random() < 0.2:
            self.slant += rng.uniform(0.1, 0.5)
        self.turn = rng.normal(0, 0.06 * spread)
        self.aspect = np.exp(rng.normal(0, 0.16 * spread))
        # how many are not taken from MNIST
        self.drawn = rng.choice([0.06, 0.35, 1.0], p=[0.4, 0.35, 0.25] if seldom else [0.6, 0.25, 0.15])
        self.weight = rng.choice(["plain", "crisp", "thin", "broad"], p=[0.3, 0.35, 0.2, 0.15])
        self.level = rng.uniform(0.3, 0.6)
        self.thickness = rng.uniform(0, 1)
        low, high = _PENS[self.weight]
        self.pen = low + (high - low) * self.thickness
        self.plain = bars > 0 and rng.random() < bars
        self.drawn_leans = leaning > 0
        if self.drawn_leans and rng.random() < leaning:
            self.slant += rng.uniform(0.1, 0.7)
        self.faces = faces
        self.face = faces[int(rng.integers(len(faces)))] if faces and rng.random() < _FACED else None
        self.own: dict[int, Sequence[Points]] = {}
        if varied:
            if rng.random() < 0.5:
                self.drawn, self.face = 1.0, None
            self.own = {digit: own_way(rng, digit) for digit, share in _OWN.items() if rng.random() < share}

    def digit(self, rng: Generator, height: int, digit: int | None = None) -> tuple[Ink, int]:
        """A digit about `height` pixels high, and which one it is."""
        if digit is None:
            digit = int(rng.integers(10))
        if digit == 1 and self.plain:
            return bar(rng, height, self.pen), digit  # it leans on its own, or stands upright
        if digit in self.own:
            return self._leaned(own_digit(rng, self.own[digit], height, self.pen)), digit
        if self.face is not None and rng.random() < 0.9:
            return self.written(rng, self.face.digits[digit], digit, height, self.face.pen), digit
        if rng.random() < self.drawn:
            return self._leaned(drawn_digit(rng, digit, height, pen=self.pen, **self.ways)), digit
        while True:  # a random place finds a digit of the class in ten tries
            index = int(rng.integers(len(self.labels)))
            if self.labels[index] == digit:
                break
        return self.written(rng, self.images[index], digit, height), digit

    def _leaned(self, ink: Ink) -> Ink:
        """What was drawn, as this hand leans."""
        return slanted(ink, self.slant) if self.drawn_leans and abs(self.slant) > 0.05 else ink

    def written(
        self, rng: Generator, image: NDArray[np.uint8], digit: int, height: int, stroke: float | None = None
    ) -> Ink:
        """A digit of MNIST or of a typeface in this hand.

        Args:
            rng: draws what differs from digit to digit.
            image: (h, w) uint8, 0 paper .. 255 ink.
            digit: which it is.
            height: of the digit, about, in pixels.
            stroke: the width of its strokes as a part of its height; of MNIST's when left out.
        """
        rows, columns = np.flatnonzero(image.max(1) > 60), np.flatnonzero(image.max(0) > 60)
        tall, wide = rows[-1] - rows[0] + 1.0, columns[-1] - columns[0] + 1.0
        size = max(height, 22)  # what is smaller is made so at the end, as a camera does
        grow = size / max(tall, 0.6 * wide)
        stretch = self.aspect * np.exp(rng.normal(0, 0.05))
        slant, turn = self.slant + rng.normal(0, 0.05), self.turn + rng.normal(0, 0.04)
        matrix = grow * np.array([[stretch, -slant - turn], [turn, 1.0]])
        center = np.array([columns[0] + wide / 2 - 0.5, rows[0] + tall / 2 - 0.5])
        out_h = int(size * 1.35 + abs(turn) * wide * grow) + 6
        out_w = int(wide * grow * stretch + (abs(slant) + abs(turn)) * tall * grow + 0.3 * size) + 6
        shift = np.array([out_w / 2, out_h / 2]) - matrix @ center
        ink = cv2.warpAffine(image, np.column_stack([matrix, shift]), (out_w, out_h), flags=cv2.INTER_CUBIC)
        ink = ink.astype(np.float32) / 255
        pen = (2.6 if stroke is None else max(1.0, stroke * tall)) * grow  # about 2.6 pixels are MNIST's strokes
        ink = self._weighed(ink, pen)
        ink = _national(rng, ink, digit, pen * (0.35 if self.weight == "thin" else 0.9))
        if rng.random() < 0.3:
            ink = bent(rng, ink, rng.uniform(0.005, 0.035))
        ink = tight(ink)
        if height < size:
            small = (max(2, round(ink.shape[1] * height / size)), max(2, round(ink.shape[0] * height / size)))
            ink = cv2.resize(ink, small, interpolation=cv2.INTER_AREA)
        return np.asarray(ink, np.float32)

    def _weighed(self, ink: Ink, pen: float) -> Ink:
        """Strokes of this pen's weight; `pen` is their width as they are, in pixels."""
        if self.weight == "plain":
            return ink
        if self.weight == "crisp":
            edge = np.float32(max(1.0, pen / 3))
            return np.asarray(np.clip((ink - np.float32(self.level)) * edge * 2 + np.float32(0.5), 0, 1), np.float32)
        if self.weight == "thin":
            # Along the middle of a stroke blurred ink is greatest: what is close to the greatest nearby is the middle.
            blurred = cv2.GaussianBlur(ink, (0, 0), pen / 3)
            reach = 2 * int(pen / 2) + 1
            ridge = blurred / np.maximum(cv2.dilate(blurred, np.ones((reach, reach), np.uint8)), np.float32(0.2))
            sharp, level = np.float32(6 + 6 * self.thickness), np.float32(0.97 - 0.17 * self.thickness)
            return np.asarray(np.clip((ridge - level) * sharp + np.float32(0.6), 0, 1), np.float32)
        reach = 2 * int(1 + pen * 0.4 * self.thickness) + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        return np.asarray(cv2.dilate(cv2.copyMakeBorder(ink, reach, reach, reach, reach, 0), kernel), np.float32)


def _national(rng: Generator, ink: Ink, digit: int, pen: float) -> Ink:
    """Now and then: a flag or a foot for a one, a bar through a seven, a slash through a zero."""
    if digit not in (0, 1, 7) or rng.random() > (0.06 if digit == 0 else 0.3):
        return ink
    pad = int(0.35 * ink.shape[0]) + 3
    ink = cv2.copyMakeBorder(ink, 3, 3, pad, pad, cv2.BORDER_CONSTANT)
    rows, columns = np.nonzero(ink > 0.4)
    if not rows.size:
        return ink
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    tall = bottom - top + 1
    canvas = np.zeros(ink.shape, np.uint8)

    def draw(*points: tuple[float, float]) -> None:
        path = np.rint(np.array(points) * 16).astype(np.int32)
        cv2.polylines(canvas, [path], False, 255, max(1, round(pen)), cv2.LINE_AA, 4)

    if digit == 1:
        if right - left > 0.55 * tall:  # it has a flag or lies down
            return ink
        x = float(columns[rows <= top + 2].mean())
        angle, length = rng.uniform(0.5, 1.2), rng.uniform(0.2, 0.55) * tall
        draw((x, top + 1), (x - length * np.sin(angle), top + 1 + length * np.cos(angle)))
        if rng.random() < 0.35:
            x, half = float(columns[rows >= bottom - 2].mean()), rng.uniform(0.15, 0.3) * tall
            draw((x - half, bottom), (x + half, bottom + rng.normal(0, 0.02) * tall))
    elif digit == 7:
        y = top + rng.uniform(0.42, 0.62) * tall
        x = float(columns[np.abs(rows - y) <= 2].mean()) if (np.abs(rows - y) <= 2).any() else (left + right) / 2
        half, lean = rng.uniform(0.15, 0.35) * tall, rng.normal(-0.03, 0.06) * tall
        draw((x - half, y - lean), (x + half, y + lean))
    else:
        over = rng.uniform(-0.1, 0.15) * tall
        draw((right + over, top - over), (left - over, bottom + over))
    return np.maximum(ink, canvas.astype(np.float32) / 255)
