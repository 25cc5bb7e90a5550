"""Steps of training: on TensorFlow many inside one graph, on any other Keras backend one after the other.

Both follow the same recipe: gather a batch, augment it, one step of the optimizer, one step of the weight average.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.augmentation import augment
from inkdigits.recipes import Distillation, Recipe
from inkdigits.training.checkpoints import named, restore, state_of
from inkdigits.training.optimization import follow, make_optimizer

Report = Callable[[int, float], None]  # (steps done in this epoch, mean loss so far)
Loss = Callable[[Any, Any], Any]  # (targets, logits) -> a number
REPORTS = 20  # progress reports in an epoch; each costs one call into the graph
CHUNK = 1000  # images in a forward pass without training


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make everything that Keras initializes inside a block follow from `seed`, and disturb no one's random state.

    Keras draws the seed of each initializer and of each dropout layer from Python's `random`.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def use_threads(count: int | None) -> None:
    """Let TensorFlow calculate with so many threads; None, or a process that has calculated already: as it is."""
    if count is None or keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    with suppress(RuntimeError):  # it is too late
        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(count)


class Engine:
    """A network in training: its weights, optimizer, weight average and random state; one step at a time.

    Args:
        recipe: how to train.
        seed: of the initial weights, augmentation and dropout.
        images: (N, 28, 28) uint8, 0 paper .. 255 ink.
        labels: (N,) uint8, 0..9; 10 for an image that shows no digit.
        teachers: networks whose answers are learned as well, as `recipe.distillation` says.
    """

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        teachers: Sequence[keras.Model] = (),
    ) -> None:
        self.recipe, self.images, self.teachers = recipe, images, teachers
        # Against non-digits the ten logits compete with a fixed 0: their log-sum-exp, the (negative) free energy of
        # Liu et al. (2020), becomes the logit of "this is a digit", and no architecture needs an output more.
        self.open = bool(len(labels)) and int(labels.max()) > 9
        self.targets = np.eye(11 if self.open else 10, dtype=np.float32)[labels]
        self.batch = min(recipe.batch_size, len(images))
        self.steps = len(images) // self.batch  # what is left over waits for another epoch's order
        with seeded(seed):
            self.model = recipe.architecture.options.build()
            self.noise = keras.random.SeedGenerator(random.randrange(2**31))
            self.average = recipe.architecture.options.build() if recipe.averaging.decay else None
        if self.average is not None:
            self.average.set_weights(self.model.get_weights())
        self.optimizer = make_optimizer(recipe.optimizer)
        self.optimizer.build(self.model.trainable_variables)
        entropy = keras.losses.CategoricalCrossentropy(True, label_smoothing=recipe.loss.label_smoothing)
        self.loss = (lambda targets, logits: entropy(targets, _with_zero(logits))) if self.open else entropy
        if teachers:
            self.loss = _distilling(self.loss, recipe.distillation)
        self._prepare()

    def _prepare(self) -> None:
        """What a kind of engine needs beyond this, once everything is there."""

    @property
    def result(self) -> keras.Model:
        """The network to validate and to keep: the average of weights if there is one."""
        return self.model if self.average is None else self.average

    def epoch(
        self, order: NDArray[np.int32], rates: NDArray[np.float32], strengths: NDArray[np.float32], report: Report
    ) -> float:
        """Train on batches of `order`; return the mean loss.

        Args:
            order: (steps * batch,) places of images.
            rates: (steps,) learning rates.
            strengths: (steps,) how much of each limit of the augmentation holds.
            report: is told of progress.
        """
        order = order.reshape(self.steps, self.batch)
        stride = max(1, -(-self.steps // REPORTS))
        total = 0.0
        for first in range(0, self.steps, stride):
            end = min(first + stride, self.steps)
            total += self._train(order[first:end], rates[first:end], strengths[first:end])
            report(end, total / end)
        return total / self.steps

    def _train(self, order: NDArray[np.int32], rates: NDArray[np.float32], strengths: NDArray[np.float32]) -> float:
        """Train on some batches, (count, batch), and return the sum of their losses."""
        if not getattr(self.model, "compiled", False):
            self.model.compile(self.optimizer, self.loss)
        total = 0.0
        for indices, rate, strength in zip(order, rates, strengths, strict=True):
            self.optimizer.learning_rate = float(rate)
            inputs = self._inputs(self.images[indices], float(strength))
            targets = self._taught(inputs, keras.ops.convert_to_tensor(self.targets[indices]))
            total += float(self.model.train_on_batch(inputs, targets))
            self._average()
        return total

    def _inputs(self, images: Any, strength: Any) -> Any:
        """Images as the network takes them, each changed a little: (B, 28, 28) float32 in [0, 1]."""
        return augment(keras.ops.cast(images, "float32") / 255.0, self.recipe.augmentation, self.noise, strength)

    def _taught(self, inputs: Any, targets: Any) -> Any:
        """What is to be learned: the targets, beside them the teachers' probabilities (B, 10) where there are any."""
        if not self.teachers:
            return targets
        temperature = self.recipe.distillation.temperature
        answers = [keras.ops.softmax(teacher(inputs, training=False) / temperature) for teacher in self.teachers]
        return keras.ops.concatenate([targets, sum(answers) / len(answers)], axis=1)

    def _average(self) -> None:
        if self.average is not None:
            follow(self.average, self.model, self.optimizer, self.recipe.averaging.decay)

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The answers of `result`: (N, 28, 28) uint8 -> (N, 10) float32."""
        parts = [self._forward(images[i : i + CHUNK]) for i in range(0, len(images), CHUNK)]
        return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts]).astype(np.float32)

    def _forward(self, images: Any) -> Any:
        return self.result(keras.ops.cast(images, "float32") / 255.0, training=False)

    def _variables(self) -> dict[str, Any]:
        """Everything that changes while training."""
        return named(
            {
                "model": self.model.variables,
                "optimizer": self.optimizer.variables,
                "average": [] if self.average is None else self.average.weights,
                "noise": [self.noise.state],
            }
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """A copy of everything that changes while training."""
        return state_of(self._variables())

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from where `state` was taken.

        Raises:
            RecipeError: the state belongs to another network or optimizer.
        """
        restore(self._variables(), state)


