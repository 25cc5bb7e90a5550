"""Training the network that looks at whole lines, on synthetic fields with one line each."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.datasets import Dataset
from inkdigits.detection.lines import BLANK, HEIGHT, LEAST, LONGEST, MULTIPLE, PAPER
from inkdigits.detection.network import FAINT
from inkdigits.detection.progress import Progress, weights_hash
from inkdigits.detection.refining import Told
from inkdigits.detection.workers import ahead
from inkdigits.recipes import Optimizer, Schedule
from inkdigits.synthesis.typefaces import Face

if TYPE_CHECKING:
    from inkdigits.synthesis.pages import Page

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
OPTIMIZER = Optimizer(name="adamw", weight_decay=0.02, clip_norm=5.0)
SCHEDULE = Schedule(name="one-cycle", warmup=0.1, final=0.005)


@dataclass(frozen=True)
class Part:
    """A part of a training."""

    share: int
    """How long it is, beside the others."""
    rate: float
    """Its highest learning rate: in each part it rises and falls."""
    varied: bool = False
    """Whether its fields are varied."""
    words: float = 0.0
    """So many of them have words beside the number, which are not to be read."""
    signs: float = 0.0
    """So many of them, but for boxed ones, show dates, sums or other numbers with signs, which are not to be read."""


PARTS = Part(4, 2e-3), Part(1, 5e-4, varied=True)
"""Of the training that teaches digits."""
WORDED = (Part(1, 1e-3, varied=True, words=0.15, signs=0.25),)
"""Of each of those after it, that teach what words and signs are."""
MORE = 0.3
"""Such a training has so many batches for each of the first one's."""
TIMES = 2
"""So many of them begin with the same weights, each with fields of its own.

The mean of the weights before and of those after each is kept. After such a training more digits in unknown hands are
taken for words; the mean takes few, and knows much of what was learned of words (Wortsman et al., 2022)."""
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
    *,
    parts: Sequence[Part] = PARTS,
    reader: Any = None,
    before: int = 0,
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
        parts: of the training.
        reader: a network whose weights it begins with.
        before: batches that this one has learned from.

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
    third = learner.Learner(layers.lining, loss, batch, OPTIMIZER, rates(steps, parts), seed)
    if reader is not None:
        third.model.set_weights(reader.get_weights())
        third.average.set_weights(reader.get_weights())
    begun = progress.resume(third) if progress else 0
    made = batches(data, seed, begun, steps, workers, faces, parts=parts, before=before)
    for step, given in enumerate(made, begun):
        third.learn(step, given)
        if progress:
            progress.keep(third, step + 1, steps)
        if told and (step % 50 == 49 or step == steps - 1):
            told("learning to read lines", step + 1, steps)
    return third.average


def worded(
    reader: Any,
    data: Dataset,
    lines: int,
    seed: int,
    workers: int = 1,
    told: Told | None = None,
    progress: Sequence[Progress] = (),
    faces: Sequence[Face] = (),
) -> Any:
    """A reader that knows what words and signs are: the mean of a `reader` and of what `TIMES` trainings make of it.

    Args:
        reader: a network that learned from `lines` batches; it stays as it is.
        data: digits to make fields of.
        lines: see there.
        seed: of the fields.
        workers: processes that make fields.
        told: is told of progress.
        progress: of each training; what is kept belongs to this reader.
        faces: typefaces to make fields of, too.

    Raises:
        RecipeError: what was kept is of another training or reader.
        DivergenceError: a loss became infinite or not a number.
        InkdigitsError: a process that makes fields died.
    """
    steps, known = more(lines), {"reader": weights_hash(reader)}
    learned = []
    for time in range(TIMES):
        kept = replace(progress[time], identity={**progress[time].identity, **known}) if progress else None
        tell = partial(_told, told, time, steps) if told else None
        before = lines + time * CHUNK * -(-steps // CHUNK)  # no two trainings have a chunk in common
        again = trained(data, steps, seed, workers, tell, kept, faces, parts=WORDED, reader=reader, before=before)
        learned.append(again.get_weights())
    again.set_weights([np.mean(weights, axis=0) for weights in zip(reader.get_weights(), *learned, strict=True)])
    return again


def more(lines: int) -> int:
    """Batches of each training with words, after so many without."""
    return int(MORE * lines)


def _told(told: Told, time: int, steps: int, _: str, done: int, __: int) -> None:
    """Tell of one of the trainings with words as of a part of them all."""
    told("learning to leave out words", time * steps + done, TIMES * steps)


def rates(steps: int, parts: Sequence[Part] = PARTS) -> NDArray[np.float32]:
    """The learning rate of each step, (steps,)."""
    from inkdigits.training.optimization import learning_rates

    counts = zip(parts, np.diff([*_starts(steps, parts), steps]).tolist(), strict=True)
    return np.concatenate([learning_rates(SCHEDULE, part.rate, count) for part, count in counts])


def _starts(steps: int, parts: Sequence[Part]) -> list[int]:
    """The first step of each part; a chunk begins there."""
    shares = [part.share for part in parts]
    before = [sum(shares[:number]) for number in range(len(shares))]
    return [min(steps, CHUNK * -(-steps * share // (CHUNK * sum(shares)))) for share in before]


def field(
    rng: np.random.Generator,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    part: Part,
    faces: Sequence[Face] = (),
) -> Page:
    """A field as a part of the training has them, of these digits (N, 28, 28) and typefaces."""
    from inkdigits.synthesis import pages

    return pages.field(
        rng,
        images,
        labels,
        width=LONGEST,
        apart=APART,
        varied=part.varied,
        words=part.words,
        signed=part.signs,
        faces=faces,
    )


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
    data: Dataset,
    seed: int,
    first: int,
    steps: int,
    workers: int = 1,
    faces: Sequence[Face] = (),
    *,
    parts: Sequence[Part] = PARTS,
    before: int = 0,
) -> Iterator[Batch]:
    """The batches of steps `first` to `steps`, made by other processes ahead of time; see `trained`."""
    if first == steps:
        return
    left = first % CHUNK
    starts = _starts(steps, parts)
    tasks = [
        (seed, -(-before // CHUNK) + start // CHUNK, min(CHUNK, steps - start), parts[bisect(starts, start) - 1])
        for start in range(first - left, steps, CHUNK)
    ]
    for made in ahead(_chunk, tasks, workers, _begin, data.images, data.labels, faces):
        yield from made[left:]
        left = 0


def _begin(images: NDArray[np.uint8], labels: NDArray[np.uint8], faces: Sequence[Face] = ()) -> None:
    global _data
    _data = images, labels, faces


def _chunk(seed: int, number: int, count: int, part: Part) -> list[Batch]:
    """So many batches of a part; their lines are sorted by length, the batches are not."""
    lines = [_line(np.random.default_rng([seed + 7, number, i]), part) for i in range(BATCH * count)]
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


def _line(rng: np.random.Generator, part: Part) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """What is seen of a field whose digits stand on one line, and these from left to right."""
    images, labels, faces = _data
    lean = rng.uniform(*LEANS) if rng.random() < LEANING else 0.0
    while True:
        made = field(rng, images, labels, part, faces)
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
