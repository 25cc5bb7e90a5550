"""Synthetic pages: numbers written on paper among lines, dots, letters and stains, with the place of every digit.

Made without end from the training digits of MNIST, so that a network can learn to find digits without a single
picture from the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from inkdigits.synthesis import paper, signs, strokes, typefaces
from inkdigits.synthesis.glyphs import Writer
from inkdigits.synthesis.strokes import Ink
from inkdigits.synthesis.typefaces import Face

HEIGHTS = (11.0, 48.0)
"""The digits of a page are this high in pixels, drawn evenly on a logarithmic scale."""
FIELDS = 0.35
"""So many of the pages are fields of a form: one number that nearly fills a small picture, and nothing around it."""
BARS = 0.35
"""So many hands write ones as plain strokes, ..."""
LEANING = 0.25
"""... so many lean far to the right, ..."""
RARE = 0.5
"""... so many write in ways that hardly anyone uses, ..."""
LOOSE = 0.5
"""... and so many write fast."""
WORDY = 0.5
"""On so many pages words stand among the numbers ..."""
LIKE = 0.35
"""... and so many of their letters look like digits."""
BOXED = 0.08
"""On so many pages numbers stand in the boxes of a form, ..."""
FAR = 0.1
"""... on so many digits stand far apart, ..."""
STAMPED = 0.06
"""... and into so many a camera has printed date and time."""
SCANNED = 0.6
"""So many varied fields are scanned rather than photographed."""
THOUSANDS = 0.5
"""In so many of them the points of a number, if it has any, stand between thousands."""
AMOUNTS = 0.7
"""So many of their numbers of two digits and more, but for those in boxes, begin as amounts do: not with a zero, and
with low digits most often (Benford, 1938), ..."""
ROUND = 0.3
"""... and so many of these end with zeros."""
ONES = 0.12
"""So many of their digits are made ones."""
TALL = 0.25
"""In so many of them ones are higher than the other digits."""
SIGNS = ("+", "=", "x", ":", "%")
"""Signs of typefaces that stand beside numbers, where words may; what is written among digits is in `signs`."""
AGAIN = 0.3
"""So many fields with words after the number have another one after these."""
VISIBLE = 0.72
"""A digit that is cut off counts when more than this part of its ink is on the page."""
UNCLEAR = (0.3, 0.85)
"""Of a digit of which a part between these is on the page it is hard to say whether it counts."""


@dataclass(frozen=True)
class Page:
    """A picture and the digits on it."""

    pixels: NDArray[np.uint8]
    """(h, w, 3) RGB; ink is darker than paper."""
    boxes: NDArray[np.float32]
    """(n, 4): x, y, width, height of each digit's ink, in pixels."""
    digits: NDArray[np.uint8]
    """(n,) 0..9."""


class _Sheet:
    """Ink in the making: what is put on it is cut at the border; it is clear while no digit is `UNCLEAR`."""

    def __init__(self, height: int, width: int) -> None:
        self.ink = np.zeros((height, width), np.float32)
        self.boxes: list[tuple[float, float, float, float]] = []
        self.digits: list[int] = []
        self.is_clear = True

    def put(self, ink: Ink, x: float, y: float, digit: int | None = None) -> None:
        """Ink with its top left corner at (x, y); remembered when it is a digit and enough of it is on the sheet."""
        place = strokes.put(self.ink, ink, y, x)
        if digit is None or place is None:
            return
        rows, columns = place
        top, left = rows.start - round(y), columns.start - round(x)
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        visible = ink[top : top + tall, left : left + wide]
        there, whole = visible.sum(), ink.sum()
        self.is_clear = self.is_clear and not UNCLEAR[0] * whole < there < UNCLEAR[1] * whole
        if there > VISIBLE * whole:
            down, across = strokes.extent(visible)
            corner = columns.start + across.start, rows.start + down.start
            self.boxes.append((*corner, across.stop - across.start, down.stop - down.start))
            self.digits.append(digit)

    def cover(self, light: NDArray[np.float32]) -> None:
        """Forget the digits on which light (h, w) lies, above 0.0."""
        spots = [
            (slice(int(y), int(y + tall) + 1), slice(int(x), int(x + wide) + 1)) for x, y, wide, tall in self.boxes
        ]
        free = [index for index, spot in enumerate(spots) if not light[spot].any()]
        self.boxes, self.digits = [self.boxes[i] for i in free], [self.digits[i] for i in free]

    def page(self, pixels: NDArray[np.uint8]) -> Page:
        """The page of a picture of the sheet."""
        return Page(pixels, np.array(self.boxes, np.float32).reshape(-1, 4), np.array(self.digits, np.uint8))


