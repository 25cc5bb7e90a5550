"""The network that finds and names all digits of a picture at once.

Fully convolutional, as CenterNet and FCOS are (Zhou et al., 2019; Tian et al., 2019): for every place of a grid with
cells of 4 x 4 pixels it says whether a digit's middle is there, which digit, and how far its sides are. It knows
digits of 12 to 44 pixels; larger ones are found in a picture made smaller.

`layout` says once what the network is made of; `Layers` writes it for Keras, which trains it, and
`inkdigits.detection.graph` for ONNX, which runs it on pictures of any size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import keras

STRIDE = 4
"""Pixels per cell of the grid."""
MULTIPLE = 16
"""Height and width of a picture must be multiples of this."""
OUTPUTS = 15
"""Values per cell: 1 for "the middle of a digit", 10 for which digit, 4 for the distances to its sides."""
LIGHT_CELL, LIGHT_CELLS, INK_CELLS = 8, 5, 7
"""Paper's gray level is the mean over 5 x 5 cells of 8 x 8 pixels, the strength of ink that over 7 x 7."""
FAINT = 8.0
"""Below this many gray levels contrast is rather noise than ink."""
FILTERS = (16, 32, 64, 96)
"""Maps at 1/2, 1/4, 1/8 and 1/16 of the picture's size."""
HEAD = 48
"""Maps of the last layer before the answers."""


class Writer(Protocol):
    """What `layout` is written with; values are tensors of any kind."""

    def contrast(self, picture: Any) -> Any:
        """Ink as the difference to the paper around it, in units of how much ink there is around."""
        ...

    def convolution(self, x: Any, filters: int, kernel: int = 3, stride: int = 1, active: bool = True) -> Any:
        """Convolution, batch normalization and, when `active`, ReLU."""
        ...

    def sum(self, x: Any, y: Any, active: bool = False) -> Any:
        """x + y, with a ReLU after it when `active`."""
        ...

    def doubled(self, x: Any) -> Any:
        """Twice as high and wide; every value becomes four."""
        ...

    def answers(self, x: Any) -> Any:
        """A convolution 1 x 1 to `OUTPUTS` values, with a bias."""
        ...


def layout(write: Writer, picture: Any) -> Any:
    """The network: (N, H, W, 3) gray levels 0..255, ink darker than paper -> (N, H/4, W/4, `OUTPUTS`)."""

    def residual(x: Any, filters: int) -> Any:
        y = write.convolution(write.convolution(x, filters), filters, active=False)
        return write.sum(x, y, active=True)

    half, quarter, eighth, sixteenth = FILTERS
    x = write.convolution(write.contrast(picture), half, stride=2)
    x = write.convolution(x, quarter, stride=2)
    fine = residual(x, quarter)
    x = write.convolution(fine, eighth, stride=2)
    middle = residual(residual(x, eighth), eighth)
    x = write.convolution(middle, sixteenth, stride=2)
    x = residual(residual(x, sixteenth), sixteenth)
    x = write.doubled(write.convolution(x, eighth, kernel=1))
    x = write.convolution(write.sum(x, middle), eighth)
    x = write.doubled(write.convolution(x, HEAD, kernel=1))
    x = write.sum(x, write.convolution(fine, HEAD, kernel=1))
    return write.answers(write.convolution(x, HEAD))


def build() -> keras.Model:
    """A fresh network: (N, H, W, 3) float32 -> (N, H/4, W/4, `OUTPUTS`); see `layout`."""
    import keras

    picture = keras.Input((None, None, 3), name="picture", dtype="float32")
    return keras.Model(picture, layout(Layers(), picture), name="page")


class Layers:
    """Writes the network as Keras layers; convolutions are named conv01, conv02, ... in the order of `layout`."""

    def __init__(self) -> None:
        self._count = 0

    def contrast(self, picture: Any) -> Any:
        """See `Writer`."""
        from keras import layers, ops

        def around(x: Any, cells: int) -> Any:
            x = layers.AveragePooling2D(LIGHT_CELL, padding="same")(x)
            x = layers.AveragePooling2D(cells, 1, padding="same")(x)
            return layers.UpSampling2D(LIGHT_CELL, interpolation="bilinear")(x)

        ink = layers.Subtract()([around(picture, LIGHT_CELLS), picture])
        energy = ops.mean(around(layers.Multiply()([ink, ink]), INK_CELLS), axis=-1, keepdims=True)
        return layers.Multiply()([ink, ops.rsqrt(energy + FAINT**2)])

    def convolution(self, x: Any, filters: int, kernel: int = 3, stride: int = 1, active: bool = True) -> Any:
        """See `Writer`."""
        from keras import layers

        self._count += 1
        name = f"conv{self._count:02d}"
        x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=0.97, name=f"{name}_norm")(x)
        return layers.Activation("relu")(x) if active else x

    def sum(self, x: Any, y: Any, active: bool = False) -> Any:
        """See `Writer`."""
        from keras import layers

        total = layers.Add()([x, y])
        return layers.Activation("relu")(total) if active else total

    def doubled(self, x: Any) -> Any:
        """See `Writer`."""
        from keras import layers

        return layers.UpSampling2D(2)(x)

    def answers(self, x: Any) -> Any:
        """See `Writer`."""
        import keras

        # Digits are rare: answers begin with "no digit" almost everywhere (Lin et al., 2017).
        rare = keras.initializers.Constant([-4.0] + [0.0] * 10 + [2.0] * 4)
        return keras.layers.Conv2D(OUTPUTS, 1, bias_initializer=rare, name="answers")(x)