class TensorFlowEngine(Engine):
    """The same, with every step inside one TensorFlow graph: Python is not asked between steps."""

    def _prepare(self) -> None:
        import tensorflow as tf

        self._tf = tf
        self._all_images, self._all_targets = tf.constant(self.images), tf.constant(self.targets)
        signature = [tf.TensorSpec((None, self.batch), tf.int32), *[tf.TensorSpec((None,), tf.float32)] * 2]
        self._run = tf.function(self._loop, input_signature=signature, autograph=False)
        answered = [tf.TensorSpec((None, 28, 28), tf.uint8)]
        self._answer = tf.function(super()._forward, input_signature=answered, autograph=False)

    def _train(self, order: NDArray[np.int32], rates: NDArray[np.float32], strengths: NDArray[np.float32]) -> float:
        return float(self._run(order, rates, strengths))

    def _forward(self, images: Any) -> Any:
        return self._answer(images)

    def _loop(self, order: Any, rates: Any, strengths: Any) -> Any:
        """All steps of `order` (count, batch) in a while loop of the graph; returns the sum of losses."""
        tf = self._tf

        def step(i: Any, total: Any) -> tuple[Any, Any]:
            inputs = self._inputs(tf.gather(self._all_images, order[i]), strengths[i])
            targets = self._taught(inputs, tf.gather(self._all_targets, order[i]))
            with tf.GradientTape() as tape:
                loss = self.loss(targets, self.model(inputs, training=True))
            weights = self.model.trainable_variables
            self.optimizer.learning_rate.assign(rates[i])
            self.optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
            self._average()
            return i + 1, total + loss

        count = tf.shape(order)[0]
        return tf.while_loop(lambda i, _: i < count, step, (0, 0.0), parallel_iterations=1)[1]


def _with_zero(logits: Any) -> Any:
    """(B, 10) -> (B, 11): a fixed logit of 0 for "no digit"."""
    return keras.ops.pad(logits, ((0, 0), (0, 1)))


def _distilling(loss: Loss, options: Distillation) -> Loss:
    """A loss of (targets with the teachers' probabilities beside them, logits): part the labels', part the teachers'.

    The gradient of softened answers is smaller by the temperature's square, which the factor makes up for.
    """

    def both(taught: Any, logits: Any) -> Any:
        answers = keras.ops.log_softmax(logits / options.temperature)
        surprise = -keras.ops.mean(keras.ops.sum(taught[:, -10:] * answers, axis=1)) * options.temperature**2
        return (1 - options.weight) * loss(taught[:, :-10], logits) + options.weight * surprise

    return both


def engine_kind() -> type[Engine]:
    """The engine for the Keras backend in use."""
    return TensorFlowEngine if keras.backend.backend() == "tensorflow" else Engine
