"""Fields with one number each, composed of real single digits: how well numbers are read in hands that nobody drew.

Paper, ink and camera are those of the synthetic pages; the digits are not. They are what `preprocess.normalize` makes
of the pictures, so their shape is real, their pen and sharpness are not. Sets of real fields are small, and networks
were chosen by them, so that a few hundred further ones tell networks apart with less luck.
"""

from __future__ import annotations

import functools
import zlib
from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from inkdigits.preprocess import normalize
from inkdigits.synthesis import paper, strokes
from inkdigits.synthesis.strokes import Ink
from labelled import PictureSet, Pixels, pixels_of

DIGITS = (3, 8)
"""So many digits are in a field, at least, and fewer than."""
HEIGHTS = (20.0, 44.0)
"""Of digits, in pixels, drawn evenly on a logarithmic scale."""
GAP = (0.02, 0.08)
"""Between digits, as a part of their height: mean and standard deviation. Some touch."""


def composed(digits: PictureSet, count: int, seed: int) -> PictureSet:
    """Fields made of a set of single digits.

    Args:
        digits: a set of the kind "digit".
        count: of fields.
        seed: of which digits stand side by side, and on what paper.
    """
    if digits.kind != "digit":
        raise ValueError(f"Expected a set of single digits. Received: {digits.name}, of the kind {digits.kind}.")

    @functools.cache
    def ink(index: int) -> Ink:
        return strokes.tight(normalize(pixels_of(digits.pictures[index])).seen)

    fields: list[Pixels] = []
    labels: list[str] = []
    for index in range(count):
        rng = np.random.default_rng([seed, zlib.crc32(digits.name.encode()), index])
        chosen = rng.integers(len(digits), size=rng.integers(*DIGITS))
        fields.append(_field(rng, [ink(int(i)) for i in chosen]))
        labels.append("".join(digits.labels[i] for i in chosen))
    names = tuple(str(index) for index in range(count))
    return replace(
        digits,
        name=f"composed of {digits.name}",
        kind="string",
        pictures=fields,
        labels=tuple(labels),
        names=names,
        groups=(),
        unsure=0,
        total=count,
    )


def _field(rng: Generator, inks: list[Ink]) -> NDArray[np.uint8]:
    """A picture (H, W, 3) of digits side by side, on a line with a slope."""
    unit = float(np.exp(rng.uniform(*np.log(HEIGHTS))))
    sized = [_resized(ink, unit * np.exp(rng.normal(0, 0.08))) for ink in inks]
    gaps = unit * rng.normal(*GAP, len(sized))
    width = sum(ink.shape[1] for ink in sized) + gaps.sum() + unit * rng.uniform(0.5, 2)
    height = round(unit * rng.uniform(1.4, 2))
    sheet = np.zeros((height, int(width)), np.float32)
    x, base, slope = unit * rng.uniform(0.1, 0.4), height / 2 + unit / 2, rng.normal(0, 0.03)
    for ink, gap in zip(sized, gaps, strict=True):
        y = base + unit * rng.normal(0, 0.04) + slope * (x - width / 2) - ink.shape[0]
        strokes.put(sheet, ink, y, x)
        x += ink.shape[1] + gap
    ground = paper.paper(rng, *sheet.shape, unit, security=0.5)
    return paper.photographed(rng, paper.inked(rng, ground, sheet), unit)


def _resized(ink: Ink, height: float) -> Ink:
    scale = height / max(ink.shape[0], 0.6 * ink.shape[1])
    size = max(2, round(ink.shape[1] * scale)), max(2, round(ink.shape[0] * scale))
    return np.clip(cv2.resize(ink, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA), 0, 1)
