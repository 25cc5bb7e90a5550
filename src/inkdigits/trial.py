"""A picture is seen in other ways, too, where it is not plain which is the ink, or the network sees no digit.

`inkdigits.preprocess` guesses once what is ink. In half a shadow or on a dark table that guess is often wrong, and the
edge of the shadow passes for a stroke. A trial tells: the picture is made smaller and its light even, with dark ink and
with light ink, and the network says of each whether that is a digit. Light is made even by a closing: what is darker
than its surroundings and narrower than a window is ink; each gray level is divided by that of the paper without it. A
narrow window takes shadows and tables away, a wide one leaves thicker strokes whole; two that show the same digit vouch
for each other. Strokes wider than a quarter of the picture are paper to both.

As in `inkdigits.preprocess`, this is the reference, and `inkdigits.graph` builds the same steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inkdigits import preprocess
from inkdigits.preprocess import Array, Window

PLAIN = 2.5
"""Where the vote on what is ink is closer to 0.0 than this, the picture is tried."""
UNSURE = 0.5
"""So is what is less likely to be a digit, unless it has the layout of MNIST."""
SIDE = 96
"""Longest side of the picture that is tried, in pixels."""
REACHES = (11, 23)
"""Sides of the windows, in pixels of that: ink is narrower. Noise is smoothed first where it is the second."""
WAYS = 4
"""Dark ink with either window, then light ink."""
LIGHT, DARK = 240.0, 20.0
"""Paper's gray level in even light; where it was about as dark as the latter, it stays darker. So on pages."""
OPEN_SIDES = 3
"""Ink that reaches more sides of the picture is what a soft shadow leaves, not a digit."""
ALONE = 6.0
"""Taken from the logit of a digit that the other window does not show."""
UNUSUAL = 4.0
"""Taken from that of dark ink on plainly dark paper, which may be a table, and of light ink where it is not plain."""
GUESSED = 4.0
"""The first guess must be ahead by so much to stay; one without ink, unless what is seen is rather a digit than not.

So much is taken from its logit, too, where it is not plain what is ink, and no way rather shows the same digit.
"""
SUREST = 1e-6
"""No logit is taken to be further away from 0.0 than that of this probability."""


class Trial(NamedTuple):
    """How M pictures are seen best."""

    taken: NDArray[np.bool_]  # (M,) whether in another way
    way: NDArray[np.intp]  # (M,) which is the best of these
    digitness: Array  # (M,)


def doubtful(votes: Array, digitness: Array) -> NDArray[np.bool_]:
    """Which pictures (N,) are to be seen in other ways, too."""
    return np.asarray((np.abs(votes) < PLAIN) | ((digitness < UNSURE) & np.isfinite(votes)))


def ways(pixels: NDArray[np.uint8], vote: np.float32) -> tuple[Array, Array]:
    """Normalize a picture in each way: seen (4, 28, 28) and boxes (4, 4); 0.0 where there is nothing to see.

    That is also light ink on plainly light paper, and ink that reaches too many sides.

    Args:
        pixels: as `preprocess.normalize` takes them.
        vote: what that says is ink.
    """
    color, step = preprocess.colors(pixels[:, :, None] if pixels.ndim == 2 else pixels)
    height, width = color.shape[1:]
    shape = preprocess.scaled(height, width, SIDE)
    small = preprocess.sample(color, Window(0, height, 0, width), *shape)
    seen, boxes = np.zeros((WAYS, preprocess.SIZE, preprocess.SIZE), np.float32), np.zeros((WAYS, 4), np.float32)
    for way in range(WAYS):
        light, wide = divmod(way, 2)
        if vote < PLAIN or not light:
            shown = evenly_lit(255 - small if light else small, REACHES[wide], smooth=bool(wide))
            one = preprocess.in_frames(shown, np.float32(1))
            start, end = one.box[:2], one.box[:2] + one.box[2:]
            if (np.stack([start, shape[::-1] - end]) < 0.5).sum() <= OPEN_SIDES:
                seen[way], boxes[way] = one.seen, one.box
    y, x = height / shape[0] * step, width / shape[1] * step
    return seen, boxes * np.array([x, y, x, y], np.float32)


def evenly_lit(picture: Array, reach: int, smooth: bool) -> Array:
    """A picture (C, H, W) with paper of one gray level, whatever light or shadow is on it.

    Args:
        picture: gray levels.
        reach: what is dark and narrower than so many pixels, an odd number, is no paper.
        smooth: whether the paper is sought in the picture with each pixel the mean of 3 x 3.
    """
    import cv2

    def summed(one: Array) -> Array:
        return np.asarray(cv2.boxFilter(one, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT), np.float32)

    count = summed(np.ones(picture.shape[1:], np.float32))
    seen = np.stack([summed(one) / count for one in picture]) if smooth else picture
    paper = np.maximum(np.stack([preprocess.closing(one, reach) for one in seen]), picture)
    return np.asarray((picture + DARK) / (paper + DARK) * LIGHT, np.float32)


def best(votes: Array, guess: tuple[Array, Array], seen: Array, probabilities: Array, digitness: Array) -> Trial:
    """Which of the other ways shows a digit best, and whether better than the first guess does.

    Args:
        votes: (M,) of `preprocess.Normalized`.
        guess: the probabilities (M, 10) and the digitness (M,) of the first guess.
        seen: (M, 4, 28, 28), from `ways`.
        probabilities: (M, 4, 10) of the digits in each.
        digitness: (M, 4) of each.
    """
    named, guessed = guess[0].argmax(-1), guess[1]
    logits = _logits(digitness).reshape(-1, 2, 2)  # ink, window
    digits = probabilities.argmax(-1).reshape(-1, 2, 2)
    scores = logits - np.float32(ALONE)
    alike = digits[..., 0] == digits[..., 1]
    scores[..., 0] = np.where(alike, np.maximum(scores[..., 0], logits.min(-1)), scores[..., 0])
    scores[:, 0] -= np.where(votes <= -PLAIN, np.float32(UNUSUAL), 0)[:, None]
    scores[:, 1] -= np.where(votes > -PLAIN, np.float32(UNUSUAL), 0)[:, None]
    scores = np.where(seen.any((-2, -1)), scores.reshape(-1, WAYS), -np.inf)
    way, score = scores.argmax(1), scores.max(1)
    less = _logits(guessed) - np.float32(GUESSED)
    taken = score > np.where(guessed > 0, less, 0)
    likewise = (probabilities.argmax(-1) == named[:, None]) & (digitness > 0.5)
    unlikely = (np.abs(votes) < PLAIN) & (guessed > 0) & ~likewise.any(1)
    sure, less = (1 / (1 + np.exp(-logit)) for logit in (score, less))
    return Trial(taken, way, np.where(taken, sure, np.where(unlikely, less, guessed)).astype(np.float32))


def _logits(probabilities: Array) -> Array:
    return np.asarray(
        np.log(np.maximum(probabilities, SUREST)) - np.log(np.maximum(1 - probabilities, SUREST)), np.float32
    )
