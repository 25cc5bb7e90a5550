"""Label-preserving changes to batches of training images, inside the graph of any Keras backend.

A batch is turned, moved, scaled, sheared and bent in one resampling (Simard, Steinkraus and Platt, 2003), then its
strokes are made thicker or thinner. Images are (N, 28, 28) float32 in [0, 1], 0.0 paper and 1.0 ink, and stay so.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.options import Options, option

if TYPE_CHECKING:
    import keras

SIDE = 28


@dataclass(frozen=True)
class Augmentation(Options):
    """How far each change may go; every image draws its own amounts, evenly between minus and plus the limit."""

    rotation: float = option(0.0, "turn, either way", low=0, high=45, unit="degrees")
    shift: float = option(0.0, "move, along each axis", low=0, high=8, unit="pixels")
    scale: float = option(0.0, "grow or shrink, each axis for itself", low=0, high=0.5, unit="share of the size")
    shear: float = option(0.0, "slant, either way", low=0, high=45, unit="degrees")
    elastic: float = option(
        0.0, "standard deviation of how far points are pushed by a smooth random field", low=0, high=4, unit="pixels"
    )
    elastic_smoothness: float = option(
        5.0, "distance over which points are pushed alike", low=2, high=14, unit="pixels"
    )
    thickness: float = option(
        0.0,
        "widen strokes on each side by up to this, or narrow them by up to half of it",
        low=0,
        high=3,
        unit="pixels",
    )
    ease: float = option(
        0.0,
        "share of all steps, the last, over which changes shrink to none: the end is learned from images as they are",
        low=0,
        high=1,
    )

    @classmethod
    def where(cls) -> str:
        """Recipes spell these `augmentation.option`."""
        return "augmentation."

    @property
    def moves(self) -> bool:
        """Whether pixels change their place."""
        return any((self.rotation, self.shift, self.scale, self.shear, self.elastic))


def strengths(options: Augmentation, steps: int) -> NDArray[np.float32]:
    """How much of each limit holds at each step of a training: (steps,) float32, 1.0 until changes ease."""
    left = 1 - (np.arange(steps) + 0.5) / max(steps, 1)  # of the training, from the middle of each step
    return np.minimum(1.0, left / max(options.ease, 1e-9)).astype(np.float32)


def augment(images: Any, options: Augmentation, seed: keras.random.SeedGenerator, strength: Any = 1.0) -> Any:
    """Change every image of a batch a little.

    Args:
        images: (N, 28, 28) float32 in [0, 1], 0.0 paper and 1.0 ink; a tensor of the Keras backend in use.
        options: how far each change may go; nothing is changed where all limits are 0.
        seed: draws the amounts. The same state gives the same amounts, and every call moves it on.
        strength: how much of each limit holds, a number or scalar tensor, 0.0 .. 1.0.

    Returns:
        (N, 28, 28) float32 in [0, 1].
    """
    if options.moves:
        rows, columns = _places(images, options, seed, strength)
        images = _sampled(images, rows, columns)
    if options.thickness:
        images = _thickened(images, options.thickness, seed, strength)
    return images


def _places(images: Any, options: Augmentation, seed: keras.random.SeedGenerator, strength: Any) -> tuple[Any, Any]:
    """Where each pixel of the result comes from: rows and columns, each (N, 28, 28) float32, in pixels."""
    from keras import ops, random

    count = ops.shape(images)[0]
    draws = random.uniform((6, count, 1, 1), -1.0, 1.0, seed=seed) * strength
    turn = draws[0] * math.radians(options.rotation)
    slant = ops.tan(draws[1] * math.radians(options.shear))
    # Growing by s and shrinking by 1/s are equally likely; sampling goes from the result back to the source.
    grow = math.log1p(options.scale)
    tall, wide = ops.exp(-draws[2] * grow), ops.exp(-draws[3] * grow)
    cosine, sine = ops.cos(turn), ops.sin(turn)
    middle = (SIDE - 1) / 2
    line = ops.arange(SIDE, dtype="float32") - middle
    y, x = ops.reshape(line, (1, SIDE, 1)), ops.reshape(line, (1, 1, SIDE))
    rows = (cosine * y - sine * x) * tall
    columns = (sine * y + cosine * x) * wide + slant * y
    rows = rows + (middle + draws[4] * options.shift)
    columns = columns + (middle + draws[5] * options.shift)
    if options.elastic:
        push = _field(count, options, seed) * strength
        rows, columns = rows + push[0], columns + push[1]
    return rows, columns


def _field(count: Any, options: Augmentation, seed: keras.random.SeedGenerator) -> Any:
    """A smooth random field of pushes, (2, N, 28, 28) float32 in pixels: noise on a coarse grid, spread by Gaussians.

    Each value is a weighted sum of independent noise, so two products with a small matrix do the whole batch.
    """
    from keras import ops, random

    spread = _spread(options.elastic_smoothness)
    noise = random.normal((2, count, spread.shape[1], spread.shape[1]), seed=seed)
    matrix = ops.convert_to_tensor(spread)
    return ops.matmul(ops.matmul(matrix, noise), ops.transpose(matrix)) * options.elastic


@functools.cache
def _spread(smoothness: float) -> NDArray[np.float32]:
    """(28, K): how much each of K knots, half a `smoothness` apart, counts at each pixel; squares of a row sum to 1."""
    step = smoothness / 2
    knots = np.arange(-smoothness, SIDE - 1 + smoothness + step, step)
    weights = np.exp(-0.5 * ((np.arange(SIDE)[:, None] - knots[None, :]) / (smoothness / math.sqrt(2))) ** 2)
    spread: NDArray[np.float32] = weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return spread.astype(np.float32)


def _sampled(images: Any, rows: Any, columns: Any) -> Any:
    """Bilinear samples of each image at its own places; outside is paper. All (N, 28, 28) float32.

    The four neighbors of every place stand side by side in one table, so that one gather fetches them together:
    gathers, not arithmetic, are what this costs.
    """
    from keras import ops

    count, side = ops.shape(images)[0], SIDE + 1
    padded = ops.pad(images, ((0, 0), (1, 1), (1, 1)))
    corners = [padded[:, :-1, :-1], padded[:, :-1, 1:], padded[:, 1:, :-1], padded[:, 1:, 1:]]
    table = ops.reshape(ops.stack(corners, axis=-1), (count * side * side, 4))
    # One pixel outside all four neighbors are paper or fade into it: places beyond need no other treatment.
    rows, columns = ops.clip(rows + 1.0, 0.0, side - 1e-3), ops.clip(columns + 1.0, 0.0, side - 1e-3)
    top, left = ops.floor(rows), ops.floor(columns)
    first = ops.reshape(ops.arange(count, dtype="int32") * (side * side), (count, 1, 1))
    near = ops.take(table, first + ops.cast(top * side + left, "int32"), axis=0)
    down, right = rows - top, columns - left
    above = near[..., 0] + right * (near[..., 1] - near[..., 0])
    below = near[..., 2] + right * (near[..., 3] - near[..., 2])
    return above + down * (below - above)


def _thickened(images: Any, limit: float, seed: keras.random.SeedGenerator, strength: Any) -> Any:
    """Strokes wider by up to `limit` pixels on each side, or narrower by up to half as much: (N, 28, 28) float32.

    Gray-scale dilation (a maximum over neighbors) widens by one pixel, erosion (a minimum) narrows; a blend of the
    image and its dilation stands for a part of a pixel. Few strokes could lose more and still be there.
    """
    from keras import ops, random

    amounts = random.uniform((ops.shape(images)[0], 1, 1), -limit / 2, limit, seed=seed) * strength
    wider = narrower = images
    for step in range(math.ceil(limit)):
        wider = wider + ops.clip(amounts - step, 0.0, 1.0) * (_extreme(wider, ops.maximum) - wider)
    for step in range(math.ceil(limit / 2)):
        narrower = narrower + ops.clip(-amounts - step, 0.0, 1.0) * (_extreme(narrower, ops.minimum) - narrower)
    return ops.where(amounts > 0, wider, _as_dark(narrower, images))


def _as_dark(images: Any, originals: Any) -> Any:
    """Each image with its ink scaled so that its darkest pixel is as dark as the original's, or thrice as dark."""
    from keras import ops

    darkest = ops.max(images, axis=(1, 2), keepdims=True)
    wanted = ops.max(originals, axis=(1, 2), keepdims=True)
    return images * ops.minimum(wanted / ops.maximum(darkest, 1e-3), 3.0)


def _extreme(images: Any, choose: Any) -> Any:
    """The maximum or minimum of each pixel and its four neighbors; what lies outside is paper."""
    from keras import ops

    padded = ops.pad(images, ((0, 0), (1, 1), (1, 1)))
    upright = choose(padded[:, :-2, 1:-1], padded[:, 2:, 1:-1])
    level = choose(padded[:, 1:-1, :-2], padded[:, 1:-1, 2:])
    return choose(images, choose(upright, level))