@dataclass(frozen=True)
class _Plan:
    """Which digits a number has."""

    count: int
    """So many."""
    repeated: int | None
    """Which one most of them are, if they are."""
    varied: bool
    """Whether more of them are ones."""
    amount: bool = False
    """Whether it begins as amounts do."""
    zeros: int = 0
    """So many are at its end."""

    def digit(self, rng: Generator, left: int) -> int:
        """The one after which so many are left."""
        digit = self.repeated if self.repeated is not None and rng.random() < 0.7 else int(rng.integers(10))
        if self.varied and rng.random() < ONES:
            digit = 1
        if self.amount and left == self.count - 1:
            return int(rng.choice(9, p=np.log10(1 + 1 / np.arange(1, 10)))) + 1
        return 0 if left < self.zeros else digit


def page(
    rng: Generator,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    height: int = 160,
    width: int = 320,
    *,
    faces: Sequence[Face] = (),
) -> Page:
    """A synthetic page.

    Args:
        rng: draws everything.
        images: (N, 28, 28) uint8 digits of MNIST, 0 paper .. 255 ink.
        labels: (N,) which digits they are.
        height: of the page, in pixels.
        width: of the page, in pixels.
        faces: typefaces whose digits and words are written, too.
    """
    if rng.random() < FIELDS:
        return _placed(rng, field(rng, images, labels, height, width, faces=faces), height, width)
    unit = float(np.exp(rng.uniform(*np.log(HEIGHTS))))
    if rng.random() < 0.06:  # too large for this scale: nothing here is to be found
        unit = float(rng.uniform(80, 200))
    sheet = _Sheet(height, width)
    picture = paper.paper(rng, height, width, min(unit, 48))
    if rng.random() < 0.3:
        picture = _cluttered(rng, picture, faces, unit)
    boxed = rng.random() < BOXED
    _write(rng, sheet, _writer(rng, images, labels, faces), unit, boxed=boxed)
    pixels = paper.photographed(rng, paper.inked(rng, picture, sheet.ink), unit)
    if rng.random() < STAMPED:
        pixels, light = paper.stamped(rng, pixels)
        sheet.cover(light)
    return sheet.page(pixels)


def field(
    rng: Generator,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    height: int = 160,
    width: int = 320,
    *,
    apart: float = 0.0,
    varied: bool = False,
    words: float = 0.0,
    signed: float = 0.0,
    faces: Sequence[Face] = (),
) -> Page:
    """A field cut out of a form: one number that nearly fills a picture of at most `height` x `width` pixels.

    Arguments are those of `page`, and

    Args:
        apart: in so many fields the digits stand far apart, 0.0 to 1.0.
        varied: larger digits, more kinds of hands and numbers, more of them sharp, and none with a digit that is cut so
            that it is hard to say whether it counts: those are made anew.
        words: on so many fields words, print or signs stand before the number, after it, or both, 0.0 to 1.0.
        signed: so many varied fields, but for boxed ones, show a date, a sum or another number with signs between its
            digits or beside them, 0.0 to 1.0.
    """
    worded = words > 0 and bool(rng.random() < words)
    while True:
        sheet, pixels = _field(rng, images, labels, height, width, apart, varied, worded, signed, faces)
        if sheet.is_clear or not varied:
            return sheet.page(pixels)


