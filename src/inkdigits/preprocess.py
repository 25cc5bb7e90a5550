"""One picture of one digit becomes the (28, 28) ink that the networks see, laid out the way MNIST is.

MNIST's own recipe (LeCun, Cortes and Burges): the digit is scaled to fit 20 x 20 keeping its proportions, then placed
in 28 x 28 with its center of mass in the middle. What comes before is ours, because pictures from the world are
colored, transparent, dark on light or light on dark, unevenly lit, noisy, and show more than the digit:

1. `_composite`, `_ink_direction`: transparency and color become one gray value that tells ink from paper best.
2. `_vote`: which is the paper, the dark or the light?
3. `_paper`: how bright is the paper at every place? What is darker than that by more than the noise is ink.
4. `_digit`: of all connected ink, which belongs to the digit?
5. A second look at the digit's surroundings alone, where light and noise are judged again and more closely.
6. `_lay_out`: scale, center of mass, darkest ink to 1.0.
7. `_frame`: when there is one, such as the box of a form or the table around a note, all this for what is in it.

Where the second step is not plain, or the network is not sure, `inkdigits.trial` has the picture seen otherwise, too.

This is the readable reference and the only place where the constants live. `inkdigits.geometry` has the same steps as
ONNX operators; golden vectors hold the two together. Every step therefore uses only what both sides have: matrix
products, maxima over windows, sorting. Pictures are float32 gray levels from 0 to 255 until they become ink.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

VERSION = 4
"""Raised whenever the output changes: a model is only valid with the version it was trained with."""
SIZE = 28
"""Side of what the networks see, in pixels."""
BOX = 20
"""Side of the square that a digit is scaled to fit, in pixels."""

MAX_SIDE = 1536
"""Pictures whose longest side is over this are read with a stride: that bounds time and memory."""
GRID = 64
"""Longest side, in cells, of the grid on which light, polarity and the digit's place are judged."""
LUMINANCE_SKEW = 0.3
"""Weight of the skewness of the brightness in the vote on polarity, beside the border and the area."""
THINNESS = 1.5
"""Weight of what is narrow: in a digit that fills its frame, ink is where the strokes are."""
STROKE = 9
"""Side, in cells, of the window that strokes of such a digit are narrower than."""
WINDOW = 33
"""Side, in cells, of the window in which paper must show somewhere: half the grid, wider than any stroke."""
SURFACE_FITS = 4
"""How often the smooth surface of the paper's brightness is fitted again with the ink left out."""
PAPER_QUANTILES = (0.05, 0.35)
"""Quantiles of darkness that are surely paper. Their distance measures the noise."""
NOISE = 4.0
"""What is darker than the upper quantile by up to this many times their distance is still paper."""
LOUDEST = 64.0
"""Noise is never taken to be stronger than this, in gray levels: half a picture may be dark without being noise."""
FAINTEST = 8.0
"""The faintest ink that counts, in gray levels below the paper around it."""
STRONG = 0.4
"""Ink of at least this much of the darkest is strong; the darkest part of it, `TOP`, is full ink, 1.0."""
TOP = 0.4
GAMMA = 0.85
"""Ink of the laid out digit is raised to this power, which strengthens thin strokes that scaling made pale."""
INK = 0.25
"""Ink of at least this much of full ink belongs to a stroke."""
BORDER_PENALTY = 0.1
"""Ink that touches the picture's border is rather a neighbor or a shadow: its weight is multiplied by this."""
CENTRALITY = 0.4
"""How far from the middle a digit usually is, as a part of the picture's sides (sd of a Gaussian weight)."""
NEAR = 0.2
"""Separate strokes within this part of the digit's longest side belong to it."""
SPECK = 0.05
"""Separate ink lighter than this part of the digit is dirt."""
SHADOW = (0.9, 0.5)
"""Ink along so much of one side of the picture, that reaches into it no further than this part, is a shadow."""
LINE = 0.1
"""Ink of more than this much of full ink may belong to a frame: its lines may be thinner than cells."""
FRAME = 0.75
"""What reaches along so much of all four sides of its own box is a frame ..."""
SLANT = 10
"""... even where it is away from them by up to one part in so many of the box's sides, ..."""
SMALLEST_FRAME = 0.3
"""... if no side of the box is shorter than this part of the grid's longest side."""
FRAMES = 2
"""One may stand in another; more are not looked into."""
FRAMED = 0.2
"""What stands in a frame is at least so large, as a part of the frame's longest side ..."""
FREE = 0.05
"""... and farther than this from the frame, in pixels."""
SOLID = 0.75
"""A hole in a surface that fills more than this part of its own box is the hole of a broad eight, not a digit."""
MARGIN = 0.4
"""What the second look sees around the digit, as a part of the digit's longest side."""
NUDGE = 1e-3
"""Added before rounding: what is symmetric lies between two pixels, where the last bit of a sum would decide."""
NORMAL_INK = 25
"""A picture of the layout of MNIST has its digit where the gray level is above this."""
NORMAL_SIDES = (17, 21)
"""The longest side of a digit in the layout of MNIST, in pixels: 20 but for faint ends of strokes."""

