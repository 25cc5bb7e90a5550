"""Honest confidence: temperature scaling, a threshold below which an answer is refused, conformal candidate sets.

All three are fitted once on validation images, which the network never trained on, and travel with the model's card.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inkdigits.errors import InkdigitsError

KEEP = 0.99
"""The part of validation digits that the reject threshold lets through."""
KEEP_OPEN = 0.96
"""The same for a network that learned from non-digits: a part of its validation digits are hard synthetic ones."""
COVERAGE = 0.99
"""How often the candidates hold the true digit."""
OTHER = 10
"""The label of a picture that shows no digit."""
TEMPERATURE_RANGE = (0.05, 20.0)
"""Fitted temperatures stay in here: on a separable validation set the likelihood has no finite maximum."""
BLANK_REASON = "blank: no ink found"
NO_DIGIT_REASON = "not a digit"
_RIVAL = 0.1
"""A digit is named as a rival when it has at least this part of the greatest probability."""
TINY = 1e-30
"""Below this a probability is nothing."""


def softmax(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float32]:
    """Logits (N, 10) divided by `temperature`, as probabilities (N, 10) float32 whose rows sum to 1."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True, initial=-np.inf))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def answers(logits: ArrayLike, temperature: float = 1.0, *, open_set: bool = False) -> NDArray[np.float32]:
    """What a network says: (N, 10) probabilities, or (N, 11) of an open-set network, the last one for "no digit".

    An open-set network is trained with non-digits, against which its ten logits compete with a fixed 0: their
    log-sum-exp is the logit of "this is a digit" (the negative free energy of Liu et al. 2020, "Energy-based
    Out-of-distribution Detection").
    """
    values = np.asarray(logits, np.float64)
    return softmax(np.pad(values, ((0, 0), (0, 1))) if open_set else values, temperature)