def _field(
    rng: Generator,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    height: int,
    width: int,
    apart: float,
    varied: bool,
    worded: bool,
    signed: float,
    faces: Sequence[Face],
) -> tuple[_Sheet, NDArray[np.uint8]]:
    """A field and the picture of it; some digits may be cut so that it is hard to say whether they count."""
    far = apart > 0 and rng.random() < apart
    unit = float(np.exp(rng.uniform(*np.log((28, 64) if varied else (16, 44)))))
    tall = min(height, int(unit * rng.uniform(1.05, 1.9)))
    with_signs = varied and signed > 0 and bool(rng.random() < signed)
    wide = min(width, int(unit * (rng.uniform(3.5, 9) if with_signs else rng.uniform(1.5, 16 if far else 8))))
    before, after = texts(rng, faces, unit) if worded else ([], [])
    wide = min(width, int(wide + sum(ink.shape[1] + 0.3 * unit for ink in before + after)))
    sheet = _Sheet(tall, wide)
    picture = paper.paper(rng, tall, wide, unit, security=0.5)
    writer = _writer(rng, images, labels, faces, varied)
    gap = rng.uniform(0.3, 2) if far else rng.choice([rng.normal(-0.02, 0.05), rng.uniform(0, 0.3)])
    y, slope = (tall - unit) * rng.uniform(0.2, 0.8), rng.normal(0, 0.04)
    x = unit * rng.uniform(-0.05, 0.6)
    x = _worded(rng, sheet, before, x, y, slope, unit)
    if rng.random() < BOXED:
        x = _boxed(rng, sheet, writer, x, y, slope, unit)
    else:
        x = _number(rng, sheet, writer, x, y, slope, unit, gap, text=False, varied=varied, signed=with_signs)
    x = _worded(rng, sheet, after, x + 0.25 * unit, y, slope, unit)
    if after and rng.random() < AGAIN:
        _number(rng, sheet, writer, x, y, slope, unit, gap, text=False, varied=varied)
    if rng.random() < 0.3:  # the line above or below shows
        side = y - unit * rng.uniform(1.0, 1.4) if rng.random() < 0.5 else y + unit * rng.uniform(1.0, 1.4)
        _number(rng, sheet, writer, rng.uniform(0, wide), side, slope, unit, gap, text=rng.random() < 0.5)
    picture = paper.inked(rng, picture, sheet.ink)
    scanned = varied and rng.random() < SCANNED
    return sheet, paper.scanned(rng, picture) if scanned else paper.photographed(rng, picture, unit)


def _writer(
    rng: Generator,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    faces: Sequence[Face],
    varied: bool = False,
) -> Writer:
    spread = rng.choice([0.7, 1.0, 1.6])
    rare, loose = bool(rng.random() < RARE), bool(rng.random() < LOOSE)
    return Writer(
        rng,
        images,
        labels,
        spread,
        ambiguous=True,
        seldom=True,
        rare=rare,
        bars=BARS,
        leaning=LEANING,
        loose=loose,
        varied=varied,
        faces=faces,
    )


def _placed(rng: Generator, part: Page, height: int, width: int) -> Page:
    """A page that is paper of one gray level but for a part of it."""
    pixels = part.pixels
    tall, wide = pixels.shape[:2]
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    around = np.empty((height, width, 3), np.uint8)
    around[:] = [
        pixels[..., channel][pixels[..., channel] >= pixels[..., channel].mean()].mean() for channel in range(3)
    ]
    around[top : top + tall, left : left + wide] = pixels
    return Page(around, part.boxes + np.array([left, top, 0, 0], np.float32), part.digits)


