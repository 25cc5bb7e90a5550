"""The networks for pages as Keras models, to train them; `inkdigits.detection.graph` runs them."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from inkdigits.detection import lines, network, refinement


def finding() -> keras.Model:
    """A fresh network that finds digits: (N, H, W, 3) float32 -> (N, H/4, W/4, `OUTPUTS`); see `network.layout`."""
    picture = keras.Input((None, None, 3), name="picture", dtype="float32")
    return keras.Model(picture, network.layout(Layers(), picture), name="page")


def refining() -> keras.Model:
    """A fresh network that takes a closer look: (n, 32, 32, 3) float32 -> (n, 10); see `refinement.layout`."""
    crops = keras.Input((refinement.SIDE, refinement.SIDE, 3), name="crops", dtype="float32")
    return keras.Model(crops, refinement.layout(Layers(), crops), name="refinement")


def lining() -> keras.Model:
    """A fresh network that looks at whole lines: (n, 32, W, 1) float32 -> (n, W / 4, 11); see `lines.layout`."""
    ink = keras.Input((lines.HEIGHT, None, 1), name="ink", dtype="float32")
    return keras.Model(ink, lines.layout(Layers(), ink), name="lines")


class Layers:
    """Writes the layouts of `network`, `refinement` and `lines` as Keras layers.

    Convolutions are named conv01, conv02, ... in the order in which they are written.
    """

    def __init__(self) -> None:
        self._count = 0

    def contrast(self, picture: Any) -> Any:
        """See `network.Writer`."""

        def around(x: Any, cells: int) -> Any:
            x = layers.AveragePooling2D(network.LIGHT_CELL, padding="same")(x)
            x = layers.AveragePooling2D(cells, 1, padding="same")(x)
            return layers.UpSampling2D(network.LIGHT_CELL, interpolation="bilinear")(x)

        ink = layers.Subtract()([around(picture, network.LIGHT_CELLS), picture])
        energy = ops.mean(around(layers.Multiply()([ink, ink]), network.INK_CELLS), axis=-1, keepdims=True)
        return layers.Multiply()([ink, ops.rsqrt(energy + network.FAINT**2)])

    def convolution(self, x: Any, filters: int, kernel: int = 3, stride: int = 1, active: bool = True) -> Any:
        """See `network.Writer`."""
        self._count += 1
        name = f"conv{self._count:02d}"
        x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=0.97, name=f"{name}_norm")(x)
        return layers.Activation("relu")(x) if active else x

    def sum(self, x: Any, y: Any, active: bool = False) -> Any:
        """See `network.Writer`."""
        total = layers.Add()([x, y])
        return layers.Activation("relu")(total) if active else total

    def doubled(self, x: Any) -> Any:
        """See `network.Writer`."""
        return layers.UpSampling2D(2)(x)

    def answers(self, x: Any) -> Any:
        """See `network.Writer`."""
        # Digits are rare: answers begin with "no digit" almost everywhere (Lin et al., 2017).
        rare = keras.initializers.Constant([-4.0] + [0.0] * 10 + [2.0] * 4)
        return keras.layers.Conv2D(network.OUTPUTS, 1, bias_initializer=rare, name="answers")(x)

    def standardized(self, crops: Any) -> Any:
        """See `refinement.Writer`."""
        rest = crops - ops.mean(crops, axis=(1, 2), keepdims=True)
        energy = ops.mean(ops.square(rest), axis=(1, 2, 3), keepdims=True)
        return rest * ops.rsqrt(energy + network.FAINT**2)

    def pooled(self, x: Any, down: int = 2, across: int = 2) -> Any:
        """See `refinement.Writer`."""
        return layers.MaxPooling2D((down, across))(x)

    def dense(self, x: Any, units: int, name: str, active: bool) -> Any:
        """See `refinement.Writer`."""
        if len(x.shape) == 4:
            x = layers.Flatten()(x)
            x = layers.Dropout(0.2)(x)
        return layers.Dense(units, "relu" if active else None, name=name)(x)

    def columns(self, x: Any) -> Any:
        """See `lines.Writer`."""
        rows, maps = x.shape[1], x.shape[3]
        return layers.Reshape((-1, rows * maps))(layers.Permute((2, 1, 3))(x))

    def recurrent(self, x: Any, units: int, name: str) -> Any:
        """See `lines.Writer`."""
        return layers.Bidirectional(layers.LSTM(units, return_sequences=True), name=name)(layers.Dropout(0.2)(x))

    def each(self, x: Any, units: int, name: str) -> Any:
        """See `lines.Writer`."""
        return layers.Dense(units, name=name)(x)
