"""What is measured, in numpy alone: each function takes arrays and gives arrays or plain numbers.

Words used throughout: `labels` (N,) are the true digits 0..9, `probabilities` (N, 10) the model's calibrated ones,
`confidences` (N,) how sure each answer was (the largest probability, times that of there being a digit at all),
`correct` (N,) bool whether its digit is the label.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
BINS = 15  # reliability bins: equally wide, from 0 to 1
COVERAGES = (1.0, 0.999, 0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.5)
_Z95 = 1.959963984540054  # the normal quantile of a two-sided 95 % interval


@dataclass(frozen=True)
class ClassScore:
    """How well one digit is recognized; a ratio without cases is 0.0."""

    digit: int
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Curve:
    """Precision against recall as the threshold falls.

    Attributes:
        recall: (K,) rising, one point per distinct score.
        precision: (K,).
        thresholds: (K,) falling scores.
        average_precision: the area under the steps; nan when there is nothing to find.
    """

    recall: Array
    precision: Array
    thresholds: Array
    average_precision: float


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy in equally wide bins: bin i holds edges[i] < confidence <= edges[i + 1].

    Attributes:
        edges: (bins + 1,) from 0 to 1.
        counts: (bins,) int64 images per bin.
        confidence: (bins,) the mean confidence, nan where a bin is empty.
        accuracy: (bins,) the share answered right, nan where a bin is empty.
        expected_calibration_error: mean over all images of |accuracy - confidence| of their bin.
    """

    edges: Array
    counts: NDArray[np.int64]
    confidence: Array
    accuracy: Array
    expected_calibration_error: float


@dataclass(frozen=True)
class Coverage:
    """Accuracy when only the most confident images are answered.

    Attributes:
        coverage: (K,) rising to 1.0: the share of images answered. Images of one confidence come together.
        accuracy: (K,) among the answered ones.
        thresholds: (K,) the lowest confidence answered.
    """

    coverage: Array
    accuracy: Array
    thresholds: Array

    def at(self, share: float) -> tuple[float, float, float]:
        """(coverage, accuracy, threshold) of the fewest images that are at least this share of all."""
        index = min(int(np.searchsorted(self.coverage, share - 1e-12)), len(self.coverage) - 1)
        return float(self.coverage[index]), float(self.accuracy[index]), float(self.thresholds[index])

    def above(self, threshold: float) -> tuple[float, float]:
        """(coverage, accuracy) when every image of at least this confidence is answered; (0.0, nan) when none is."""
        index = int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1
        return (float(self.coverage[index]), float(self.accuracy[index])) if index >= 0 else (0.0, math.nan)


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): honest near 0 and 1, where mean +- 2 sd is not.

    Args:
        successes: 0..n.
        n: how many were tried; with 0 nothing is known and the interval is (0, 1).
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = successes / n, _Z95**2
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # The ends at 0 and n are exact by algebra; keep them free of rounding.
    low = 0.0 if successes == 0 else center - half
    high = 1.0 if successes == n else center + half
    return low, high


def confusion_matrix(
    labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: int = 10
) -> NDArray[np.int64]:
    """Counts of (true, predicted) pairs: (classes, classes) int64, a row per true digit."""
    pairs = np.asarray(labels, np.int64) * classes + np.asarray(predictions, np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def confused_pairs(confusion: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """(true, predicted, count) of every pair that was mistaken, most frequent first."""
    pairs = [(int(t), int(p), int(confusion[t, p])) for t, p in zip(*np.nonzero(confusion), strict=True) if t != p]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))


def class_scores(confusion: NDArray[np.int64]) -> tuple[ClassScore, ...]:
    """Precision, recall, F1 and support of each digit from a confusion matrix."""
    hits = np.diag(confusion)
    predicted, support = confusion.sum(axis=0), confusion.sum(axis=1)
    return tuple(
        ClassScore(
            digit,
            _share(hits[digit], predicted[digit]),
            _share(hits[digit], support[digit]),
            _share(2 * hits[digit], predicted[digit] + support[digit]),
            int(support[digit]),
        )
        for digit in range(len(confusion))
    )


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0


def precision_recall(truth: NDArray[np.bool_], scores: NDArray[np.floating]) -> Curve:
    """The precision-recall curve of one question with yes or no, and its average precision.

    Average precision is the sum over thresholds of (recall gained) x (precision there), without interpolation.

    Args:
        truth: (N,) bool.
        scores: (N,) higher means more likely true. Equal scores make one point.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(truth[order])
    last = np.flatnonzero(np.diff(ranked, append=-np.inf) != 0)  # the end of each run of equal scores
    found, chosen = hits[last].astype(np.float64), (last + 1).astype(np.float64)
    total = float(hits[-1]) if len(hits) else 0.0
    precision = found / chosen
    recall = found / total if total else np.full(len(last), np.nan)
    area = float(np.sum(np.diff(recall, prepend=0.0) * precision)) if total else math.nan
    return Curve(recall, precision, ranked[last].astype(np.float64), area)


def digit_curves(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> tuple[tuple[Curve, ...], Curve]:
    """One-against-the-rest curves: (one per digit, the micro curve over all N x 10 yes-or-no questions).

    Macro average precision is the mean over the digits that occur.
    """
    truth = np.asarray(labels)[:, None] == np.arange(probabilities.shape[1])[None, :]
    per_digit = tuple(precision_recall(truth[:, d], probabilities[:, d]) for d in range(truth.shape[1]))
    return per_digit, precision_recall(truth.ravel(), probabilities.ravel())


def reliability(confidences: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Does 90 % confidence mean right nine times in ten? (Guo et al. 2017, "On Calibration of Modern Neural Networks")

    Args:
        confidences: (N,) in [0, 1].
        correct: (N,) bool.
        bins: how many equally wide bins.
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    confidences = np.asarray(confidences, np.float64)
    place = np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins).astype(np.int64)
    filled = np.where(counts > 0, counts, np.nan)
    confidence = np.bincount(place, weights=confidences, minlength=bins) / filled
    accuracy = np.bincount(place, weights=correct.astype(np.float64), minlength=bins) / filled
    error = float(np.nansum(counts * np.abs(accuracy - confidence)) / max(1, counts.sum()))
    return Reliability(edges, counts, confidence, accuracy, error)


def coverage_curve(confidences: NDArray[np.floating], correct: NDArray[np.bool_]) -> Coverage:
    """Accuracy against coverage (El-Yaniv and Wiener 2010): answer the k most confident images, for every k."""
    order = np.argsort(-confidences, kind="stable")
    ranked = np.asarray(confidences, np.float64)[order]
    last = np.flatnonzero(np.diff(ranked, append=-np.inf) != 0)
    answered = (last + 1).astype(np.float64)
    return Coverage(answered / max(1, len(ranked)), np.cumsum(correct[order])[last] / answered, ranked[last])


def negative_log_likelihood(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
    """The mean of -ln(probability of the true digit), in nats; a probability of 0 counts as 1e-12."""
    given = probabilities[np.arange(len(labels)), np.asarray(labels, np.int64)].astype(np.float64)
    return float(-np.log(np.maximum(given, 1e-12)).mean()) if len(given) else math.nan


def edit_distance(expected: str, answered: str) -> int:
    """The fewest characters to change, add or remove to turn one text into the other (Levenshtein 1966)."""
    row = list(range(len(answered) + 1))
    for i, wanted in enumerate(expected, 1):
        diagonal, row[0] = row[0], i
        for j, given in enumerate(answered, 1):
            diagonal, row[j] = row[j], min(diagonal + (wanted != given), row[j] + 1, row[j - 1] + 1)
    return row[-1]