Array = NDArray[np.float32]
_TRIANGLE = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)  # terms of a quadratic surface


@dataclass(frozen=True)
class Normalized:
    """What the network sees of a picture, and where that came from."""

    seen: Array
    """(28, 28) float32 in [0, 1], levels of 1/255: 0.0 paper, 1.0 ink. All 0.0 when there is no ink."""
    box: Array
    """(4,) float32: x, y, width, height of the ink in pixels of the picture; all 0.0 when there is no ink."""
    vote: np.float32
    """On what is ink: what is darker than the paper, if above 0.0; the further from 0.0, the plainer.

    Negative infinity for a picture in the layout of MNIST, which leaves no choice.
    """

    @property
    def blank(self) -> bool:
        """Whether no ink was found."""
        return not self.seen.any()


class Window(NamedTuple):
    """A part of a picture, in its pixels; may begin and end between them."""

    top: float
    bottom: float
    left: float
    right: float


class Strokes(NamedTuple):
    """Connected ink on the grid: entry 0 of each array stands for what is none."""

    labels: NDArray[np.int32]  # (h, w), 0 where there is no ink
    mass: Array  # (n,) sum of its ink
    top: NDArray[np.int64]  # (n,), and so on: its box, in cells
    bottom: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]


class Frame(NamedTuple):
    """A frame, and how the picture was seen where it was found."""

    inside: Window
    surface: bool  # whether what it holds shows as holes in it
    direction: Array  # (C,) weights of the color channels


class Look(NamedTuple):
    """What one look at a window of a picture found."""

    window: Window
    paper: Array  # (h, w) gray level of the paper, times the polarity
    floor: np.float32  # what is darker than the paper by this is still noise
    ink: Array  # (h, w) from 0.0 to 1.0
    mask: NDArray[np.bool_]  # (h, w) where the digit's strokes are
    digit: Window


def normalize(pixels: NDArray[np.uint8]) -> Normalized:
    """Find the digit in a picture and lay it out as MNIST does.

    Args:
        pixels: uint8 (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA; any size, either polarity.

    A picture that already has the layout of MNIST is left as it is, so that normalizing twice changes nothing.
    """
    picture = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if picture.shape[:2] == (SIZE, SIZE):
        normal, box = _normal_form(picture[None])
        if bool(normal[0]):
            return Normalized(picture[:, :, 0].astype(np.float32) / np.float32(255), box[0], np.float32(-np.inf))
    return _normalize_any(picture)