def _write(rng: Generator, sheet: _Sheet, writer: Writer, unit: float, boxed: bool) -> None:
    """Lines of numbers in one hand, perhaps in boxes or with words among them."""
    height, width = sheet.ink.shape
    slope = rng.normal(0, 0.05) if rng.random() < 0.7 else rng.uniform(-0.27, 0.27)
    leading = unit * rng.uniform(1.15, 2.4)
    gap = rng.choice([rng.normal(-0.02, 0.05), rng.uniform(0, 0.25), rng.uniform(0.2, 0.9)], p=[0.3, 0.45, 0.25])
    words = rng.uniform(0.7, 3)
    wordy = rng.random() < WORDY
    share = rng.choice([0.3, 0.8], p=[0.75, 0.25])
    gap = rng.uniform(0.6, 3) if rng.random() < FAR else gap
    y = rng.uniform(-0.6, 1.0) * unit - max(0.0, slope) * width
    last = height - min(0.0, slope) * width
    lines = 0
    while y < last and lines < 12:
        x = rng.uniform(-0.3, 2.0) * unit if rng.random() < 0.7 else rng.uniform(0, width)
        while x < width:
            text = wordy and rng.random() < share
            if boxed and not text:
                x = _boxed(rng, sheet, writer, x, y, slope, unit)
            else:
                x = _number(rng, sheet, writer, x, y, slope, unit, gap, text=text)
            x += unit * words * rng.uniform(0.6, 1.5)
            if rng.random() < 0.15:
                break
        y += leading * rng.uniform(0.9, 1.15)
        lines += 1
        if rng.random() < 0.12:
            break


def _number(
    rng: Generator,
    sheet: _Sheet,
    writer: Writer,
    x: float,
    y: float,
    slope: float,
    unit: float,
    gap: float,
    *,
    text: bool,
    varied: bool = False,
    signed: bool = False,
) -> float:
    """Digits side by side, with what people write between them; returns where the next number may begin."""
    if rng.random() < 0.08:
        ink = _sign(rng, unit)
        sheet.put(ink, x, y + slope * x + unit * rng.uniform(-0.1, 0.1))
        x += ink.shape[1] + unit * max(0.05, gap)
    if text and rng.random() < 0.75:
        ink = _word(rng, writer.faces, max(4, int(unit * rng.uniform(0.35, 0.8))))
        sheet.put(ink, x, y + slope * x + unit - 0.8 * ink.shape[0])
        x += ink.shape[1]
        return x
    repeated = int(rng.choice([0, 1, int(rng.integers(10))])) if rng.random() < 0.2 else None  # 1000, 11, 77
    uneven = rng.choice([0.08, 0.2], p=[0.7, 0.3])
    zeros = rng.uniform(0.45, 0.8) if rng.random() < 0.2 else 1.0  # some write them small
    lifted = rng.uniform(0, 0.5)
    kerned = rng.random() < 0.7
    edge = np.full(sheet.ink.shape[0], -np.inf)
    count = int(rng.integers(1, 8))
    thousands = varied and rng.random() < THOUSANDS
    amount = varied and count > 1 and bool(rng.random() < AMOUNTS)
    plan = _Plan(count, repeated, varied, amount, int(rng.integers(1, count)) if amount and rng.random() < ROUND else 0)
    marks = signs.signs(rng) if signed else signs.Signs(count, {})
    if signed:
        plan, thousands = _Plan(marks.digits, repeated, varied), False
    taller = rng.uniform(1.05, 1.35) if varied and rng.random() < TALL else 1.0

    def put_sign(text: str, x: float) -> float:
        ink = signs.sign(rng, text, unit, max(1.0, writer.pen * unit * rng.uniform(0.8, 1.2)))
        top = y + slope * x + (unit - ink.shape[0]) / 2 + unit * rng.normal(0, 0.06)
        x += unit * marks.space
        sheet.put(ink, x, top)
        _reached(edge, ink, round(top), x)
        return float(x + ink.shape[1] + unit * marks.space)

    x = put_sign(marks.before, x) if marks.before else x
    for left in reversed(range(plan.count)):
        if x > sheet.ink.shape[1]:
            break
        tall = max(5, round(unit * np.exp(np.clip(rng.normal(0, uneven), -0.6, 0.3))))
        base = y + slope * x + unit * rng.normal(0, 0.05)
        if text:
            digit = None
            alike = plan.count > 2 and gap < 0.6 and rng.random() < LIKE
            ink = typefaces.letter(rng, tall, typefaces.ALIKE) if alike else typefaces.letter(rng, tall)
        else:
            digit = plan.digit(rng, left)
            small = zeros if digit == 0 else taller if digit == 1 else 1.0
            ink, _ = writer.digit(rng, max(5, round(tall * small)), digit)
            base -= (lifted if digit == 0 else 0.5) * (1 - small) * unit
        top = base + unit - ink.shape[0]
        space = unit * (gap + rng.normal(0, 0.04))
        if kerned and np.isfinite(edge).any():
            x = max(x - 0.45 * ink.shape[1], min(x, _beside(edge, ink, round(top), round(0.08 * unit))))
        sheet.put(ink, x + space, top, digit)
        _reached(edge, ink, round(top), x + space)
        x += ink.shape[1] + space
        if left in marks.between:
            x = put_sign(marks.between[left], x)
        between = left > 0 and left % 3 == 0
        if between if thousands else rng.random() < 0.07:  # a point or comma between thousands
            ink = strokes.dot(rng, unit * rng.uniform(0.06, 0.16))
            top = base + unit * rng.uniform(0.85, 1.0) - min(ink.shape[0], 0.15 * unit)
            sheet.put(ink, x - 0.1 * unit, top)
            _reached(edge, ink, round(top), x - 0.1 * unit)
            x += ink.shape[1] + unit * max(0.0, gap)
    return put_sign(marks.after, x) if marks.after else _closed(rng, sheet, x, y, slope, unit)


