"""Digits that are read where there are none: on noise, blots, scribbles, empty paper in the light, and photographs.

    python benchmarks/nothing.py --engines inkdigits,tesseract

Every engine is told that a picture is a page of numbers, and should read nothing. The pictures are made up, the same
each time, but for the photographs: those that scikit-learn has with it (a temple, a dahlia), whole and in pieces. Rows
go to benchmarks/results/nothing.csv; a kind of picture that an engine has read there already is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from engines import Answer
from realworld import Task, fill, filling

KEY = ("engine", "version", "pictures")
COUNT = 40
"""Pictures of each kind that is made up."""
Gray = NDArray[np.float32]


def noise(rng: Generator, height: int, width: int) -> Gray:
    """Grains of one size, sharp or smooth."""
    grain = int(rng.choice([1, 2, 4, 8, 16]))
    grains = rng.random((height // grain + 1, width // grain + 1), np.float32)
    kind = rng.choice([cv2.INTER_CUBIC, cv2.INTER_NEAREST])
    return np.asarray(255 * cv2.resize(grains, (width, height), interpolation=int(kind)), np.float32)


def blots(rng: Generator, height: int, width: int) -> Gray:
    """Dark ellipses of many sizes."""
    paper = np.full((height, width), 255, np.float32)
    for _ in range(rng.integers(3, 25)):
        middle, axes = rng.integers(0, (width, height)).tolist(), rng.integers(2, 40, 2).tolist()
        cv2.ellipse(paper, middle, axes, rng.uniform(0, 180), 0, 360, rng.uniform(0, 150), -1, cv2.LINE_AA)
    return paper


def scribbles(rng: Generator, height: int, width: int) -> Gray:
    """What a pen leaves that wanders about."""
    paper = np.full((height, width), 255, np.float32)
    for _ in range(rng.integers(2, 12)):
        steps = cv2.GaussianBlur(rng.normal(0, 1, (int(rng.integers(40, 200)), 2)), (1, 0), 4)
        path = rng.random(2) * (width, height) + rng.uniform(8, 40) * steps.cumsum(0)
        fixed = np.rint(path * 16).astype(np.int32)
        cv2.polylines(paper, [fixed], False, rng.uniform(0, 120), int(rng.integers(1, 7)), cv2.LINE_AA, 4)
    return paper


def light(rng: Generator, height: int, width: int) -> Gray:
    """Empty paper in uneven light, at times with the soft edge of a shadow across it."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    far = (rows / height - 0.5) * np.sin(angle) + (columns / width - 0.5) * np.cos(angle)
    falling = np.exp(-rng.uniform(0, 1.2) * far)
    shadow = rng.choice([0.0, 0.4]) / (1 + np.exp(-(far - rng.uniform(-0.3, 0.3)) / rng.uniform(0.02, 0.15)))
    return np.asarray(230 * falling / falling.max() * (1 - shadow), np.float32)


KINDS: dict[str, Callable[[Generator, int, int], Gray]] = {
    "noise": noise, "blots": blots, "scribbles": scribbles, "light": light,
}  # fmt: skip


def made(kind: str, index: int) -> NDArray[np.uint8]:
    """A picture that shows nothing, (h, w) uint8; the same each time."""
    rng = np.random.default_rng([list(KINDS).index(kind), index])
    height, width = rng.integers(200, 500, 2).tolist()
    gray = KINDS[kind](rng, height, width)
    gray = gray * rng.uniform(0.7, 1) + rng.normal(0, rng.uniform(0, 6), gray.shape)
    return np.asarray(np.clip(gray, 0, 255), np.uint8)


def photographs() -> Iterator[NDArray[np.uint8]]:
    """scikit-learn's two, (h, w, 3) uint8: each whole, in four pieces and in sixteen."""
    from sklearn.datasets import load_sample_images

    for photo in load_sample_images().images:
        for parts in (1, 2, 4):
            strips = np.array_split(photo, parts, axis=0)
            yield from itertools.chain.from_iterable(np.array_split(strip, parts, axis=1) for strip in strips)


def pictures(kind: str) -> list[NDArray[np.uint8]]:
    """All of a kind."""
    return list(photographs()) if kind == "photographs" else [made(kind, index) for index in range(COUNT)]


def counted(answers: Sequence[Answer]) -> dict[str, int]:
    """On how many pictures digits were read, and how many digits."""
    digits = [sum(map(str.isdecimal, answer.text)) for answer in answers]
    return {"with_digits": sum(count > 0 for count in digits), "digits": sum(digits)}


def main() -> None:
    """Read what is missing."""
    tasks = {(kind,): Task(partial(pictures, kind), "page", counted) for kind in (*KINDS, "photographs")}
    fill(filling(__doc__, "nothing.csv"), KEY, tasks)


if __name__ == "__main__":
    main()
