"""Training the network that takes a closer look, on what the first network finds on synthetic pages."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.calibration import OTHER
from inkdigits.datasets import Dataset
from inkdigits.detection import graph
from inkdigits.detection.calibration import Finds, finds
from inkdigits.detection.onnx_layers import Weights
from inkdigits.detection.progress import Progress
from inkdigits.detection.refinement import SIDE
from inkdigits.detection.workers import ahead
from inkdigits.recipes import Optimizer, Schedule
from inkdigits.synthesis.typefaces import Face

PER_PAGE = 16
"""Finds kept of each page, so that crowded pages do not decide."""
BATCH = 256
SCHEDULE = Schedule(name="one-cycle", warmup=0.1, final=0.005)
RATE = 4e-3
"""The highest learning rate."""
OPTIMIZER = Optimizer(name="adamw", weight_decay=0.05)
SMOOTHING = 0.03
"""Of the labels."""
_PART = 20

Told = Callable[[str, int, int], None]
"""Told (what is being done, how much of it is done, of how much)."""
_session: Any = None
_data: Any = None
"""Of a process that looks at pages."""


def collected(
    weights: Weights,
    data: Dataset,
    pages: int,
    seed: int,
    workers: int = 1,
    told: Told | None = None,
    faces: Sequence[Face] = (),
) -> Finds:
    """What the first network finds on `pages` pages made of a dataset's digits, and of typefaces.

    It is the same for the same seed.

    Raises:
        InkdigitsError: a process that looks at pages died.
    """
    content = graph.build(weights).SerializeToString()
    tasks = [(seed, start, min(start + _PART, pages)) for start in range(0, pages, _PART)]
    parts: list[Finds] = []
    for part in ahead(_part, tasks, workers, _begin, content, data.images, data.labels, faces):
        parts.append(part)
        if told:
            told("looking at pages", min(len(parts) * _PART, pages), pages)
    return Finds(
        np.concatenate([part.answers for part in parts]),
        np.concatenate([part.crops for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _begin(content: bytes, images: NDArray[np.uint8], labels: NDArray[np.uint8], faces: Sequence[Face] = ()) -> None:
    global _session, _data
    from inkdigits.runtimes import open_onnx

    _session = open_onnx(content, 1)
    _data = images, labels, faces


def _part(seed: int, start: int, end: int) -> Finds:
    from inkdigits.synthesis.pages import page

    answers, crops, labels = [], [], []
    *digits, faces = _data
    for index in range(start, end):
        rng = np.random.default_rng([seed, index])
        found = finds(_session, [page(rng, *digits, faces=faces)])
        kept = rng.permutation(len(found.labels))[:PER_PAGE]
        answers.append(found.answers[kept])
        crops.append(found.crops[kept])
        labels.append(found.labels[kept])
    return Finds(np.concatenate(answers), np.concatenate(crops), np.concatenate(labels))


def trained(
    found: Finds,
    epochs: int,
    seed: int,
    told: Told | None = None,
    progress: Progress | None = None,
) -> Any:
    """A network that has learned which digit is in the middle of a crop; its weights are averaged over the training.

    Args:
        found: what it learns from.
        epochs: times that it goes through it.
        seed: of its weights, of the order and of how crops are moved.
        told: is told of progress.
        progress: where it is kept how far the training is, to go on from there.

    Raises:
        RecipeError: what was kept is of another training.
        DivergenceError: the loss became infinite or not a number.
    """
    import tensorflow as tf

    from inkdigits.detection import layers, learner  # bring Keras, which processes that look at pages do without
    from inkdigits.training.optimization import learning_rates

    def loss(logits: Any, labels: Any) -> Any:
        targets = tf.one_hot(labels, OTHER + 1) * (1 - SMOOTHING) + SMOOTHING / (OTHER + 1)
        against = tf.pad(logits, ((0, 0), (0, 1)))  # a fixed 0 for "no digit"
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, against))

    clear = np.flatnonzero(found.labels >= 0)
    count = len(clear) // BATCH
    batch = [tf.TensorSpec((BATCH, SIDE, SIDE, 3), tf.uint8), tf.TensorSpec((BATCH,), tf.int64)]
    rates = learning_rates(SCHEDULE, RATE, epochs * count)
    second = learner.Learner(layers.refining, loss, batch, OPTIMIZER, rates, seed)
    begun = progress.resume(second) if progress else 0
    orders = itertools.islice(_orders(clear, epochs, count, seed), begun, None)
    for number, chosen in enumerate(orders, begun):
        moved = _moved(found.crops[chosen], np.random.default_rng([seed, number]))
        second.learn(number, (moved, found.labels[chosen]))
        if progress:
            progress.keep(second, number + 1, epochs * count)
        if told and number % 50 == 49:
            told("learning to look closer", number + 1, epochs * count)
    return second.average


def logits(model: Any, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a network answers to crops: (n, 10)."""
    parts = [
        model(crops[start : start + 1024].astype(np.float32), training=False) for start in range(0, len(crops), 1024)
    ]
    return np.concatenate([np.zeros((0, 10), np.float32), *(np.asarray(part) for part in parts)])


def _orders(rows: NDArray[np.int64], epochs: int, count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch, 1]).permutation(rows)
        yield from order[: count * BATCH].reshape(count, BATCH)


def _moved(crops: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Crops moved by up to two pixels: boxes are never exact."""
    padded = np.pad(crops, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    moved = np.empty_like(crops)
    moves = rng.integers(0, 5, (len(crops), 2))
    for dy in range(5):
        for dx in range(5):
            rows = np.flatnonzero((moves[:, 0] == dy) & (moves[:, 1] == dx))
            moved[rows] = padded[rows, dy : dy + SIDE, dx : dx + SIDE]
    return moved
