"""A look at a whole line: a third small network says which digits stand on it, from left to right.

The others see one digit and a little around it. Where several stand on one line, as in the field of a form, this one
sees how the same hand writes the others. It learns from lines without being told where their digits are
(connectionist temporal classification; Graves et al., 2006; Shi et al., 2015), so it is asked only what it saw between
the sides of each find.
"""

from __future__ import annotations

from typing import Any, Protocol

HEIGHT, LEAST, LONGEST = 32, 8, 512
"""Height, and least and greatest width, of what the network sees, in pixels; it is not asked about longer lines."""
PAPER, MULTIPLE = 16, 16
"""At least so many pixels of paper follow at its right end, to a multiple of so many."""
REACH = 11
"""To make light even, as in `network`, but of a line."""
FRAME = 4
"""Pixels of its width to each answer."""
FILTERS = (32, 64, 128, 128)
"""Maps of the convolutions; after each the line is half as high, after the first two half as wide."""
UNITS = 128
"""Of the LSTM, in each direction."""
BLANK = 10
"""The sign for "no digit, or still the same", after the ten digits."""


class Writer(Protocol):
    """What `layout` is written with; values are tensors of any kind."""

    def convolution(self, x: Any, filters: int, kernel: int = 3, stride: int = 1, active: bool = True) -> Any:
        """Convolution, batch normalization and, when `active`, ReLU."""
        ...

    def pooled(self, x: Any, down: int = 2, across: int = 2) -> Any:
        """Maximum of so many pixels down and across."""
        ...

    def columns(self, x: Any) -> Any:
        """From left to right: the values of each column, (n, columns, values)."""
        ...

    def recurrent(self, x: Any, units: int, name: str) -> Any:
        """An LSTM in both directions: (n, columns, 2 * units)."""
        ...

    def each(self, x: Any, units: int, name: str) -> Any:
        """The values of each column to `units` values."""
        ...


def layout(write: Writer, ink: Any) -> Any:
    """The network: (n, 32, W, 1) ink, 0.0 for paper -> (n, W / 4, 11) logits of the ten digits and `BLANK`."""
    x = ink
    for depth, filters in enumerate(FILTERS):
        x = write.pooled(write.convolution(x, filters), across=2 if depth < 2 else 1)
    return write.each(write.recurrent(write.columns(x), UNITS, "lstm"), BLANK + 1, "signs")