def normalize_batch(pixels: NDArray[np.uint8]) -> tuple[Array, Array, Array]:
    """`normalize` for many pictures of one size, uint8 (N, H, W) or (N, H, W, C).

    Returns:
        seen (N, 28, 28), boxes (N, 4) and votes (N,).

    Pictures in the layout of MNIST are recognized all at once; the answers are those of one by one.
    """
    count = len(pixels)
    seen, boxes = np.zeros((count, SIZE, SIZE), np.float32), np.zeros((count, 4), np.float32)
    votes = np.full(count, -np.inf, np.float32)
    rest: Any = range(count)
    if pixels.shape[1:3] == (SIZE, SIZE):
        planes = pixels.reshape(count, SIZE, SIZE, -1)
        normal, box = _normal_form(planes)
        seen[normal], boxes[normal] = planes[normal, :, :, 0].astype(np.float32) / np.float32(255), box[normal]
        rest = np.flatnonzero(~normal)
    for index in rest:
        one = normalize(pixels[index])
        seen[index], boxes[index], votes[index] = one.seen, one.box, one.vote
    return seen, boxes, votes


def _normal_form(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], Array]:
    """Which of (N, 28, 28, C) already have the layout of MNIST, and the boxes (N, 4) of their ink.

    That is: gray and opaque, light ink on a dark border, a longest side of about 20, the center of mass in the middle.
    """
    gray = pictures[..., 0]
    plain = (pictures[..., :3] == gray[..., None]).all((1, 2, 3)) & (pictures[..., 3:] == 255).all((1, 2, 3))
    ink = gray > NORMAL_INK
    rows, columns = np.any(ink, axis=2), np.any(ink, axis=1)
    top, left = rows.argmax(1), columns.argmax(1)
    height, width = SIZE - rows[:, ::-1].argmax(1) - top, SIZE - columns[:, ::-1].argmax(1) - left
    values = gray.astype(np.float32)
    total = np.maximum(values.sum((1, 2)), 1)
    places = np.arange(SIZE, dtype=np.float32)
    off_y = np.abs(values.sum(2) @ places / total - SIZE / 2)
    off_x = np.abs(values.sum(1) @ places / total - SIZE / 2)
    border = (values[:, [0, -1], :].sum((1, 2)) + values[:, :, [0, -1]].sum((1, 2))) / (4 * SIZE)
    side = np.maximum(height, width)
    low, high = NORMAL_SIDES
    normal = plain & (values.max((1, 2)) >= 128) & (border <= NORMAL_INK) & (side >= low) & (side <= high)
    normal &= (off_y <= 1) & (off_x <= 1)
    return normal, np.stack([left, top, width, height], 1).astype(np.float32)


def _normalize_any(picture: NDArray[np.uint8]) -> Normalized:
    color, step = colors(picture)
    one = in_frames(color)
    return Normalized(one.seen, one.box * np.float32(step), one.vote)


