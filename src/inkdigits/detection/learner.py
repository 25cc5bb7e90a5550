"""A network for pages in training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inkdigits.errors import DivergenceError
from inkdigits.recipes import Optimizer
from inkdigits.training.checkpoints import named, restore, state_of
from inkdigits.training.engines import seeded
from inkdigits.training.optimization import follow, make_optimizer

AVERAGE = 0.998
"""How much of the average of the weights is kept in a step."""


class Learner:
    """A network, the average of its weights and its optimizer; one TensorFlow function per step.

    Args:
        build: makes the network.
        loss: of the network's answers and what was wanted, the rest of a batch.
        batch: shape and dtype of what a batch holds; pictures come first.
        optimizer: of the weights; its own learning rate does not count.
        rates: (steps,) the learning rate of each step.
        seed: of the weights.
    """

    def __init__(
        self,
        build: Callable[[], Any],
        loss: Callable[..., Any],
        batch: Sequence[tf.TensorSpec],
        optimizer: Optimizer,
        rates: NDArray[np.float32],
        seed: int,
    ) -> None:
        with seeded(seed):
            self.model, self.average = build(), build()
        self.average.set_weights(self.model.get_weights())
        self.optimizer = make_optimizer(optimizer)
        self.optimizer.build(self.model.trainable_variables)
        self._rates = rates
        self._loss = loss
        self._step = tf.function(self._one_step, input_signature=batch)

    def learn(self, step: int, batch: Sequence[NDArray[Any]]) -> float:
        """One step; returns its loss.

        Raises:
            DivergenceError: the loss became infinite or not a number.
        """
        self.optimizer.learning_rate.assign(self._rates[step])
        loss = float(self._step(*batch))
        if not math.isfinite(loss):
            raise DivergenceError(f"Expected a finite loss; it became {loss} in step {step + 1}.")
        return loss

    def _one_step(self, pixels: Any, *wanted: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = self._loss(self.model(tf.cast(pixels, tf.float32), training=True), *wanted)
        weights = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        follow(self.average, self.model, self.optimizer, AVERAGE)
        return loss

    def _variables(self) -> dict[str, Any]:
        """Everything that changes while learning; a model's variables hold the state of dropout, too."""
        average, optimizer = self.average.weights, self.optimizer.variables
        return named({"model": self.model.variables, "average": average, "optimizer": optimizer})

    def state(self) -> dict[str, NDArray[Any]]:
        """A copy of everything that changes while learning."""
        return state_of(self._variables())

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from where `state` was taken.

        Raises:
            RecipeError: the state belongs to another network or optimizer.
        """
        restore(self._variables(), state)
