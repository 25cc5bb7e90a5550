"""A closer look at every digit that was found: a second small network sees each one alone, at one size.

The first network names a digit from maps with cells of 4 pixels. This one sees 32 x 32 pixels around it, neighbors
included, and says which digit the middle one is, or that it is none (as the second stage of Faster R-CNN does; Ren et
al., 2015). It learns from what the first network finds on synthetic pages, false finds included.
"""

from __future__ import annotations

from typing import Any, Protocol

SIDE = 32
"""Height and width of what the network sees, in pixels."""
CONTEXT = 1.35
"""How much of the surroundings is seen, as a part of the longer side of the digit's box."""
STAGES = ((32, 1), (64, 2), (128, 2))
"""(maps, convolutions) at full size, at half of it and at a quarter."""
DENSE = 128


class Writer(Protocol):
    """What `layout` is written with; values are tensors of any kind."""

    def standardized(self, crops: Any) -> Any:
        """Every crop with a mean of 0 and a standard deviation of about 1."""
        ...

    def convolution(self, x: Any, filters: int, kernel: int = 3, stride: int = 1, active: bool = True) -> Any:
        """Convolution, batch normalization and, when `active`, ReLU."""
        ...

    def pooled(self, x: Any, down: int = 2, across: int = 2) -> Any:
        """Maximum of so many pixels down and across."""
        ...

    def dense(self, x: Any, units: int, name: str, active: bool) -> Any:
        """All values of a crop to `units` values, with a ReLU after them when `active`."""
        ...


def layout(write: Writer, crops: Any) -> Any:
    """The network: (n, 32, 32, 3) gray levels -> (n, 10) logits, against a fixed 0 for "no digit in the middle"."""
    x = write.standardized(crops)
    for filters, depth in STAGES:
        for _ in range(depth):
            x = write.convolution(x, filters)
        x = write.pooled(x)
    x = write.dense(x, DENSE, "dense", active=True)
    return write.dense(x, 10, "logits", active=False)
