"""Pieces that several families share. Everything here is plain Keras 3, so every backend can build it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from inkdigits.architectures.registry import Activation, Normalization, Pooling

# Mean and standard deviation of the ink of MNIST's training images.
INK_MEAN, INK_DEVIATION = 0.1307, 0.3081


def entry(crop: int = 0) -> tuple[Any, Any]:
    """The input (N, 28, 28) in [0, 1] and the same ink standardized, without `crop` pixels of margin, (N, H, W, 1)."""
    ink = keras.Input((28, 28), name="ink", dtype="float32")
    x = keras.layers.Rescaling(1 / INK_DEVIATION, -INK_MEAN / INK_DEVIATION, name="standardize")(ink)
    x = keras.layers.Reshape((28, 28, 1), name="image")(x)
    return ink, keras.layers.Cropping2D(crop, name="crop")(x) if crop else x


def logits(x: Any, inputs: Any, name: str) -> keras.Model:
    """Close a network with the linear layer that scores the ten digits."""
    return keras.Model(inputs, keras.layers.Dense(10, name="logits")(x), name=name)


def normalized(x: Any, kind: Normalization, name: str) -> Any:
    """Normalize features: over the batch, over a picture's channels, over groups of channels, or not at all."""
    match kind:
        case "batch":
            # A short memory (Keras' default is 0.99): the moving statistics must be right after few hundred steps.
            return keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        case "layer":
            return keras.layers.LayerNormalization(name=f"{name}_norm")(x)
        case "group":
            # At most 8 groups of at least 4 channels: in a dense layer a group of one would always be 0.
            channels = x.shape[-1]
            groups = next(g for g in (8, 4, 2, 1) if g == 1 or (channels % g == 0 and channels // g >= 4))
            return keras.layers.GroupNormalization(groups, name=f"{name}_norm")(x)
        case "none":
            return x


def activated(x: Any, kind: Activation, name: str) -> Any:
    """Apply an activation as a layer of its own, so that feature maps can be looked at by name."""
    return keras.layers.Activation(kind, name=f"{name}_{kind}")(x)


def pooled(x: Any, kind: Pooling, name: str) -> Any:
    """Halve height and width by maximum or average. ("stride" halves inside the convolution, "none" never.)"""
    if kind == "max":
        return keras.layers.MaxPooling2D(2, name=f"{name}_pool")(x)
    if kind == "average":
        return keras.layers.AveragePooling2D(2, name=f"{name}_pool")(x)
    return x


def dropped(x: Any, rate: float, name: str) -> Any:
    """Dropout (Srivastava et al., 2014) while training; nothing when the rate is 0."""
    return keras.layers.Dropout(rate, name=f"{name}_dropout")(x) if rate else x


def dense_stack(x: Any, units: Sequence[int], activation: Activation, normalization: Normalization, rate: float) -> Any:
    """Hidden dense layers, each followed by normalization, activation and dropout."""
    for number, count in enumerate(units, start=1):
        name = f"dense{number}"
        x = keras.layers.Dense(count, use_bias=normalization == "none", name=name)(x)
        x = dropped(activated(normalized(x, normalization, name), activation, name), rate, name)
    return x


def flattened(x: Any, prefix: str = "") -> Any:
    """All features of a picture in one row."""
    return keras.layers.Flatten(name=f"{prefix}flat")(x)


def vector(x: Any, kind: str, prefix: str = "") -> Any:
    """Maps (N, H, W, C) -> one row per picture: every value ("flatten"), or each map's mean or maximum."""
    if kind == "flatten":
        return flattened(x, prefix)
    pooling = keras.layers.GlobalAveragePooling2D if kind == "average" else keras.layers.GlobalMaxPooling2D
    return pooling(name=f"{prefix}global_{kind}")(x)