def split(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What `answers` gave, as the probabilities (N, 10) of the digits if it is one, and (N,) of its being one."""
    if rows.shape[1] == 10:
        return rows, np.ones(len(rows), np.float32)
    digits = rows[:, :10]
    total = digits.sum(axis=1)
    spread = np.full_like(digits, 0.1)  # of what is no digit at all, no digit is more likely than another
    np.divide(digits, total[:, None], out=spread, where=total[:, None] > TINY)
    return spread, total


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature that makes softmax(logits / temperature) most likely on held-out images.

    One number for all classes, so no answer changes (Guo et al. 2017, "On Calibration of Modern Neural Networks").
    The negative log likelihood is convex in 1 / temperature; its slope, the mean of (expected logit - true logit),
    rises, so bisection finds the one minimum.

    Args:
        logits: (N, 10) finite numbers, N >= 1.
        labels: (N,) digits 0..9; with pictures of no digit, labelled 10, an open-set network's.

    Returns:
        A temperature within `TEMPERATURE_RANGE`; above 1 for an overconfident network.

    Raises:
        InkdigitsError: shapes that do not fit, labels outside 0..9, logits that are not finite.
    """
    values, digits = _checked(logits, labels, others=True)
    if digits.max() == OTHER:
        values = np.pad(values, ((0, 0), (0, 1)))
    true = values[np.arange(len(digits)), digits]

    def slope(inverse: float) -> float:
        scaled = values * inverse
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        return float(np.mean((weights * values).sum(axis=1) - true))

    low, high = (math.log(1 / limit) for limit in reversed(TEMPERATURE_RANGE))
    for _ in range(60):
        middle = (low + high) / 2
        if slope(math.exp(middle)) < 0:
            low = middle
        else:
            high = middle
    return float(np.clip(math.exp(-(low + high) / 2), *TEMPERATURE_RANGE))


def reject_threshold(confidences: ArrayLike, keep: float = KEEP) -> float:
    """The greatest threshold that lets at least `keep` of the pictures through (confidence >= threshold).

    Args:
        confidences: (N,) the greatest probability of each validation picture, N >= 1.
        keep: the part to let through, in (0, 1].
    """
    values = np.sort(np.asarray(confidences, np.float64).ravel())[::-1]
    if not len(values):
        raise InkdigitsError("Expected at least one confidence to choose a reject threshold from; received none.")
    _check_part("keep", keep)
    return float(values[math.ceil(keep * len(values) - 1e-9) - 1])


def conformal_threshold(probabilities: ArrayLike, labels: ArrayLike, coverage: float = COVERAGE) -> float:
    """The probability from which a digit is a candidate, so that candidates hold the true digit `coverage` of the time.

    Split conformal prediction with the score 1 - p(true digit) (Vovk et al. 2005; "LAC" of Sadinle, Lei and Wasserman
    2019): for a new picture drawn like the N validation pictures the promise holds whatever the network is; nearly, as
    the one temperature is fitted on the same pictures. With too few validation pictures for the coverage
    (N < coverage / (1 - coverage)) the threshold is 0: all ten digits.

    Args:
        probabilities: (N, 10) calibrated probabilities in [0, 1].
        labels: (N,) digits 0..9.
        coverage: the part of pictures whose candidates hold the true digit, in (0, 1].
    """
    values, digits = _checked(probabilities, labels)
    _check_part("coverage", coverage)
    true = np.sort(values[np.arange(len(digits)), digits])[::-1]
    rank = math.ceil((len(true) + 1) * coverage - 1e-9)
    return 0.0 if rank > len(true) else float(true[rank - 1])


def candidates(probabilities: ArrayLike, threshold: float) -> tuple[int, ...]:
    """The digits that a picture may show, most likely first: all with a probability of at least `threshold`.

    Never empty: the most likely digit (or digits, where several tie) is always among them.

    Args:
        probabilities: (10,) numbers in [0, 1].
        threshold: what `conformal_threshold` returned.
    """
    values = np.asarray(probabilities, np.float64)
    order = np.argsort(-values, kind="stable")
    limit = min(threshold, float(values[order[0]]))
    return tuple(int(digit) for digit in order if values[digit] >= limit)


def reason(
    confidence: float, probabilities: ArrayLike, threshold: float, *, digitness: float = 1.0, blank: bool = False
) -> str | None:
    """Why an answer is refused, in words; None when it is not (confidence >= threshold and not blank).

    Args:
        confidence: the greatest probability times the digitness, in [0, 1].
        probabilities: (10,) of the digits.
        threshold: the reject threshold.
        digitness: the probability that the picture shows a digit, in [0, 1].
        blank: whether the picture holds no ink.
    """
    if blank:
        return BLANK_REASON
    if confidence >= threshold:
        return None
    if digitness < 0.5:
        return NO_DIGIT_REASON
    values = np.asarray(probabilities, np.float64)
    order = np.argsort(-values, kind="stable")
    likely = [int(digit) for digit in order if values[digit] >= _RIVAL * values[order[0]]]
    if 2 <= len(likely) <= 3:
        first = ", ".join(str(digit) for digit in likely[:-1])
        return f"unsure between {first} and {likely[-1]}"
    return f"not sure enough ({_percent(confidence)}, accepted from {_percent(threshold)})"


def _percent(part: float) -> str:
    # Rounded down, so that 0.9996 never reads as certainty and a refused confidence never reads as accepted.
    whole = math.floor(part * 1000 + 1e-9) / 10
    return f"{whole:g} %"


def _check_part(name: str, part: float) -> None:
    if not 0 < part <= 1:
        raise InkdigitsError(f"Expected {name} above 0 and at most 1; received {part}.")


def _checked(
    rows: ArrayLike, labels: ArrayLike, *, others: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    values, digits = np.asarray(rows, np.float64), np.asarray(labels)
    if values.ndim != 2 or values.shape[1] != 10 or digits.shape != values.shape[:1] or not len(values):
        raise InkdigitsError(
            f"Expected rows (N, 10) and labels (N,) with N >= 1; received {values.shape} and {digits.shape}."
        )
    if not np.isfinite(values).all():
        raise InkdigitsError("Expected finite numbers; received NaN or infinity. The network may have diverged.")
    if not np.issubdtype(digits.dtype, np.integer) or digits.min() < 0 or digits.max() > 9 + others:
        raise InkdigitsError(f"Expected labels 0..{9 + others} of an integer type; received {digits.dtype} labels.")
    return values, digits.astype(np.intp)
