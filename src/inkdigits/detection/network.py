"""The network that finds and names all digits of a picture at once.

Fully convolutional, as CenterNet and FCOS are (Zhou et al., 2019; Tian et al., 2019): for every place of a grid with
cells of 4 x 4 pixels it says whether a digit's middle is there, which digit, and how far its sides are. It knows
digits of 12 to 44 pixels; larger ones are found in a picture made smaller.

`layout` says once what the network is made of; `inkdigits.detection.layers` writes it for Keras, which trains it, and
`inkdigits.detection.onnx_layers` for ONNX, which runs it on pictures of any size.
"""

from __future__ import annotations

from typing import Any, Protocol

STRIDE = 4
"""Pixels per cell of the grid."""
MULTIPLE = 16
"""Height and width of a picture must be multiples of this."""
OUTPUTS = 15
"""Values per cell: 1 for "the middle of a digit", 10 for which digit, 4 for the distances to its sides."""
LIGHT_CELL, LIGHT_CELLS, INK_CELLS = 8, 5, 7
"""Paper's gray level is the mean over 5 x 5 cells of 8 x 8 pixels, the strength of ink that over 7 x 7."""
REACH = 15
"""To make light even: what is darker than all around it and narrower than so many pixels is ink, the rest is paper."""
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
