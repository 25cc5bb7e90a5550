"""Pictures of one digit, of one number and of many, composed of real digits: how well hands are read that nobody drew.

Paper, ink and camera are those of the synthetic pages; the digits are not. They are what `preprocess.normalize` makes
of the pictures, so their shape is real, their pen and sharpness are not. Sets of real fields are small, and networks
were chosen by them, so that a few hundred further ones tell networks apart with less luck.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from inkdigits.datasets.typefaces import load_typefaces
from inkdigits.detection.training import held_back
from inkdigits.preprocess import normalize
from inkdigits.synthesis import paper, strokes
from inkdigits.synthesis.pages import texts
from inkdigits.synthesis.strokes import Ink
from inkdigits.synthesis.typefaces import Face, faces
from labelled import Kind, PictureSet, Pixels, pixels_of

DIGITS = (3, 8)
"""So many digits are in a field, at least, and fewer than."""
LINES, NUMBERS, LENGTHS = (3, 9), (1, 5), (1, 7)
"""So many lines are on a page, numbers on a line, and digits in a number."""
HEIGHTS = (20.0, 44.0)
"""Of digits, in pixels, drawn evenly on a logarithmic scale."""
GAP = (0.02, 0.08)
"""Between digits, as a part of their height: mean and standard deviation. Some touch."""
SIZES, ROOM = (24.0, 160.0), (1.3, 3.0)
"""Heights of digits that stand alone, in pixels, drawn likewise; the sides of their picture, as a part of that."""
SPACE = 0.4
"""Between a number and the words beside it, as a part of its height."""
BESIDE = (0.12, 0.08)
"""Between a digit and a sign, likewise: mean and standard deviation; what is less than none is taken as more."""
SIGN = 20.0
"""How high a digit would be in the pictures of signs, in pixels."""
Draw = Callable[[int], Ink]
"""The ink of a digit of the set."""


def alone(digits: PictureSet, count: int, seed: int) -> PictureSet:
    """Pictures of one digit, anywhere on its paper.

    Args:
        digits: a set of the kind "digit".
        count: of pictures.
        seed: of which digits, and on what paper.
    """

    def picture(rng: Generator, ink: Draw) -> tuple[Pixels, str]:
        chosen = int(rng.integers(len(digits)))
        unit = float(np.exp(rng.uniform(*np.log(SIZES))))
        one = _resized(ink(chosen), unit)
        height, width = (max(int(unit * rng.uniform(*ROOM)), side + 4) for side in one.shape)
        sheet = np.zeros((height, width), np.float32)
        top, left = rng.uniform(0.1, 0.9, 2) * (height - one.shape[0], width - one.shape[1])
        strokes.put(sheet, one, top, left)
        return _photographed(rng, sheet, unit, security=0.2), digits.labels[chosen]

    return _made(digits, "one of", "digit", count, seed, picture)


def composed(digits: PictureSet, count: int, seed: int) -> PictureSet:
    """Fields made of a set of single digits.

    Args:
        digits: a set of the kind "digit".
        count: of fields.
        seed: of which digits, and on what paper.
    """
    return _fields(digits, "composed of", count, seed)


def worded(digits: PictureSet, count: int, seed: int) -> PictureSet:
    """Fields with words, print or signs beside the number, which is the label, with the arguments of `composed`.

    Words are of typefaces that were held back, and drawn ones.

    Raises:
        DatasetError: the typefaces cannot be had; npm fetches them once.
    """
    return _fields(digits, "words beside", count, seed, held_back(faces(load_typefaces(progress=True))))


def signed(digits: Sequence[PictureSet], signs: PictureSet, count: int, seed: int) -> list[PictureSet]:
    """Fields with signs between numbers, dates where it is a slash: a set for each kind of sign.

    Args:
        digits: sets of the kind "digit".
        signs: a set whose labels are kinds of signs, all written in pictures of one size, light on dark.
        count: of fields with each sign, of each set of digits.
        seed: of which digits and signs, and on what paper.

    Raises:
        ValueError: there is no set of digits, one is of another kind or lacks a digit, or the signs are digits.
    """
    if signs.kind != "other":
        raise ValueError(f"Expected a set of signs before the sets of digits. Received: {signs.name}, {signs.kind}s.")
    if not digits:
        raise ValueError(f"Expected sets of single digits beside the signs of {signs.name}. Received: none.")
    for part in digits:
        if part.kind == "digit" and (missing := set("0123456789") - set(part.labels)):
            raise ValueError(f"Expected all ten digits in {part.name}. Received: none that is a {min(missing)}.")
    made = []
    for kind in sorted(set(signs.labels)):
        alike = [pixels_of(one) for one, label in zip(signs.pictures, signs.labels, strict=True) if label == kind]
        marks = [strokes.tight(pixels.astype(np.float32) / np.float32(255)) for pixels in alike]
        parts = [
            _made(
                part, f"{kind} between", "string", count, seed, functools.partial(_with_signs, part.labels, kind, marks)
            )
            for part in digits
        ]
        made.append(_joined(parts, f"{kind} between digits"))
    return made


def pages(digits: PictureSet, count: int, seed: int) -> PictureSet:
    """Pages made of a set of single digits, with the arguments of `composed`."""

    def page(rng: Generator, ink: Draw) -> tuple[Pixels, str]:
        drawn = [
            [rng.integers(len(digits), size=rng.integers(*LENGTHS)).tolist() for _ in range(rng.integers(*NUMBERS))]
            for _ in range(rng.integers(*LINES))
        ]
        label = "\n".join(" ".join("".join(digits.labels[i] for i in number) for number in line) for line in drawn)
        return _page(rng, [[[ink(i) for i in number] for number in line] for line in drawn]), label

    return _made(digits, "pages of", "page", count, seed, page)


def _fields(digits: PictureSet, name: str, count: int, seed: int, hands: Sequence[Face] | None = None) -> PictureSet:
    """Fields with one number; beside words, if hands are given."""

    def field(rng: Generator, ink: Draw) -> tuple[Pixels, str]:
        chosen = rng.integers(len(digits), size=rng.integers(*DIGITS)).tolist()
        return _field(rng, [ink(i) for i in chosen], hands), "".join(digits.labels[i] for i in chosen)

    return _made(digits, name, "string", count, seed, field)


def _joined(sets: Sequence[PictureSet], name: str) -> PictureSet:
    """Several sets of one kind as one."""
    return replace(
        sets[0],
        name=name,
        pictures=[pixels for part in sets for pixels in part.pictures],
        labels=tuple(label for part in sets for label in part.labels),
        names=tuple(f"{part.name} {each}" for part in sets for each in part.names),
        total=sum(part.total for part in sets),
    )


def _made(
    digits: PictureSet,
    name: str,
    kind: Kind,
    count: int,
    seed: int,
    make: Callable[[Generator, Draw], tuple[Pixels, str]],
) -> PictureSet:
    if digits.kind != "digit":
        raise ValueError(f"Expected a set of single digits. Received: {digits.name}, of the kind {digits.kind}.")

    @functools.cache
    def ink(index: int) -> Ink:
        return strokes.tight(normalize(pixels_of(digits.pictures[index])).seen)

    rngs = (np.random.default_rng([seed, zlib.crc32(digits.name.encode()), index]) for index in range(count))
    made = [make(rng, ink) for rng in rngs]
    return replace(
        digits,
        name=f"{name} {digits.name}",
        kind=kind,
        pictures=[pixels for pixels, _ in made],
        labels=tuple(label for _, label in made),
        names=tuple(str(index) for index in range(count)),
        groups=(),
        unsure=0,
        total=count,
    )


def _field(rng: Generator, inks: list[Ink], hands: Sequence[Face] | None = None) -> Pixels:
    """A picture (H, W, 3) of digits side by side, on a line with a slope; beside words, if hands are given."""
    unit = float(np.exp(rng.uniform(*np.log(HEIGHTS))))
    sized = [_resized(ink, unit * np.exp(rng.normal(0, 0.08))) for ink in inks]
    gaps = unit * rng.normal(*GAP, len(sized))
    width = sum(ink.shape[1] for ink in sized) + gaps.sum() + unit * rng.uniform(0.5, 2)
    height = round(unit * rng.uniform(1.4, 2))
    x, base, slope = unit * rng.uniform(0.1, 0.4), height / 2 + unit / 2, rng.normal(0, 0.03)
    before, after = texts(rng, hands, unit) if hands is not None else ([], [])
    width += sum(word.shape[1] + SPACE * unit for word in before + after)
    sheet, base = np.zeros((height, int(width)), np.float32), base - slope * width / 2

    def said(words: list[Ink], x: float) -> float:
        for word in words:
            strokes.put(sheet, word, base + slope * x - 0.8 * word.shape[0], x)
            x += word.shape[1] + SPACE * unit
        return x

    x = _write(rng, sheet, sized, gaps, said(before, x), base, slope, unit)
    said(after, x + SPACE * unit)
    return _photographed(rng, sheet, unit, security=0.5)


def _pair(rng: Generator) -> list[str]:
    """Two numbers."""
    return ["".join(map(str, rng.integers(10, size=size))) for size in rng.integers(1, 4, 2)]


def _date(rng: Generator) -> list[str]:
    """Day, month and year, in one of the orders and lengths that people write."""
    year, long = int(rng.integers(1950, 2030)), rng.random() < 0.5
    parts = [int(rng.integers(1, 32)), int(rng.integers(1, 13))]
    parts = parts[::-1] if rng.random() < 0.3 else parts
    width = 2 if rng.random() < 0.7 else 1
    return [*(f"{part:0{width}}" for part in parts), str(year) if long else f"{year % 100:02}"]


def _with_signs(
    labels: Sequence[str], kind: str, marks: Sequence[Ink], rng: Generator, ink: Draw
) -> tuple[Pixels, str]:
    """Numbers with signs of a kind between them, and which; `labels` are those of the set that `ink` draws from."""
    numbers = _date(rng) if "slash" in kind else _pair(rng)
    written = np.array(labels)
    inks = [[ink(int(rng.choice(np.flatnonzero(written == digit)))) for digit in number] for number in numbers]
    between = [marks[rng.integers(len(marks))] for _ in numbers[1:]]
    return _signed(rng, inks, between, on_line="dot" in kind), " ".join(numbers)


def _signed(rng: Generator, numbers: list[list[Ink]], signs: list[Ink], *, on_line: bool) -> Pixels:
    """A picture (H, W, 3) of numbers with a sign between each two; it stands on their line or at half their height."""
    unit = float(np.exp(rng.uniform(*np.log(HEIGHTS))))
    sized: list[Ink] = []
    gaps: list[float] = []
    raised: list[float] = []
    for number, sign in zip(numbers, [*signs, None], strict=True):
        for index, ink in enumerate(number):
            gaps += [unit * rng.normal(*GAP)] if index else []
            sized.append(_resized(ink, unit * np.exp(rng.normal(0, 0.08))))
            raised.append(0.0)
        if sign is not None:
            gaps += abs(unit * rng.normal(*BESIDE, 2)).tolist()
            scale = unit / SIGN * np.exp(rng.normal(0, 0.1))
            sized.append(_resized(sign, max(sign.shape[0], 0.6 * sign.shape[1]) * scale))
            raised.append(0.0 if on_line else (unit - sized[-1].shape[0]) / 2)
    width = sum(ink.shape[1] for ink in sized) + sum(gaps) + unit * rng.uniform(0.5, 2)
    height, slope, x = round(unit * rng.uniform(1.5, 2)), rng.normal(0, 0.03), unit * rng.uniform(0.1, 0.4)
    sheet, base = np.zeros((height, int(width)), np.float32), height / 2 + unit / 2 - slope * width / 2
    _write(rng, sheet, sized, [*gaps, 0.0], x, base, slope, unit, raised)
    return _photographed(rng, sheet, unit, security=0.5)


def _page(rng: Generator, lines: list[list[list[Ink]]]) -> Pixels:
    """A picture (H, W, 3) of lines of numbers, which all slope alike."""
    unit = float(np.exp(rng.uniform(*np.log(HEIGHTS))))
    slope, leading = rng.normal(0, 0.05), unit * rng.uniform(1.4, 2.2)
    gap = rng.choice([GAP[0], 0.12, 0.25])
    placed, widest = [], 0.0
    for row, line in enumerate(lines):
        x = unit * rng.uniform(0.3, 1.5)
        for number in line:
            sized = [_resized(ink, unit * np.exp(rng.normal(0, 0.08))) for ink in number]
            gaps = unit * rng.normal(gap, GAP[1], len(sized))
            placed.append((row, sized, gaps, x))
            x += sum(ink.shape[1] for ink in sized) + gaps.sum()
            widest = max(widest, x)
            x += unit * rng.uniform(1.2, 2.5)
    width = widest + unit * rng.uniform(0.3, 1.5)
    height = unit * 2 + leading * (len(lines) - 1) + abs(slope) * width
    sheet = np.zeros((int(height), int(width)), np.float32)
    for row, sized, gaps, x in placed:
        base = 1.5 * unit + row * leading + max(0.0, -slope) * width
        _write(rng, sheet, sized, gaps, x, base, slope, unit)
    return _photographed(rng, sheet, unit, security=0.22)


def _write(
    rng: Generator,
    sheet: NDArray[np.float32],
    inks: list[Ink],
    gaps: NDArray[np.float64] | Sequence[float],
    x: float,
    base: float,
    slope: float,
    unit: float,
    raised: Sequence[float] | None = None,
) -> float:
    """Digits side by side on a line that is at `base` at the left edge of the sheet; returns where they end.

    What is `raised`, in pixels, stands so much above the line.
    """
    for ink, gap, up in zip(inks, gaps, raised or [0.0] * len(inks), strict=True):
        strokes.put(sheet, ink, base + unit * rng.normal(0, 0.04) + slope * x - ink.shape[0] - up, x)
        x += ink.shape[1] + gap
    return x


def _photographed(rng: Generator, sheet: NDArray[np.float32], unit: float, security: float) -> Pixels:
    height, width = sheet.shape
    ground = paper.paper(rng, height, width, unit, security=security)
    return paper.photographed(rng, paper.inked(rng, ground, sheet), unit)


def _resized(ink: Ink, height: float) -> Ink:
    scale = height / max(ink.shape[0], 0.6 * ink.shape[1])
    size = max(2, round(ink.shape[1] * scale)), max(2, round(ink.shape[0] * scale))
    return np.clip(cv2.resize(ink, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA), 0, 1)