def _closed(rng: Generator, sheet: _Sheet, x: float, y: float, slope: float, unit: float) -> float:
    """What comes after a number, often a dash, two, or more, so that nobody adds a digit; returns where that ends."""
    closed = rng.random() < 0.35
    for _ in range(rng.integers(1, 4)):
        if rng.random() < (0.75 if closed else 0.15):
            ink = strokes.line(rng, int(unit * rng.uniform(0.25, 0.9)) + 2) if closed else _sign(rng, unit)
            sheet.put(ink, x, y + slope * x + unit * rng.uniform(0.1, 0.8))
            x += ink.shape[1] + unit * rng.uniform(0, 0.3)
    return x


def _boxed(rng: Generator, sheet: _Sheet, writer: Writer, x: float, y: float, slope: float, unit: float) -> float:
    """A digit in each box of a form, some boxes left empty; returns where the next number may begin."""
    count = int(rng.integers(2, 8))
    wide, tall = unit * rng.uniform(0.75, 1.4), unit * rng.uniform(1.15, 1.8)
    top, size = rng.uniform(0.3, 0.7) * (unit - tall), count * wide
    sides = [(i * wide, top, i * wide, top + tall) for i in range(count + 1)]
    if rng.random() < 0.3:  # boxes with a space between them
        sides += [(i * wide - 0.12 * unit, top, i * wide - 0.12 * unit, top + tall) for i in range(1, count)]
    sides += [(0.0, top + tall, size, top + tall)]
    if rng.random() < 0.7:
        sides += [(0.0, top, size, top)]
    ends = np.array(sides).reshape(-1, 2)
    ends[:, 1] += slope * ends[:, 0]
    low = ends.min(0) - 3
    canvas = np.zeros(np.ceil(ends.max(0) - low + 3).astype(int)[::-1], np.uint8)
    thick = 1 + int(rng.random() < 0.3) + int(rng.random() < 0.15)
    for start, end in np.rint((ends - low).reshape(-1, 2, 2) * 16).astype(int).tolist():
        cv2.line(canvas, start, end, 255, thick, cv2.LINE_AA, 4)
    lines = canvas.astype(np.float32) / np.float32(255) * np.float32(rng.uniform(0.3, 1))
    sheet.put(lines, x + low[0], y + slope * x + low[1])
    for i in range(count):
        if rng.random() < 0.15:
            continue
        ink, digit = writer.digit(rng, max(5, round(unit * rng.uniform(0.8, 1.05))))
        middle = x + (i + 0.5) * wide + unit * rng.normal(0, 0.06)
        down = y + slope * middle + unit * (0.5 + rng.normal(0, 0.05))
        sheet.put(ink, middle - ink.shape[1] / 2, down - ink.shape[0] / 2, digit)
    return x + size


