"""A closer look at every digit that was found: a second small network sees each one alone, at one size.

The first network names a digit from maps with cells of 4 pixels. This one sees 32 x 32 pixels around it, neighbors
included, and says which digit the middle one is, or that it is none (as the second stage of Faster R-CNN does; Ren et
al., 2015). It learns from what the first network finds on synthetic pages, false finds included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import keras

SIDE = 32
"""Height and width of what the network sees, in pixels."""
CONTEXT = 1.35
"""How much of the surroundings is seen, as a part of the longer side of the digit's box."""
FILTERS = (24, 48, 96)
DENSE = 128


class Writer(Protocol):
    """What `layout` is written with; values are tensors of any kind."""

    def standardized(self, crops: Any) -> Any:
        """Every crop with a mean of 0 and a standard deviation of about 1."""
        ...

    def convolution(self, x: Any, filters: int, kernel: int = 3, stride: int = 1, active: bool = True) -> Any:
        """Convolution, batch normalization and, when `active`, ReLU."""
        ...

    def pooled(self, x: Any) -> Any:
        """Half as high and wide, by maximum."""
        ...

    def dense(self, x: Any, units: int, name: str, active: bool) -> Any:
        """All values of a crop to `units` values, with a ReLU after them when `active`."""
        ...


def layout(write: Writer, crops: Any) -> Any:
    """The network: (n, 32, 32, 3) gray levels -> (n, 10) logits, against a fixed 0 for "no digit in the middle"."""
    x = write.standardized(crops)
    for filters in FILTERS:
        x = write.pooled(write.convolution(x, filters))
    x = write.dense(x, DENSE, "dense", active=True)
    return write.dense(x, 10, "logits", active=False)


def build() -> keras.Model:
    """A fresh network; see `layout`."""
    import keras

    crops = keras.Input((SIDE, SIDE, 3), name="crops", dtype="float32")
    return keras.Model(crops, layout(Layers(), crops), name="refinement")


class Layers:
    """Writes the network as Keras layers."""

    def __init__(self) -> None:
        self._count = 0

    def standardized(self, crops: Any) -> Any:
        """See `Writer`."""
        from keras import ops

        rest = crops - ops.mean(crops, axis=(1, 2), keepdims=True)
        energy = ops.mean(ops.square(rest), axis=(1, 2, 3), keepdims=True)
        return rest * ops.rsqrt(energy + 64.0)

    def convolution(self, x: Any, filters: int, kernel: int = 3, stride: int = 1, active: bool = True) -> Any:
        """See `Writer`."""
        from keras import layers

        self._count += 1
        name = f"conv{self._count:02d}"
        x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=0.97, name=f"{name}_norm")(x)
        return layers.Activation("relu")(x) if active else x

    def pooled(self, x: Any) -> Any:
        """See `Writer`."""
        from keras import layers

        return layers.MaxPooling2D(2)(x)

    def dense(self, x: Any, units: int, name: str, active: bool) -> Any:
        """See `Writer`."""
        from keras import layers

        if len(x.shape) == 4:
            x = layers.Flatten()(x)
            x = layers.Dropout(0.2)(x)
        return layers.Dense(units, "relu" if active else None, name=name)(x)
