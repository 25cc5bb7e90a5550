"""The core of training: a recipe and two datasets in, a trained network and its history out."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inkdigits.augmentation import strengths
from inkdigits.datasets import Dataset
from inkdigits.errors import DivergenceError, RecipeError
from inkdigits.recipes import Recipe
from inkdigits.training.checkpoints import Checkpoint
from inkdigits.training.crops import Crops
from inkdigits.training.observers import EpochRecord, Observer, Progress
from inkdigits.training.optimization import learning_rates
from inkdigits.training.preparation import prepared

if TYPE_CHECKING:
    import keras

    from inkdigits.training.engines import Engine


@dataclass(frozen=True)
class Fitted:
    """A trained network and how it came to be."""

    model: keras.Model  # (N, 28, 28) float32 in [0, 1] -> (N, 10) logits
    history: list[EpochRecord]
    seconds: float  # wall time of training, all sittings together
    cpu_seconds: float  # CPU time of all threads; imports are not counted, building the graph is
    validation_logits: NDArray[np.float32] = field(repr=False)  # (V, 10), of the finished model
    validation_labels: NDArray[np.uint8] = field(repr=False)  # (V,); 10 for no digit
    images: int = 0  # training images seen in each epoch


def fit(
    recipe: Recipe,
    train: Dataset,
    validation: Dataset,
    *,
    seed: int | None = None,
    crops: Crops | None = None,
    teachers: Mapping[str, keras.Model] | None = None,
    checkpoint: Path | None = None,
    observer: Observer | None = None,
    notes: Mapping[str, str] | None = None,
) -> Fitted:
    """Train a network.

    On the TensorFlow backend the same recipe, seed and data give the same weights, bit for bit, on one machine (other
    backends may round differently from run to run). With a `checkpoint`, every finished epoch is written there, and if
    the file exists training goes on from it, to the very same weights.

    Args:
        recipe: how to train.
        train: images to learn from; `recipe.train_images` of them if set.
        validation: images to measure on after each epoch; nothing is learned from them.
        seed: `recipe.seed` unless given.
        crops: synthetic pictures to learn from as well, and held-out ones to calibrate with.
        teachers: SHA-256 of each network that `recipe.distillation` names -> the network.
        checkpoint: a file (.npz) that keeps the state; a folder for it is made.
        observer: is told of every step forward.
        notes: kept in the checkpoint for whoever goes on with it.

    Returns:
        The trained network with its history and its answers on `validation`.

    Raises:
        DivergenceError: the loss became infinite or not a number.
        RecipeError: there are too few images, or the checkpoint belongs to another recipe, seed or data.
    """
    from inkdigits.training.engines import engine_kind

    _check_given(recipe, crops, teachers)
    observer = observer or Observer()
    clock = Clock()
    seed = recipe.seed if seed is None else seed
    images, labels = prepared(train, recipe.train_images)
    held_images, held_labels = prepared(validation)
    if crops is not None:
        images, labels = np.concatenate([images, crops.images]), np.concatenate([labels, crops.labels])
    engine = engine_kind()(recipe, seed, images, labels, tuple((teachers or {}).values()))
    # The crops follow from recipe, seed and data, for one version of what makes them.
    identity = {"recipe": recipe.to_dict(), "seed": seed, "train": train.sha256, "validation": validation.sha256}
    identity |= {"teachers": list(teachers)} if teachers else {}
    history = _begun(engine, checkpoint, Checkpoint(identity, [], engine.state(), notes or {}))
    steps = recipe.epochs * engine.steps
    rates = learning_rates(recipe.schedule, recipe.optimizer.learning_rate or 0.0, steps)
    eased = strengths(recipe.augmentation, steps)
    observer.on_start(recipe, parameters=engine.model.count_params(), steps=engine.steps, history=history)
    try:
        for number in range(len(history) + 1, recipe.epochs + 1):
            order = np.random.default_rng([seed, number]).permutation(len(images))[: engine.steps * engine.batch]
            now = slice((number - 1) * engine.steps, number * engine.steps)
            reporter = _reporter(number, engine.steps, observer)
            loss = engine.epoch(order.astype(np.int32), rates[now], eased[now], reporter)
            answers = engine.logits(held_images)
            history.append(_record(number, loss, answers, held_labels, rates[now], clock))
            if checkpoint:
                Checkpoint(identity, history, engine.state(), notes or {}).save(checkpoint)
            observer.on_epoch(history[-1])
    finally:
        observer.on_end()
    return Fitted(
        model=engine.result,
        history=history,
        seconds=sum(record.seconds for record in history),
        cpu_seconds=sum(record.cpu_seconds for record in history),
        validation_logits=engine.logits(held_images if crops is None else _joined(held_images, crops.held_images)),
        validation_labels=held_labels if crops is None else _joined(held_labels, crops.held_labels),
        images=len(images),
    )


class Clock:
    """Laps of wall time and of the CPU time of all threads."""

    def __init__(self) -> None:
        self._last = (time.perf_counter(), time.process_time())

    def lap(self) -> tuple[float, float]:
        """(wall, CPU) seconds since the last lap."""
        now = (time.perf_counter(), time.process_time())
        before, self._last = self._last, now
        return now[0] - before[0], now[1] - before[1]


def _check_given(recipe: Recipe, crops: Crops | None, teachers: Mapping[str, keras.Model] | None) -> None:
    """Refuse to train without what the recipe asks for."""
    if (recipe.synthetic.digits or recipe.synthetic.others) and crops is None:
        raise RecipeError("Expected synthetic pictures, which the recipe asks for. `inkdigits train` makes them.")
    if recipe.distillation.teachers and not teachers:
        raise RecipeError("Expected the teachers that the recipe names. `inkdigits train` loads them.")


def _begun(engine: Engine, path: Path | None, first: Checkpoint) -> list[EpochRecord]:
    """Write the first checkpoint, or bring the engine to where the one on disk stands; returns its history."""
    if path is None:
        return []
    if not path.exists():
        first.save(path)
        return []
    checkpoint = Checkpoint.load(path)
    known = dict(checkpoint.identity)
    with contextlib.suppress(KeyError, TypeError, RecipeError):  # options that came later are at their defaults
        known["recipe"] = Recipe.from_mapping(known["recipe"]).to_dict()
    odd = [name for name in {**first.identity, **known} if known.get(name) != first.identity.get(name)]
    if odd:
        raise RecipeError(
            f"Expected {path} to hold a training with the same recipe, seed and data; its {', '.join(odd)} differs. "
            "Resume with what it began with, or train into another folder."
        )
    engine.restore(checkpoint.state)
    return list(checkpoint.history)


def _reporter(epoch: int, steps: int, observer: Observer) -> Callable[[int, float], None]:
    """What an engine calls while an epoch runs: tells the observer, stops when the loss is lost."""
    began = time.perf_counter()

    def report(step: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise DivergenceError(
                f"Expected a finite loss; it became {loss} in epoch {epoch}, by step {step}. "
                "Lower optimizer.learning_rate or set optimizer.clip_norm (1.0, say)."
            )
        speed = step / max(time.perf_counter() - began, 1e-9)
        observer.on_progress(Progress(epoch, step, steps, loss, speed))

    return report


def _record(
    number: int,
    loss: float,
    answers: NDArray[np.float32],
    labels: NDArray[np.uint8],
    rates: NDArray[np.float32],
    clock: Clock,
) -> EpochRecord:
    """The history's row of an epoch that is over."""
    shifted = answers.astype(np.float64) - answers.max(axis=1, keepdims=True)
    surprise = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    wall, cpu = clock.lap()
    return EpochRecord(
        epoch=number,
        loss=loss,
        validation_loss=float(surprise.mean()),
        validation_accuracy=float(np.mean(answers.argmax(axis=1) == labels)),
        learning_rate=float(rates[-1]),
        seconds=wall,
        cpu_seconds=cpu,
        steps_per_second=len(rates) / max(wall, 1e-9),
    )


def _joined(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([first, second])