def _beside(edge: NDArray[np.float64], ink: Ink, top: int, reach: int) -> float:
    """Where ink whose first row is `top` touches what reaches to `edge`, up to `reach` rows above and below."""
    first = np.where((ink > 0.3).any(1), (ink > 0.3).argmax(1), np.inf)
    rows = _rows(edge, ink, top)
    near = cv2.dilate(np.maximum(edge, -1e6)[:, None], np.ones((2 * reach + 1, 1), np.uint8))[:, 0]
    return float((near[rows] - first[rows.start - top : rows.stop - top]).max(initial=-np.inf))


def _reached(edge: NDArray[np.float64], ink: Ink, top: int, x: float) -> None:
    """Note how far to the right ink reaches in each row when it stands at (x, top)."""
    mask = ink[:, ::-1] > 0.3
    last = np.where(mask.any(1), x + ink.shape[1] - mask.argmax(1), -np.inf)
    rows = _rows(edge, ink, top)
    np.maximum(edge[rows], last[rows.start - top : rows.stop - top], out=edge[rows])


def _rows(edge: NDArray[np.float64], ink: Ink, top: int) -> slice:
    """The rows of a sheet that ink lies on whose first row is `top`."""
    start = min(len(edge), max(0, top))
    return slice(start, max(start, min(len(edge), top + ink.shape[0])))


def texts(rng: Generator, faces: Sequence[Face], unit: float) -> tuple[list[Ink], list[Ink]]:
    """What stands before and after a number that is `unit` pixels high: words, print and signs, on one side at least.

    Args:
        rng: draws everything.
        faces: typefaces whose words are written, too.
        unit: height of the digits, in pixels.
    """
    sides = rng.choice(["before", "after", "both"], p=[0.5, 0.2, 0.3])

    def some() -> list[Ink]:
        return [_text(rng, faces, unit) for _ in range(rng.integers(1, 3))]

    return some() if sides != "after" else [], some() if sides != "before" else []


def _text(rng: Generator, faces: Sequence[Face], unit: float) -> Ink:
    """A word, print, a letter or a sign beside digits that are `unit` pixels high."""
    kind = rng.choice(["word", "printed", "letter", "sign"], p=[0.55, 0.2, 0.12, 0.13])
    if kind == "word":
        return _word(rng, faces, max(4, int(unit * rng.uniform(0.35, 0.8))))
    if kind == "printed":
        signs = list(typefaces.LETTERS[:35] + typefaces.LETTERS[20:35] * 2 + ":./")
        return typefaces.printed(rng, "".join(rng.choice(signs, rng.integers(2, 9))), int(unit * rng.uniform(0.3, 0.8)))
    tall = int(unit * rng.uniform(0.4, 1.1))
    return typefaces.letter(rng, tall, SIGNS) if kind == "sign" else typefaces.letter(rng, tall)


def _worded(
    rng: Generator, sheet: _Sheet, words: Sequence[Ink], x: float, y: float, slope: float, unit: float
) -> float:
    """Put words side by side on the line of a number; returns where what follows may begin."""
    for ink in words:
        sheet.put(ink, x, y + slope * x + unit * rng.uniform(0.85, 1.1) - 0.8 * ink.shape[0])
        x += ink.shape[1] + unit * rng.uniform(0.05, 0.7)
    return x


