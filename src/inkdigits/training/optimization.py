"""From a recipe's words to numbers: the learning rate of every step, and the optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inkdigits.recipes import Optimizer, Schedule

if TYPE_CHECKING:
    import keras


def learning_rates(schedule: Schedule, highest: float, steps: int) -> NDArray[np.float32]:
    """The rate of each of `steps` steps, (steps,) float32, at most `highest`.

    one-cycle rises linearly from `start` over the first `warmup` of the steps and falls along half a cosine to `final`
    (Smith and Topin, 2019; Loshchilov and Hutter, 2017); cosine only falls; step multiplies by `factor` at each of
    `drops`; constant does not move.
    """
    when = (np.arange(steps) + 0.5) / max(steps, 1)  # the middle of each step, as a share of the training
    if schedule.name == "constant":
        shares = np.ones(steps)
    elif schedule.name == "step":
        shares = schedule.factor ** np.sum(when[:, None] >= np.asarray(schedule.drops)[None, :], axis=1)
    else:
        warmup = schedule.warmup if schedule.name == "one-cycle" else 0.0
        rising = schedule.start + (1 - schedule.start) * when / max(warmup, 1e-9)
        fallen = (when - warmup) / (1 - warmup)
        falling = schedule.final + (1 - schedule.final) * (1 + np.cos(np.pi * fallen)) / 2
        shares = np.where(when < warmup, rising, falling)
    return (highest * shares).astype(np.float32)


def make_optimizer(options: Optimizer) -> keras.optimizers.Optimizer:
    """The Keras optimizer of a recipe. Its learning rate is set from outside before every step."""
    import keras

    optimizers = keras.optimizers
    rate = options.learning_rate
    common = {"weight_decay": options.weight_decay or None, "global_clipnorm": options.clip_norm}
    betas = {"beta_1": options.beta_1, "beta_2": options.beta_2}
    match options.name:
        case "sgd":
            made = optimizers.SGD(rate, options.momentum, options.nesterov and options.momentum > 0, **common)
        case "adam":
            made = optimizers.Adam(rate, **betas, **common)
        case "adamw":
            made = optimizers.AdamW(rate, **betas, **common | {"weight_decay": options.weight_decay})
        case "rmsprop":
            made = optimizers.RMSprop(rate, rho=options.beta_2, momentum=options.momentum, **common)
        case "lion":
            made = optimizers.Lion(rate, **betas, **common)
        case "muon":
            # Muon orthogonalizes the updates of hidden dense kernels (Jordan et al., 2024; Liu et al., 2025); Keras
            # moves everything else, and the last layer as its authors advise, by AdamW.
            decay = options.weight_decay
            made = optimizers.Muon(
                rate, options.beta_1, options.beta_2, exclude_layers=["logits"], adam_weight_decay=decay, **common
            )
    # Decay pulls kernels only: biases and normalization have no reason to be small.
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def follow(average: keras.Model, model: keras.Model, optimizer: keras.optimizers.Optimizer, decay: float) -> None:
    """Move the average of a network's weights one step towards them; in the first steps faster, as it knows little.

    Called after each step of the optimizer, it keeps the part `decay` of the average, at most.
    """
    from keras import ops

    step = ops.cast(optimizer.iterations, "float32")
    keep = ops.minimum(decay, (1.0 + step) / (10.0 + step))
    for mean, now in zip(average.weights, model.weights, strict=True):
        mean.assign(ops.cast(mean * keep + now * (1.0 - keep), mean.dtype))
