"""Training the network that looks at whole lines, on synthetic fields with one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.datasets import Dataset
from inkdigits.detection.lines import BLANK, HEIGHT, LEAST, LONGEST, MULTIPLE, PAPER
from inkdigits.detection.network import FAINT
from inkdigits.detection.progress import Progress
from inkdigits.detection.refining import Told
from inkdigits.detection.workers import ahead
from inkdigits.recipes import Optimizer, Schedule
from inkdigits.synthesis.typefaces import Face

BATCH = 32
CHUNK = 32
"""Batches made at once, of lines about as long as each other."""
APART = 0.08
"""On so many lines digits stand far apart."""
MOST = 16
"""No more digits are on a line."""
LEVEL = 0.6
"""Digits stand on one line when their middles differ by less than this part of the highest one's height."""
LEANING, LEANS = 0.4, (-0.2, 0.6)
"""So many lines lean to the right by a part of their height, drawn between these."""
VARIED = 0.2
"""This part of the batches, the last, is of varied fields."""
RATE, AGAIN = 2e-3, 5e-4
"""The highest learning rate, and the highest of the last part, in which it rises and falls again."""
OPTIMIZER = Optimizer(name="adamw", weight_decay=0.02, clip_norm=5.0)
SCHEDULE = Schedule(name="one-cycle", warmup=0.1, final=0.005)
Batch = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]
"""Ink (n, 32, W, 1), digits from left to right (n, `MOST`), and how many they are (n,)."""
_data: Any = None
"""Of a process that makes fields: the images and labels of MNIST, and typefaces."""


def trained(
    data: Dataset,
    steps: int,
    seed: int,
    workers: int = 1,
    told: Told | None = None,
    progress: Progress | None = None,
    faces: Sequence[Face] = (),
) -> Any:
    """A network that has learned to read lines; its weights are averaged over the training.

    Args:
        data: digits to make fields of.
        steps: batches of 32 fields.
        seed: of its weights and of the fields.
        workers: processes that make fields.
        told: is told of progress.
        progress: where it is kept how far the training is, to go on from there.
        faces: typefaces to make fields of, too.

    Raises:
        RecipeError: what was kept is of another training.
        DivergenceError: the loss became infinite or not a number.
        InkdigitsError: a process that makes fields died.
    """
    import tensorflow as tf

    from inkdigits.detection import layers, learner  # bring Keras, which processes that make fields do without

    def loss(logits: Any, digits: Any, counts: Any) -> Any:
        lengths = tf.fill((BATCH,), tf.shape(logits)[1])
        each = tf.nn.ctc_loss(digits, logits, counts, lengths, logits_time_major=False, blank_index=BLANK)
        return tf.reduce_mean(each)

    batch = [
        tf.TensorSpec((BATCH, HEIGHT, None, 1), tf.float32),
        tf.TensorSpec((BATCH, MOST), tf.int32),
        tf.TensorSpec((BATCH,), tf.int32),
    ]
    third = learner.Learner(layers.lining, loss, batch, OPTIMIZER, rates(steps), seed)
    begun = progress.resume(third) if progress else 0
    for step, given in enumerate(batches(data, seed, begun, steps, workers, faces), begun):
        third.learn(step, given)
        if progress:
            progress.keep(third, step + 1, steps)
        if told and (step % 50 == 49 or step == steps - 1):
            told("learning to read lines", step + 1, steps)
    return third.average


def rates(steps: int) -> NDArray[np.float32]:
    """The learning rate of each step, (steps,): it rises and falls once on plain fields, and once on varied ones."""
    from inkdigits.training.optimization import learning_rates

    plain = _plain(steps)
    parts = learning_rates(SCHEDULE, RATE, plain), learning_rates(SCHEDULE, AGAIN, steps - plain)
    return np.concatenate(parts)