def _word(rng: Generator, faces: Sequence[Face], height: int) -> Ink:
    """A word whose small letters are about `height` pixels high: of a typeface, where there are any."""
    if faces and rng.random() < 0.7:
        return typefaces.word(rng, faces[int(rng.integers(len(faces)))], max(8.0, 1.7 * height))
    return strokes.word(rng, height)


def _sign(rng: Generator, unit: float) -> Ink:
    """A dash, point, sign or letter as it stands before, between and after numbers."""
    kind = rng.choice(["line", "dot", "letter", "scribble"], p=[0.5, 0.25, 0.2, 0.05])
    if kind == "line":
        return strokes.line(rng, int(unit * rng.uniform(0.3, 1.2)) + 2)
    if kind == "dot":
        return strokes.dot(rng, unit * rng.uniform(0.05, 0.18))
    return (typefaces.letter if kind == "letter" else strokes.scribble)(rng, int(unit * rng.uniform(0.6, 1.1)) + 3)


def _cluttered(rng: Generator, picture: paper.Picture, faces: Sequence[Face], unit: float) -> paper.Picture:
    """What lies about: printed words, scribbles, long strokes, dark things at the edge of the table."""
    height, width = picture.shape[:2]
    ink = np.zeros((height, width), np.float32)
    sheet = _Sheet(height, width)
    for _ in range(rng.integers(1, 4)):
        x, y = rng.uniform(-0.1, 0.9) * width, rng.uniform(-0.1, 0.95) * height
        kinds = ["printed", "scribble", "stroke", "thing", "letters", "word"]
        kind = rng.choice(kinds, p=[0.28, 0.14, 0.22, 0.12, 0.1, 0.14])
        if kind == "printed":
            signs = np.array(list(typefaces.LETTERS[:35] + typefaces.LETTERS[20:35] * 2 + " " * 12 + "0123456789:-./"))
            words = "".join(rng.choice(signs, rng.integers(4, 24)))
            sheet.put(typefaces.printed(rng, words, int(rng.uniform(8, 22))), x, y)
        elif kind == "scribble":
            sheet.put(strokes.scribble(rng, int(rng.uniform(0.5, 2.5) * min(unit, 48)) + 4), x, y)
        elif kind == "word":
            sheet.put(_word(rng, faces, int(rng.uniform(0.3, 0.9) * min(unit, 48)) + 4), x, y)
        elif kind == "letters":
            for _ in range(rng.integers(1, 8)):
                glyph = typefaces.letter(rng, int(rng.uniform(0.6, 1.2) * min(unit, 48)) + 4)
                sheet.put(glyph, x, y)
                x += glyph.shape[1] * rng.uniform(0.8, 1.3)
        elif kind == "stroke":
            ends = rng.uniform(-0.2, 1.2, (2, 2)) * (width, height)
            canvas = np.zeros((height, width), np.uint8)
            thick = int(rng.integers(1, max(2, int(min(unit, 48) / 5)) + 1))
            start, end = np.rint(ends * 16).astype(int).tolist()
            cv2.line(canvas, start, end, 255, thick, cv2.LINE_AA, 4)
            np.maximum(ink, canvas.astype(np.float32) / 255, out=ink)
        else:
            corner = rng.uniform(-0.3, 1.3, 2) * (width, height)
            points = corner + rng.normal(0, 0.3, (5, 2)) * (width, height)
            canvas = np.zeros((height, width), np.uint8)
            cv2.fillConvexPoly(canvas, cv2.convexHull(points.astype(np.int32)), 255)
            if canvas.mean() < 90:
                np.maximum(ink, canvas.astype(np.float32) / 255, out=ink)
    return paper.inked(rng, picture, np.maximum(ink, sheet.ink))
