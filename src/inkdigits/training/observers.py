"""What training tells while it runs, and to whom."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inkdigits.errors import MissingExtraError

if TYPE_CHECKING:
    from inkdigits.recipes import Recipe


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch: a row of the history."""

    epoch: int  # 1 is the first
    loss: float  # mean training loss (cross-entropy in nats, smoothing included)
    validation_loss: float  # cross-entropy in nats, without smoothing
    validation_accuracy: float  # 0..1
    learning_rate: float  # of the epoch's last step
    seconds: float  # wall time of the epoch, its validation included
    cpu_seconds: float  # the same in CPU time of all threads
    steps_per_second: float


@dataclass(frozen=True)
class Progress:
    """Where a running epoch stands."""

    epoch: int  # 1 is the first
    step: int  # steps done in this epoch
    steps: int  # steps in an epoch
    loss: float  # mean training loss of this epoch so far
    steps_per_second: float


class Observer:
    """Is told what happens; every method may be overridden. An exception raised in one ends the training."""

    def on_crops(self, done: int, total: int) -> None:
        """So many of the synthetic pictures are made; comes before `on_start`, if the recipe asks for any."""

    def on_start(self, recipe: Recipe, *, parameters: int, steps: int, history: Sequence[EpochRecord]) -> None:
        """Training is about to begin (or to go on, if `history` holds epochs); `steps` make an epoch."""

    def on_progress(self, progress: Progress) -> None:
        """Some steps are done; comes at least ten times an epoch."""

    def on_epoch(self, record: EpochRecord) -> None:
        """An epoch is finished, validated and, if there is a checkpoint, safe on disk."""

    def on_end(self) -> None:
        """Training is over: finished, interrupted or failed."""


class Observers(Observer):
    """Several observers as one, told in order."""

    def __init__(self, *observers: Observer | None) -> None:
        self._observers = [observer for observer in observers if observer is not None]

    def on_crops(self, done: int, total: int) -> None:
        """Pass on."""
        for observer in self._observers:
            observer.on_crops(done, total)

    def on_start(self, recipe: Recipe, *, parameters: int, steps: int, history: Sequence[EpochRecord]) -> None:
        """Pass on."""
        for observer in self._observers:
            observer.on_start(recipe, parameters=parameters, steps=steps, history=history)

    def on_progress(self, progress: Progress) -> None:
        """Pass on."""
        for observer in self._observers:
            observer.on_progress(progress)

    def on_epoch(self, record: EpochRecord) -> None:
        """Pass on."""
        for observer in self._observers:
            observer.on_epoch(record)

    def on_end(self) -> None:
        """Pass on."""
        for observer in self._observers:
            observer.on_end()


class TensorBoard(Observer):
    """Writes each epoch's figures for TensorBoard into a folder.

    Raises:
        MissingExtraError: TensorFlow or TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        for package in ("tensorflow", "tensorboard"):  # tf.summary needs both
            if importlib.util.find_spec(package) is None:
                raise MissingExtraError(package, "train")
        import tensorflow as tf

        self._tf = tf
        self._writer = tf.summary.create_file_writer(str(folder))

    def on_epoch(self, record: EpochRecord) -> None:
        """Write one point of each curve."""
        with self._writer.as_default(step=record.epoch):
            self._tf.summary.scalar("loss/training", record.loss)
            self._tf.summary.scalar("loss/validation", record.validation_loss)
            self._tf.summary.scalar("accuracy/validation", record.validation_accuracy)
            self._tf.summary.scalar("learning_rate", record.learning_rate)
            self._tf.summary.scalar("speed/steps_per_second", record.steps_per_second)
        self._writer.flush()

    def on_end(self) -> None:
        """Close the log."""
        self._writer.close()
