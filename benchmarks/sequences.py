"""A network that reads a field as a sequence, to compare the design of inkdigits with.

    python benchmarks/sequences.py --steps 2500
    python benchmarks/realworld.py DIR --engines sequences --only orand_dev notebook_number_crops_dev

Convolutions, a bidirectional LSTM and connectionist temporal classification (CTC; Graves et al., 2006; Shi et al.,
2015), trained on the harder synthetic fields that the second network for pages learns from, without their places. The
network is written to runs/sequences/; a training that was stopped goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from engines import MissingEngineError
from inkdigits.datasets import Dataset, last_split, load_dataset
from inkdigits.detection.progress import Progress
from inkdigits.files import write_atomically
from inkdigits.recipes import Optimizer, Schedule
from inkdigits.synthesis.pages import Page, field

RUN = Path("runs/sequences")
HEIGHT, WIDTH = 32, 256
"""What the network sees of a field, in pixels: one that is longer is squeezed, the rest is paper."""
FILTERS = (32, 64, 128, 128)
"""Maps of the convolutions; after each the picture is half as high, after the first two half as wide."""
UNITS = 128
"""Of the LSTM, in each direction."""
BLANK, MOST = 10, 16
"""CTC's sign for "no digit", and the most digits of a field."""
BATCH = 32
AHEAD = 32
"""Batches asked for at once; up to twice as many are made ahead."""
OPTIMIZER = Optimizer(name="adamw", learning_rate=2e-3, weight_decay=0.02, clip_norm=5.0)
SCHEDULE = Schedule(name="one-cycle", warmup=0.1, final=0.005)
_data: Dataset | None = None  # of a worker process


def seen(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What the network sees of a field (H, W) or (H, W, C), ink darker than paper: (32, 256, 1)."""
    gray = pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels[..., :3], cv2.COLOR_RGB2GRAY))
    wide = min(WIDTH, max(4, round(gray.shape[1] * HEIGHT / gray.shape[0])))
    small = np.asarray(cv2.resize(gray, (wide, HEIGHT), interpolation=cv2.INTER_AREA))
    paper = int(small[small >= small.mean()].mean())
    return np.pad(small, ((0, 0), (0, WIDTH - wide)), constant_values=paper)[..., None]


def network() -> Any:
    """A fresh network: (n, 32, 256, 1) float32 -> (n, 64, 11) logits of digits and `BLANK`, from left to right."""
    from keras import Input, Model, layers

    pixels = Input((HEIGHT, WIDTH, 1))
    x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False)(pixels)
    for depth, filters in enumerate(FILTERS):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization(momentum=0.97)(x))
        x = layers.MaxPooling2D((2, 2 if depth < 2 else 1))(x)
    x = layers.Reshape((WIDTH // 4, -1))(layers.Permute((2, 1, 3))(x))
    x = layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True))(layers.Dropout(0.2)(x))
    return Model(pixels, layers.Dense(BLANK + 1)(x))


def batches(first: int, steps: int) -> Iterator[tuple[NDArray[Any], ...]]:
    """The batches of steps `first` to `steps`, made by another process ahead of time.

    Pixels, digits (n, `MOST`) from left to right, and how many they are.
    """
    with multiprocessing.get_context("spawn").Pool(1, _begin) as pool:
        asked: deque[Iterator[tuple[NDArray[Any], ...]]] = deque()
        for start in range(first, steps, AHEAD):
            asked.append(pool.imap(_batch, range(start, min(start + AHEAD, steps))))
            if len(asked) > 1:  # the next are made while these are learned from
                yield from asked.popleft()
        for made in asked:
            yield from made


def _begin() -> None:
    global _data
    cv2.setNumThreads(1)
    _data = last_split(load_dataset("mnist", "train"), 5000)[0]


def _batch(step: int) -> tuple[NDArray[Any], ...]:
    pages = [_line(np.random.default_rng([7, step, i])) for i in range(BATCH)]
    digits = np.zeros((BATCH, MOST), np.int32)
    for row, page in zip(digits, pages, strict=True):
        row[: len(page.digits)] = page.digits[np.argsort(page.boxes[:, 0] + page.boxes[:, 2] / 2)]
    counts = np.array([len(page.digits) for page in pages], np.int32)
    return np.stack([seen(page.pixels) for page in pages]), digits, counts


def _line(rng: np.random.Generator) -> Page:
    """A field whose labeled digits stand about as high as each other: in one line, as CTC reads them."""
    assert _data is not None
    while True:
        page = field(rng, _data.images, _data.labels, hard=True)
        middles = page.boxes[:, 1] + page.boxes[:, 3] / 2
        if 0 < len(page.digits) <= MOST and np.ptp(middles) < 0.6 * page.boxes[:, 3].max():
            return page


def train(steps: int) -> None:
    """Train the network and write it."""
    import tensorflow as tf

    from inkdigits.detection.learner import Learner

    def loss(logits: Any, digits: Any, counts: Any) -> Any:
        lengths = tf.fill((BATCH,), WIDTH // 4)
        each = tf.nn.ctc_loss(digits, logits, counts, lengths, logits_time_major=False, blank_index=BLANK)
        return tf.reduce_mean(each)

    batch = [
        tf.TensorSpec((BATCH, HEIGHT, WIDTH, 1), tf.uint8),
        tf.TensorSpec((BATCH, MOST), tf.int32),
        tf.TensorSpec((BATCH,), tf.int32),
    ]
    RUN.mkdir(parents=True, exist_ok=True)
    learner = Learner(network, loss, batch, OPTIMIZER, SCHEDULE, steps, seed=0)
    progress = Progress(RUN / "checkpoint.npz", {"steps": steps, "batch": BATCH})
    begun = progress.resume(learner)
    if begun == steps and (RUN / "card.json").exists():
        return
    each = enumerate(track(batches(begun, steps), "learning to read", total=steps - begun), begun)
    for step, given in each:
        last = learner.learn(step, given)
        progress.keep(learner, step + 1, steps)
        if step % 250 == 249:
            print(f"step {step + 1}: loss {last:.3f}", flush=True)
    learner.average.save(RUN / "sequences.keras")
    card = {"steps": steps, "created": datetime.now(UTC).isoformat(timespec="seconds")}
    write_atomically(RUN / "card.json", json.dumps(card))


class Reader:
    """The trained network."""

    def __init__(self) -> None:
        """Load it.

        Raises:
            MissingEngineError: it was not trained yet.
        """
        if not (RUN / "card.json").exists():  # it is written last
            raise MissingEngineError("sequences is not trained. Train it with: python benchmarks/sequences.py")
        import keras

        self._model: Any = keras.saving.load_model(RUN / "sequences.keras")
        self.card: dict[str, Any] = json.loads((RUN / "card.json").read_text(encoding="utf-8"))

    def read(self, pixels: NDArray[np.uint8]) -> str:
        """The digits of a field, ink darker than paper."""
        logits = self._model(seen(pixels)[None].astype(np.float32), training=False)
        return text_of(np.asarray(logits)[0].argmax(1).tolist())


def text_of(path: Sequence[int]) -> str:
    """The digits that a path of most likely signs stands for: what repeats is one, unless `BLANK` is between."""
    kept = [sign for sign, before in zip(path, [BLANK, *path], strict=False) if sign != before]
    return "".join(str(sign) for sign in kept if sign != BLANK)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2500, help=f"batches of {BATCH} fields")
    train(parser.parse_args().steps)


if __name__ == "__main__":
    main()
