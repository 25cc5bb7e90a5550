"""Training the network that takes a closer look, on what the first network finds on synthetic pages."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.calibration import OTHER
from inkdigits.datasets import Dataset
from inkdigits.detection import graph, refinement
from inkdigits.detection.calibration import Finds, finds
from inkdigits.recipes import Optimizer, Schedule
from inkdigits.training.optimization import learning_rates, make_optimizer

PER_PAGE = 16
"""Finds kept of each page, so that crowded pages do not decide."""
BATCH = 256
SCHEDULE = Schedule(name="one-cycle", warmup=0.1, final=0.005)
LEARNING_RATE = 4e-3
OPTIMIZER = Optimizer(name="adamw", learning_rate=LEARNING_RATE, weight_decay=0.05)
AVERAGE = 0.998
_PART = 20

Told = Callable[[str, int, int], None]
"""Told (what is being done, how much of it is done, of how much)."""
_session: Any = None  # of a worker process
_data: Any = None


def collected(
    weights: graph.Weights, data: Dataset, pages: int, seed: int, workers: int = 1, told: Told | None = None
) -> Finds:
    """What the first network finds on `pages` pages made from the digits of a dataset; the same for the same seed."""
    content = graph.build(weights).SerializeToString()
    tasks = [(seed, start, min(start + _PART, pages)) for start in range(0, pages, _PART)]
    parts: list[Finds] = []
    with multiprocessing.get_context("spawn").Pool(workers, _begin, (content, data.images, data.labels)) as pool:
        for part in pool.imap(_part, tasks):
            parts.append(part)
            if told:
                told("looking at pages", min(len(parts) * _PART, pages), pages)
    return Finds(
        np.concatenate([part.answers for part in parts]),
        np.concatenate([part.crops for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _begin(content: bytes, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    global _session, _data
    import cv2
    import onnxruntime

    cv2.setNumThreads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    _session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    _data = images, labels


def _part(task: tuple[int, int, int]) -> Finds:
    from inkdigits.synthesis.pages import page

    seed, start, end = task
    answers, crops, labels = [], [], []
    for index in range(start, end):
        rng = np.random.default_rng([seed, index])
        found = finds(_session, [page(rng, *_data)])
        kept = rng.permutation(len(found.labels))[:PER_PAGE]
        answers.append(found.answers[kept])
        crops.append(found.crops[kept])
        labels.append(found.labels[kept])
    return Finds(np.concatenate(answers), np.concatenate(crops), np.concatenate(labels))


def trained(found: Finds, epochs: int, seed: int, told: Told | None = None) -> Any:
    """A network that has learned which digit is in the middle of a crop; its weights are averaged over the training."""
    import tensorflow as tf

    from inkdigits.training.engines import seeded  # brings Keras, which processes that look at pages do without

    clear = np.flatnonzero(found.labels >= 0)
    with seeded(seed):
        model, average = refinement.build(), refinement.build()
    average.set_weights(model.get_weights())
    optimizer = make_optimizer(OPTIMIZER)
    optimizer.build(model.trainable_variables)
    count = len(clear) // BATCH
    rates = learning_rates(SCHEDULE, LEARNING_RATE, epochs * count)

    @tf.function(input_signature=[tf.TensorSpec((None, 32, 32, 3), tf.uint8), tf.TensorSpec((None,), tf.int64)])  # type: ignore[untyped-decorator]
    def step(crops: Any, labels: Any) -> Any:
        pixels = tf.cast(crops, tf.float32)
        targets = tf.one_hot(labels, OTHER + 1) * 0.97 + 0.03 / (OTHER + 1)
        with tf.GradientTape() as tape:
            logits = tf.pad(model(pixels, training=True), ((0, 0), (0, 1)))
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
        weights = model.trainable_variables
        optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        done = tf.cast(optimizer.iterations, tf.float32)
        keep = tf.minimum(AVERAGE, (1.0 + done) / (10.0 + done))
        for mean, now in zip(average.weights, model.weights, strict=True):
            mean.assign(mean * keep + now * (1.0 - keep))
        return loss

    for number, chosen in enumerate(_orders(clear, epochs, count, seed)):
        optimizer.learning_rate.assign(rates[number])
        step(_changed(found.crops[chosen], np.random.default_rng([seed, number])), found.labels[chosen])
        if told and number % 50 == 49:
            told("learning to look closer", number + 1, epochs * count)
    return average


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


def _changed(crops: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Crops moved by up to two pixels: boxes are never exact."""
    padded = np.pad(crops, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    moved = np.empty_like(crops)
    moves = rng.integers(0, 5, (len(crops), 2))
    for dy in range(5):
        for dx in range(5):
            rows = np.flatnonzero((moves[:, 0] == dy) & (moves[:, 1] == dx))
            moved[rows] = padded[rows, dy : dy + 32, dx : dx + 32]
    return moved