def _plain(steps: int) -> int:
    """How many of the steps are on plain fields: the first ones, all of a chunk."""
    chunks = -(-(steps - int(VARIED * steps)) // CHUNK)
    return min(steps, chunks * CHUNK)


def seen(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the network sees of a line: ink (32, W, 1), without the paper at its end.

    Args:
        pixels: (H, W) or (H, W, 3) RGB, ink darker than paper.
    """
    gray = pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    wide = min(LONGEST, max(LEAST, round(gray.shape[1] * HEIGHT / gray.shape[0])))
    small = np.asarray(cv2.resize(gray, (wide, HEIGHT), interpolation=cv2.INTER_AREA), np.float32)
    ink = small[small >= small.mean()].mean() - small
    return np.asarray(ink / np.sqrt((ink * ink).mean() + FAINT**2), np.float32)[..., None]


def padded(ink: NDArray[np.float32], wide: int | None = None) -> NDArray[np.float32]:
    """Ink (32, W, 1) with the paper at its end, as if it were `wide` pixels wide."""
    width = -(-((wide or ink.shape[1]) + PAPER) // MULTIPLE) * MULTIPLE
    return np.pad(ink, ((0, 0), (0, width - ink.shape[1]), (0, 0)))


def batches(
    data: Dataset, seed: int, first: int, steps: int, workers: int = 1, faces: Sequence[Face] = ()
) -> Iterator[Batch]:
    """The batches of steps `first` to `steps`, made by other processes ahead of time."""
    if first == steps:
        return
    left = first % CHUNK
    numbers = range(first // CHUNK, -(-steps // CHUNK))
    plain = _plain(steps)
    tasks = [(seed, number, min(CHUNK, steps - number * CHUNK), number * CHUNK >= plain) for number in numbers]
    for made in ahead(_chunk, tasks, workers, _begin, data.images, data.labels, faces):
        yield from made[left:]
        left = 0


def _begin(images: NDArray[np.uint8], labels: NDArray[np.uint8], faces: Sequence[Face] = ()) -> None:
    global _data
    _data = images, labels, faces


def _chunk(seed: int, number: int, count: int, varied: bool = False) -> list[Batch]:
    """So many batches; their lines are sorted by length, the batches are not."""
    lines = [_line(np.random.default_rng([seed + 7, number, i]), varied) for i in range(BATCH * count)]
    order = np.argsort([ink.shape[1] for ink, _ in lines], kind="stable").reshape(count, BATCH)
    order = np.random.default_rng([seed + 7, number]).permutation(order)
    return [_batch([lines[i] for i in rows]) for rows in order]


def _batch(lines: list[tuple[NDArray[np.float32], NDArray[np.uint8]]]) -> Batch:
    longest = max(ink.shape[1] for ink, _ in lines)
    counts = np.array([len(written) for _, written in lines], np.int32)
    digits = np.zeros((len(lines), MOST), np.int32)
    for row, (_, written) in enumerate(lines):
        digits[row, : counts[row]] = written
    return np.stack([padded(ink, longest) for ink, _ in lines]), digits, counts


def _line(rng: np.random.Generator, varied: bool = False) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """What is seen of a field whose digits stand on one line, and these from left to right."""
    from inkdigits.synthesis.pages import field

    images, labels, faces = _data
    lean = rng.uniform(*LEANS) if rng.random() < LEANING else 0.0
    while True:
        made = field(rng, images, labels, width=LONGEST, apart=APART, varied=varied, faces=faces)
        middles = made.boxes[:, :2] + made.boxes[:, 2:] / 2
        if 0 < len(made.digits) <= MOST and np.ptp(middles[:, 1]) < LEVEL * made.boxes[:, 3].max():
            break
    order = np.argsort(middles[:, 0] - lean * middles[:, 1])
    return seen(_leaned(made.pixels, lean) if lean else made.pixels), made.digits[order]


def _leaned(pixels: NDArray[np.uint8], lean: float) -> NDArray[np.uint8]:
    """A picture (H, W, 3) whose uprights lean to the right, `lean` pixels for each up; it becomes wider."""
    height, width = pixels.shape[:2]
    wide = abs(lean) * height
    matrix = np.array([[1, -lean, max(lean, 0.0) * height], [0, 1, 0]])
    size = (width + int(wide), height)
    return np.asarray(cv2.warpAffine(pixels, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)
