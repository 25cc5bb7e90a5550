"""The same digits in worse pictures: in shadow, on a table, in a margin, on squares, turned, faint, noisy, blurred.

    python benchmarks/conditions.py DIR

Pictures of one digit, fields and pages are composed of real digits, as for `realworld.py --compose`, of which each
condition then makes another picture; `as it is` leaves it alone. DIR has the sets as `realworld.py` takes them. Rows go
to benchmarks/results/conditions.csv; what an engine has read there already is left out.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

import labelled
from composed import alone, composed, pages
from engines import Answer
from inkdigits.evaluation import metrics
from inkdigits.evaluation.texts import digits_of
from labelled import PictureSet, pixels_of
from realworld import SEED, Task, fill, filling

KEY = ("engine", "version", "condition", "pictures")
SETS = ("semeion", "canvas_digits", "hwd1000", "whtt_mouse_digits")
DIGITS, FIELDS, PAGES = 60, 60, 10
"""Composed of each set."""
Picture = NDArray[np.float32]
"""(h, w, 3), 0 to 255."""


def turned(degrees: float) -> Callable[[Generator, Picture], Picture]:
    """To the left by so many degrees; the picture grows, and its border goes on."""

    def turn(_: Generator, picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        size = np.abs(matrix[:, :2]) @ (width, height)
        matrix[:, 2] += (size - (width, height)) / 2
        wide, tall = np.ceil(size).astype(int).tolist()
        return np.asarray(cv2.warpAffine(picture, matrix, (wide, tall), borderMode=cv2.BORDER_REPLICATE), np.float32)

    return turn


def in_half_shadow(_: Generator, picture: Picture) -> Picture:
    """About a third of the light is left below the line from one corner to another, which is sharp."""
    height, width = picture.shape[:2]
    y, x = np.ogrid[:height, :width]
    return np.where((y / height + x / width > 1)[..., None], picture * np.float32(0.35), picture)


def on_a_dark_table(rng: Generator, picture: Picture) -> Picture:
    """A border of an eighth of the longer side, brown and grainy."""
    height, width = picture.shape[:2]
    border = round(max(height, width) / 8)
    grain = rng.normal(0, 8, (height + 2 * border, width + 2 * border, 1))
    table = np.asarray(np.array([60, 45, 35]) + grain, np.float32)
    table[border : border + height, border : border + width] = picture
    return table


def in_a_margin(_: Generator, picture: Picture) -> Picture:
    """A flat border of the picture's median color, a third as wide as the picture is high."""
    border = round(picture.shape[0] / 3)
    color = np.median(picture, axis=(0, 1)).tolist()
    return np.asarray(cv2.copyMakeBorder(picture, *[border] * 4, cv2.BORDER_CONSTANT, value=color), np.float32)


def on_squared_paper(_: Generator, picture: Picture) -> Picture:
    """Lines of a pixel, four tenths darker than paper, an eighth of the height apart, but at least 8 pixels."""
    lines = np.ones(picture.shape[:2], np.float32)
    pitch = max(8, round(picture.shape[0] / 8))
    lines[::pitch] = lines[:, ::pitch] = 0.6
    return picture * lines[..., None]


def faint(rng: Generator, picture: Picture) -> Picture:
    """A fifth of the contrast, and noise of 5 gray levels."""
    return 200 + (picture - 200) * np.float32(0.2) + noise(rng, picture.shape, 5)


def noise(rng: Generator, shape: tuple[int, ...], levels: float) -> Picture:
    """Of so many gray levels."""
    return np.asarray(rng.normal(0, levels, shape), np.float32)


def as_jpeg(_: Generator, picture: Picture) -> Picture:
    """At a quality of 10."""
    sent = cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 10])[1]
    return np.asarray(cv2.imdecode(sent, cv2.IMREAD_COLOR), np.float32)


CONDITIONS: dict[str, Callable[[Generator, Picture], Picture]] = {
    "as it is": lambda _, picture: picture,
    "light on dark": lambda _, picture: 255 - picture,
    "half in shadow": in_half_shadow,
    "on a dark table": on_a_dark_table,
    "in a margin": in_a_margin,
    "on squared paper": on_squared_paper,
    "turned by 7 degrees": turned(7),
    "turned by -7 degrees": turned(-7),
    "turned by 14 degrees": turned(14),
    "turned by -14 degrees": turned(-14),
    "faint": faint,
    "noisy": lambda rng, picture: picture + noise(rng, picture.shape, 30),
    "blurred": lambda _, picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.5), np.float32),
    "JPEG": as_jpeg,
}


def in_condition(condition: str, given: PictureSet) -> Iterator[NDArray[np.uint8]]:
    """Each picture of a set in that condition, (h, w, 3); the same each time."""
    for index, picture in enumerate(given.pictures):
        rng = np.random.default_rng([zlib.crc32(condition.encode()), index])
        pixels = CONDITIONS[condition](rng, np.asarray(pixels_of(picture), np.float32))
        yield np.asarray(np.clip(pixels, 0, 255), np.uint8)


def task(condition: str, sets: Sequence[PictureSet]) -> Task:
    """To read sets of one kind in that condition."""
    wanted = [digits_of(label) for given in sets for label in given.labels]

    def counted(answers: Sequence[Answer]) -> dict[str, int]:
        read = [digits_of(answer.text) for answer in answers]
        wrong = sum(metrics.edit_distance(label, text) for label, text in zip(wanted, read, strict=True))
        return {"exact": sum(map(str.__eq__, wanted, read)), "digits": sum(map(len, wanted)), "wrong": wrong}

    return Task(lambda: [pixels for given in sets for pixels in in_condition(condition, given)], sets[0].kind, counted)


def main() -> None:
    """Read what is missing."""
    parser = filling(__doc__, "conditions.csv")
    parser.add_argument("folder", type=Path, metavar="DIR", help=f"with {', '.join(SETS)}")
    given = parser.parse_args()
    there = dict(labelled.find(given.folder)) if given.folder.is_dir() else {}
    if missing := [name for name in SETS if name not in there]:
        parser.error(f"Expected {', '.join(SETS)} in {given.folder}. Missing: {', '.join(missing)}.")
    digits = [labelled.load(name, there[name])[0] for name in SETS]
    made = {
        "digits": [alone(one, DIGITS, SEED) for one in digits],
        "fields": [composed(one, FIELDS, SEED) for one in digits],
        "pages": [pages(one, PAGES, SEED) for one in digits],
    }
    tasks = {(condition, name): task(condition, sets) for condition in CONDITIONS for name, sets in made.items()}
    fill(parser, KEY, tasks)


if __name__ == "__main__":
    main()