def colors(picture: NDArray[np.uint8]) -> tuple[Array, int]:
    """A picture (H, W, C) uint8 as `_composite` gives it, with at most `MAX_SIDE` pixels a side, and the stride."""
    step = -(-max(picture.shape[:2]) // MAX_SIDE)
    return _composite(picture[::step, ::step].transpose(2, 0, 1).astype(np.float32)), step


def in_frames(color: Array, vote: np.float32 | None = None) -> Normalized:
    """The digit in a picture (C, H, W), or in a frame in it; by a vote on what is ink, if one is given."""
    result, frame, _ = _normalize_window(color, Window(0, color.shape[1], 0, color.shape[2]), vote)
    first = result.vote
    for _ in range(FRAMES):
        if frame is None:
            break
        found, deeper, direction = _normalize_window(color, frame.inside, vote)
        if not _fits(found, direction, frame):
            break
        result, frame = found, deeper
    return Normalized(result.seen, result.box, first)


def _normalize_window(color: Array, window: Window, vote: np.float32 | None) -> tuple[Normalized, Frame | None, Array]:
    """The digit in a window of the picture, the frame in it, if there is one, and the weights of the channels."""
    small = sample(color, window, *_grid_shape(window))
    direction = _ink_direction(small)
    vote = _vote(_mix(small, direction)) if vote is None else vote
    nothing = Normalized(np.zeros((SIZE, SIZE), np.float32), np.zeros(4, np.float32), vote)
    direction = direction if vote >= 0 else -direction  # from here on, ink is darker than paper
    look = _look(color, direction, window)
    if look is None:
        return nothing, None, direction
    frame = _frame(look, direction)
    look = _look(color, direction, _around(look.digit, window))
    if look is None:
        return nothing, frame, direction
    seen = _lay_out(color, direction, look)
    if seen is None:
        return nothing, frame, direction
    top, bottom, left, right = look.digit
    return Normalized(seen, np.array([left, top, right - left, bottom - top], np.float32), vote), frame, direction


def _fits(found: Normalized, direction: Array, frame: Frame) -> bool:
    """Whether what was found in a frame stands free in it, is no speck, and is not just the paper behind it."""
    window = frame.inside
    x, y, wide, tall = (float(side) for side in found.box)
    free = min(x - window.left, y - window.top, window.right - x - wide, window.bottom - y - tall) > FREE
    if not free or max(wide, tall) < FRAMED * max(window.bottom - window.top, window.right - window.left):
        return False
    alike = bool((direction * frame.direction).sum() > 0)  # both are darker than what is around them, or both lighter
    filled = np.count_nonzero(found.seen > 0.5) / BOX**2 * max(wide, tall) / min(wide, tall)
    return bool(not alike and filled < SOLID) if frame.surface else alike


def _composite(picture: Array) -> Array:
    """(C, H, W) with C 1, 3 or 4 -> (1 or 3, H, W): transparency over white or black, whichever shows the ink."""
    color = picture[:3]
    if len(picture) < 4:
        return color
    alpha = picture[3] / np.float32(255)
    brightness = (color * alpha).sum() / max(np.float32(3) * alpha.sum(), np.float32(1))
    behind = np.float32(255 if brightness < 128 else 0)
    over: Array = color * alpha + behind * (1 - alpha)
    return over


def _ink_direction(small: Array) -> Array:
    """The weights (C,) of the color channels, |weights| summing to 1, that spread the colors of (C, h, w) most.

    The first principal component, by power iteration: gray pictures stay as they are, red ink on white is seen in
    green and blue, blue on yellow as their difference.
    """
    if len(small) == 1:
        return np.ones(1, np.float32)
    deviation = small.reshape(len(small), -1)
    deviation = deviation - deviation.mean(1, keepdims=True)
    covariance = deviation @ deviation.T / np.float32(deviation.shape[1])
    direction = np.array([0.7, 1.0, 0.8], np.float32)
    for _ in range(8):
        direction = covariance @ direction
        direction = direction / max(np.abs(direction).max(), np.float32(1e-6))
    weights: Array = direction / max(np.abs(direction).sum(), np.float32(1e-6))
    return weights


def _vote(gray: Array) -> np.float32:
    """0.0 or more when ink is probably darker than paper; the further from 0.0, the plainer.

    Paper lies at the border, covers most of the area, ink makes the distribution of brightness lean to its side, and
    is narrow. Border and area vote twice: on the picture, and on what is left of it without a smooth change of light.
    """
    rest = gray - _surface(gray)
    skewness = -np.mean(rest**3) / (np.mean(rest**2) ** np.float32(1.5) + np.float32(1e-3))
    vote = _light_vote(gray) + _light_vote(rest) + np.float32(LUMINANCE_SKEW) * skewness
    dark, light = np.mean(closing(gray, STROKE) - gray), np.mean(gray + closing(-gray, STROKE))
    return np.float32(vote + np.float32(THINNESS) * (dark - light) / (dark + light + np.float32(1e-3)))


def _light_vote(gray: Array) -> np.float32:
    """From -2.0 (border and area are dark) to 2.0 (both are light)."""
    light = gray > (gray.max() + gray.min()) / np.float32(2)
    lines = light[0].sum() + light[-1].sum() + light[:, 0].sum() + light[:, -1].sum()
    border = lines / np.float32(2 * (light.shape[0] + light.shape[1]))
    return np.float32(2 * border + 2 * light.mean(dtype=np.float32) - 2)


def _look(color: Array, direction: Array, window: Window) -> Look | None:
    """Judge light, noise and the place of the digit in a window of the picture; None when there is no ink."""
    gray = _mix(sample(color, window, *_grid_shape(window)), direction)
    paper = _paper(gray)
    ink = paper - gray
    ranked = np.sort(ink, axis=None)[::-1]  # darkest first
    low, high = (ranked[int(np.float32(1 - q) * (ranked.size - 1))] for q in PAPER_QUANTILES)
    floor = min(high + np.float32(NOISE) * (high - low), np.float32(LOUDEST))
    ranked, ink = np.maximum(ranked - floor, 0), np.maximum(ink - floor, 0)
    if min(ranked[0], (_surface(gray) - gray).max()) < FAINTEST:  # else light that falls smoothly may be all there is
        return None
    ink = np.minimum(ink / _full_ink(ranked), 1)
    mask = _digit(_strokes(ink, INK))
    if not mask.any():
        return None

    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    digit = _placed(Window(rows[0], rows[-1] + 1, columns[0], columns[-1] + 1), window, gray.shape)
    return Look(window, paper, floor, ink, mask, digit)


def _placed(cells: Window, window: Window, grid: tuple[int, ...]) -> Window:
    """Cells of a grid over a window in pixels."""
    tall, wide = (window.bottom - window.top) / grid[0], (window.right - window.left) / grid[1]
    return Window(
        window.top + cells.top * tall,
        window.top + cells.bottom * tall,
        window.left + cells.left * wide,
        window.left + cells.right * wide,
    )


def _full_ink(ranked: Array) -> np.float32:
    """The ink that counts as 1.0, from all ink in falling order: the least of the darkest part of the strong ink."""
    strong = np.count_nonzero(ranked > np.float32(STRONG) * ranked[0])
    return np.float32(ranked[int(TOP * strong)])


def _paper(gray: Array) -> Array:
    """The gray level that the paper has at every place of (h, w), under the ink too.

    A quadratic surface takes the smooth part of the light; a morphological closing, which removes whatever is narrower
    than its window, takes the rest.
    """
    without_ink = closing(gray)
    for _ in range(SURFACE_FITS):
        surface = _surface(without_ink)
        rest = gray - surface
        threshold = np.float32(0.5) * np.sqrt(np.mean(np.minimum(rest, 0) ** 2))
        without_ink = np.where(rest < -threshold, surface, gray)
    return surface + closing(gray - surface)


def _surface(values: Array) -> Array:
    """The least-squares quadratic surface through (h, w)."""
    rows, columns = _polynomials(values.shape[0]), _polynomials(values.shape[1])
    terms = (rows.T @ values @ columns) * _TRIANGLE
    return np.asarray(rows @ terms @ columns.T, np.float32)


@functools.cache
def _polynomials(count: int) -> Array:
    """(count, 3): constant, linear and quadratic polynomials, orthonormal on `count` evenly spaced places."""
    places = np.arange(count, dtype=np.float32) - np.float32((count - 1) / 2)
    places = places / np.maximum(places.max(), np.float32(1))
    powers = np.stack([np.ones_like(places), places, places**2 - np.mean(places**2)], 1)
    polynomials: Array = powers / np.sqrt((powers**2).sum(0) + np.float32(1e-9))
    return polynomials


def closing(gray: Array, side: int = WINDOW) -> Array:
    """Gray-scale closing with a square window: what is dark and narrower than the window takes on its surroundings."""
    import cv2

    window = np.ones((side, side), np.uint8)
    closed: Array = cv2.erode(cv2.dilate(gray, window), window)
    return closed


def _strokes(ink: Array, least: float) -> Strokes:
    """The connected ink of more than `least` in (h, w) ink from 0.0 to 1.0; gaps of up to two cells are bridged."""
    import cv2

    height, width = ink.shape
    mask = ink > least
    joined = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(joined, connectivity=8)
    labels = labels * mask
    rows, columns = np.nonzero(mask)
    flat = labels[rows, columns]
    mass = np.bincount(flat, ink[rows, columns], count).astype(np.float32)
    top, left = np.full(count, height), np.full(count, width)
    bottom, right = np.zeros(count, int), np.zeros(count, int)
    np.minimum.at(top, flat, rows)
    np.minimum.at(left, flat, columns)
    np.maximum.at(bottom, flat, rows + 1)
    np.maximum.at(right, flat, columns + 1)
    return Strokes(labels, mass, top, bottom, left, right)


def _digit(strokes: Strokes) -> NDArray[np.bool_]:
    """Where the strokes of the digit are, of strokes that are perhaps more than the digit; (h, w).

    The digit is the connected ink that is heavy, near the middle and away from the border; strokes near it belong to
    it, unless they come in from a side of the picture that it does not reach. What runs along a side is a shadow.
    """
    labels, mass, top, bottom, left, right = strokes
    height, width = labels.shape
    sides = np.stack([top == 0, bottom == height, left == 0, right == width])
    border = labels[0], labels[-1], labels[:, 0], labels[:, -1]
    along = np.stack([np.bincount(line, minlength=len(mass)) / len(line) for line in border])
    reach = np.stack([bottom / height, 1 - top / height, right / width, 1 - left / width])
    shadow = ((along >= SHADOW[0]) & (reach <= SHADOW[1])).any(0)
    away = ((top + bottom) / (2 * height) - 0.5) ** 2 + ((left + right) / (2 * width) - 0.5) ** 2
    weight = mass * np.where(sides.any(0), BORDER_PENALTY, 1) * np.exp(-away / CENTRALITY**2) * ~shadow
    main = int(weight.argmax())
    gap = np.maximum(
        np.maximum(top - bottom[main], top[main] - bottom), np.maximum(left - right[main], left[main] - right)
    )
    side = max(bottom[main] - top[main], right[main] - left[main])
    keep = (gap <= NEAR * side) & (mass >= SPECK * mass[main]) & (~sides | sides[:, main, None]).all(0) & ~shadow
    keep[0] = False
    return np.asarray(keep[labels])


def _frame(look: Look, direction: Array) -> Frame | None:
    """The largest of the strokes, if it is a frame; a surface that has holes is one, too."""
    labels, _, *box = _strokes(look.ink, LINE)
    height, width = labels.shape
    areas = (box[1] - box[0]) * (box[3] - box[2])
    rank = areas * labels.size - box[0] * width - box[2]  # the first of equals
    rank[0] = np.iinfo(rank.dtype).min
    largest = int(rank.argmax())
    top, bottom, left, right = (int(side[largest]) for side in box)
    tall, wide = bottom - top, right - left
    if min(tall, wide) < SMALLEST_FRAME * max(height, width):
        return None
    frame = labels[top:bottom, left:right] == largest
    deep, far = max(1, tall // SLANT), max(1, wide // SLANT)
    edges = frame[:deep].any(0), frame[-deep:].any(0), frame[:, :far].any(1), frame[:, -far:].any(1)
    if min(edge.mean() for edge in edges) < FRAME:
        return None
    surface = bool(frame[tall // 4 : tall - tall // 4, wide // 4 : wide - wide // 4].mean() >= 0.5)
    thick = [_thickness(lines, surface) for lines in (frame, frame[::-1], frame.T, frame.T[::-1])]
    inside = Window(top + thick[0], bottom - thick[1], left + thick[2], right - thick[3])
    if inside.top >= inside.bottom or inside.left >= inside.right:
        return None
    return Frame(_placed(inside, look.window, labels.shape), surface, direction)


def _thickness(frame: NDArray[np.bool_], surface: bool) -> int:
    """How many rows from its first one a frame (h, w) takes; of a surface, only those that are not straight."""
    full = 0 if surface else int((frame[: len(frame) // 2].mean(1) >= FRAME).sum())
    return (full or len(frame) // SLANT) + 1


def _around(digit: Window, window: Window) -> Window:
    """What the second look sees: the digit and some of what is around it in a window."""
    margin = MARGIN * max(digit.bottom - digit.top, digit.right - digit.left) + 2
    return Window(
        max(window.top, float(np.floor(digit.top - margin + NUDGE))),
        min(window.bottom, float(np.ceil(digit.bottom + margin - NUDGE))),
        max(window.left, float(np.floor(digit.left - margin + NUDGE))),
        min(window.right, float(np.ceil(digit.right + margin - NUDGE))),
    )


def _lay_out(color: Array, direction: Array, look: Look) -> Array | None:
    """The digit that a look found as (28, 28) ink in levels of 1/255; None when none of it is left."""
    import cv2

    digit, window = look.digit, look.window
    tall, wide = digit.bottom - digit.top, digit.right - digit.left
    height, width = scaled(tall, wide, BOX)
    cells_y, cells_x = look.paper.shape
    y, x = cells_y / (window.bottom - window.top), cells_x / (window.right - window.left)
    in_cells = Window(
        (digit.top - window.top) * y,
        (digit.bottom - window.top) * y,
        (digit.left - window.left) * x,
        (digit.right - window.left) * x,
    )
    near = cv2.dilate(look.mask.astype(np.float32), np.ones((3, 3), np.uint8))
    paper, near = sample(np.stack([look.paper, near]), in_cells, height, width)
    gray = _mix(sample(color, digit, height, width), direction)
    ink = np.maximum(paper - gray - look.floor, 0) * np.minimum(2 * near, 1)
    ranked = np.sort(ink, axis=None)[::-1]
    if ranked[0] <= 0:
        return None
    ink = np.minimum(ink / _full_ink(ranked), 1) ** np.float32(GAMMA)
    seen = np.zeros((SIZE, SIZE), np.float32)
    top, left = _offset(ink.sum(1)), _offset(ink.sum(0))
    seen[top : top + height, left : left + width] = ink
    levels: Array = np.rint(seen * np.float32(255)) / np.float32(255)
    return levels


def _offset(ink: Array) -> int:
    """Where a row of ink must begin so that its center of mass comes to the middle of 28, as far as it then fits."""
    center = (ink * np.arange(ink.size, dtype=np.float32)).sum() / ink.sum()
    return int(np.clip(np.floor(SIZE / 2 - center + 0.5 + NUDGE), 0, SIZE - ink.size))


def _grid_shape(window: Window) -> tuple[int, int]:
    return scaled(window.bottom - window.top, window.right - window.left, GRID)


def scaled(tall: float, wide: float, longest: int) -> tuple[int, int]:
    """Height and width with the same proportions and the longer of both so long, but at least 1."""
    scale, half = np.float32(longest) / np.float32(max(tall, wide)), np.float32(0.5)  # a tie falls as in the graph
    return max(1, int(np.float32(tall) * scale + half)), max(1, int(np.float32(wide) * scale + half))


def sample(planes: Array, window: Window, height: int, width: int) -> Array:
    """Scale a window of (C, H, W) to (C, height, width), averaging where it shrinks: two matrix products."""
    rows = _resampling(planes.shape[1], height, window.top, window.bottom)
    columns = _resampling(planes.shape[2], width, window.left, window.right)
    return np.asarray(rows @ planes @ columns.T, np.float32)


def _resampling(size: int, count: int, start: float, end: float) -> Array:
    """(count, size) weights that turn `size` pixels into `count` samples of [start, end): a triangle filter."""
    scale = np.float32((end - start) / count)
    centers = np.float32(start) + (np.arange(count, dtype=np.float32) + np.float32(0.5)) * scale
    distance = np.abs(np.arange(size, dtype=np.float32) + np.float32(0.5) - centers[:, None])
    weights = np.maximum(1 - distance / max(scale, np.float32(1)), 0)
    weights = weights / np.maximum(weights.sum(1, keepdims=True), np.float32(1e-6))
    return np.asarray(weights, np.float32)


def _mix(planes: Array, weights: Array) -> Array:
    return np.asarray((planes * weights[:, None, None]).sum(0))
