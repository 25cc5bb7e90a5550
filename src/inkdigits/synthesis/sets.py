"""Many synthetic crops at once, made on all cores, the same for the same seed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DatasetError

Done = Callable[[int, int], None]
"""Told how many crops of how many are made."""
_PART = 250
_crops = None  # of a worker process


def crops(
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    digits: int,
    others: int,
    seed: int,
    done: Done | None = None,
    workers: int | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Synthetic crops of digits and of what is none.

    Args:
        images: (N, 28, 28) uint8 digits of MNIST, 0 paper .. 255 ink.
        labels: (N,) which digits they are.
        digits: crops to make that show a digit.
        others: crops to make that show something else.
        seed: the same seed makes the same crops, on any number of cores.
        done: is told of progress.
        workers: processes to work with; as many as there are cores unless given.

    Returns:
        (digits + others, 28, 28) uint8 as `preprocess.normalize` sees them, and their labels, 10 for no digit.

    Raises:
        DatasetError: a digit is missing among the labels.
    """
    missing = sorted(set(range(10)) - set(labels.tolist()))
    if missing:
        raise DatasetError(
            f"Expected images of all ten digits to make synthetic pictures from. There is no "
            f"{' and no '.join(map(str, missing))}; the images held back for validation must hold each, too."
        )
    total = digits + others
    tasks = [(seed, start, min(start + _PART, total), digits) for start in range(0, total, _PART)]
    seen, shown, made = [], [], 0
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers or os.cpu_count() or 1, _begin, (images, labels)) as pool:
        for part_seen, part_labels in pool.imap(_part, tasks):
            seen.append(part_seen)
            shown.append(part_labels)
            made += len(part_labels)
            if done:
                done(made, total)
    return np.concatenate(seen), np.concatenate(shown)


def _begin(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    global _crops
    import cv2

    from inkdigits.synthesis.crops import Crops

    cv2.setNumThreads(1)
    _crops = Crops(images, labels)


def _part(task: tuple[int, int, int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    seed, start, end, digits = task
    assert _crops is not None
    made = []
    for index in range(start, end):
        rng = np.random.default_rng([seed, index])
        made.append(_crops.digit(rng) if index < digits else _crops.other(rng))
    return np.stack([crop.seen for crop in made]), np.array([crop.label for crop in made], np.uint8)
