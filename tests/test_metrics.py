from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from inkdigits.evaluation import metrics
from inkdigits.evaluation.words import from_confidence, percent

calm = settings(max_examples=40, deadline=None)  # a busy machine makes no test wrong


def some_answers(n: int, seed: int, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) and probabilities (n, 10) that are right more often than not."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, n)
    logits = random.normal(size=(n, 10)) * 2
    logits[np.arange(n), labels] += 2.5
    powers = np.exp(logits)
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    return labels, np.round(probabilities, 1) if ties else probabilities


def test_the_wilson_interval_by_hand() -> None:
    # Worked out with the formula on paper for 9 of 10, and Wilson's closed forms at the ends: 1 / (1 + z^2 / n).
    assert metrics.wilson_interval(9, 10) == pytest.approx((0.59585, 0.98212), abs=5e-6)
    z2 = 1.959963984540054**2
    assert metrics.wilson_interval(10, 10) == (pytest.approx(10 / (10 + z2)), 1.0)
    assert metrics.wilson_interval(0, 10) == (0.0, pytest.approx(z2 / (10 + z2)))
    assert metrics.wilson_interval(0, 0) == (0.0, 1.0)


@calm
@given(st.integers(1, 10_000), st.floats(0, 1))
def test_the_wilson_interval_holds_the_share_and_solves_its_equation(n: int, part: float) -> None:
    successes = round(part * n)
    low, high = metrics.wilson_interval(successes, n)
    share = successes / n
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):
        # The ends are where |share - end| is z standard errors of `end` (or the end of the scale).
        distance = abs(share - end)
        error = 1.959963984540054 * math.sqrt(end * (1 - end) / n)
        assert distance == pytest.approx(error, abs=1e-9) or end in (0.0, 1.0)


@calm
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=60))
def test_confusion_and_class_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, answers = (np.array(column) for column in zip(*pairs, strict=True))
    confusion = metrics.confusion_matrix(labels, answers)
    assert np.array_equal(confusion, reference.confusion_matrix(labels, answers, labels=range(10)))
    expected = reference.precision_recall_fscore_support(labels, answers, labels=range(10), zero_division=0.0)
    for digit, score in enumerate(metrics.class_scores(confusion)):
        assert (score.precision, score.recall, score.f1, score.support) == pytest.approx(
            tuple(column[digit] for column in expected)
        )
    assert sum(count for *_, count in metrics.confused_pairs(confusion)) == int((labels != answers).sum())


def test_confused_pairs_come_most_frequent_first() -> None:
    labels, answers = np.array([4, 4, 7, 2, 1]), np.array([9, 9, 1, 2, 7])
    pairs = metrics.confused_pairs(metrics.confusion_matrix(labels, answers))
    assert pairs == [(4, 9, 2), (1, 7, 1), (7, 1, 1)]


@pytest.mark.parametrize("ties", [False, True])
@calm
@given(n=st.integers(2, 200), seed=st.integers(0, 10_000))
def test_average_precision_is_that_of_scikit_learn(ties: bool, n: int, seed: int) -> None:
    labels, probabilities = some_answers(n, seed, ties)
    curves, micro = metrics.digit_curves(labels, probabilities)
    truth = labels[:, None] == np.arange(10)
    for digit, curve in enumerate(curves):
        if truth[:, digit].any():
            expected = reference.average_precision_score(truth[:, digit], probabilities[:, digit])
            assert curve.average_precision == pytest.approx(expected)
        else:
            assert math.isnan(curve.average_precision)
    assert micro.average_precision == pytest.approx(
        reference.average_precision_score(truth.ravel(), probabilities.ravel())
    )


def test_a_precision_recall_curve_is_that_of_scikit_learn() -> None:
    labels, probabilities = some_answers(300, 3, ties=True)
    curve = metrics.precision_recall(labels == 4, probabilities[:, 4])
    precision, recall, thresholds = reference.precision_recall_curve(
        labels == 4, probabilities[:, 4], drop_intermediate=False
    )
    # scikit-learn goes the other way round and adds the point (1, 0).
    assert curve.precision == pytest.approx(precision[-2::-1])
    assert curve.recall == pytest.approx(recall[-2::-1])
    assert curve.thresholds == pytest.approx(thresholds[::-1])


def test_average_precision_by_hand() -> None:
    curve = metrics.precision_recall(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]))
    assert curve.average_precision == pytest.approx(0.5 * 1 + 0 * 0.5 + 0.5 * 2 / 3)


def test_reliability_by_hand() -> None:
    confidences = np.array([0.95, 0.95, 0.85, 0.55, 0.1])
    correct = np.array([True, False, True, True, False])
    found = metrics.reliability(confidences, correct, bins=10)
    assert found.counts.tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 1, 2]  # a confidence on an edge belongs below it
    assert found.accuracy[9] == 0.5 and found.confidence[9] == pytest.approx(0.95)
    assert np.isnan(found.accuracy[1])
    expected = (2 * abs(0.5 - 0.95) + abs(1 - 0.85) + abs(1 - 0.55) + abs(0 - 0.1)) / 5
    assert found.expected_calibration_error == pytest.approx(expected)


@calm
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80), st.integers(1, 20))
def test_the_calibration_error_is_that_of_a_plain_loop(pairs: list[tuple[float, bool]], bins: int) -> None:
    confidences, correct = np.array([c for c, _ in pairs]), np.array([r for _, r in pairs])
    found = metrics.reliability(confidences, correct, bins)
    assert found.counts.sum() == len(pairs)
    expected = 0.0
    for low, high, is_first in zip(found.edges, found.edges[1:], [True] + [False] * bins, strict=False):
        inside = [(c, r) for c, r in pairs if low < c <= high or (is_first and c == 0)]
        if inside:
            gap = np.mean([r for _, r in inside]) - np.mean([c for c, _ in inside])
            expected += len(inside) / len(pairs) * abs(gap)
    assert found.expected_calibration_error == pytest.approx(expected, abs=1e-9)


def test_perfectly_calibrated_answers_have_no_calibration_error() -> None:
    correct = np.arange(1000) % 10 < 8
    assert metrics.reliability(np.full(1000, 0.8), correct).expected_calibration_error == pytest.approx(0)


def test_the_coverage_curve_by_hand() -> None:
    curve = metrics.coverage_curve(np.array([0.9, 0.5, 0.7, 0.7]), np.array([True, False, True, False]))
    assert curve.coverage.tolist() == [0.25, 0.75, 1.0]  # equal confidences are answered together
    assert curve.accuracy == pytest.approx([1, 2 / 3, 0.5])
    assert curve.thresholds.tolist() == [0.9, 0.7, 0.5]
    assert curve.at(1.0) == (1.0, 0.5, 0.5)
    assert curve.at(0.3) == (0.75, pytest.approx(2 / 3), 0.7)
    assert curve.at(0.1) == (0.25, 1.0, 0.9)
    assert curve.above(0.7) == curve.above(0.6) == (0.75, pytest.approx(2 / 3))
    assert curve.above(0.0) == (1.0, 0.5)
    assert curve.above(0.95)[0] == 0.0 and math.isnan(curve.above(0.95)[1])


@calm
@given(st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.6, 0.9]), st.booleans()), min_size=1, max_size=50))
def test_the_coverage_curve_says_what_its_thresholds_do(pairs: list[tuple[float, bool]]) -> None:
    confidences, correct = np.array([c for c, _ in pairs]), np.array([r for _, r in pairs])
    curve = metrics.coverage_curve(confidences, correct)
    for coverage, accuracy, threshold in zip(curve.coverage, curve.accuracy, curve.thresholds, strict=True):
        answered = confidences >= threshold
        assert coverage == pytest.approx(answered.mean())
        assert accuracy == pytest.approx(correct[answered].mean())


def test_the_negative_log_likelihood_is_that_of_scikit_learn() -> None:
    labels, probabilities = some_answers(400, 8)
    expected = reference.log_loss(labels, probabilities, labels=range(10))
    assert metrics.negative_log_likelihood(labels, probabilities) == pytest.approx(expected)


def test_a_probability_of_zero_costs_much_but_not_everything() -> None:
    certain = np.eye(10)[[3]]
    assert metrics.negative_log_likelihood(np.array([4]), certain) == pytest.approx(-math.log(1e-12))


@pytest.mark.parametrize(
    ("share", "places", "text"),
    [(1.0, 2, "100.00 %"), (0.99999, 2, "99.99 %"), (0.9934, 2, "99.34 %"), (0.0, 1, "0.0 %"), (math.nan, 2, "n/a")],
)
def test_only_what_is_perfect_reads_as_100_percent(share: float, places: int, text: str) -> None:
    assert percent(share, places) == text


def test_whoever_takes_a_shown_threshold_answers_no_less() -> None:
    assert [from_confidence(value) for value in (0.99996, 0.5, 0.12345, 1.0)] == [
        "0.9999",
        "0.5000",
        "0.1234",
        "1.0000",
    ]


def test_metrics_take_the_types_that_come_from_a_model() -> None:
    labels, probabilities = some_answers(50, 1)
    small: Any = labels.astype(np.uint8)
    single = probabilities.astype(np.float32)
    assert np.array_equal(
        metrics.confusion_matrix(small, single.argmax(axis=1)),
        metrics.confusion_matrix(labels, probabilities.argmax(axis=1)),
    )
    assert metrics.negative_log_likelihood(small, single) == pytest.approx(
        metrics.negative_log_likelihood(labels, probabilities), rel=1e-5
    )


@pytest.mark.parametrize(
    ("expected", "answered", "distance"),
    [
        *(("", "", 0), ("123", "", 3), ("", "12", 2), ("2250", "2250", 0), ("115", "175", 1)),
        *(("123", "23", 1), ("12", "123", 1), ("1234", "4321", 4), ("0123456", "1234560", 2)),
    ],
)
def test_the_edit_distance_by_hand(expected: str, answered: str, distance: int) -> None:
    assert metrics.edit_distance(expected, answered) == distance


@calm
@given(*[st.text("012", max_size=8)] * 3)
def test_the_edit_distance_is_a_distance(a: str, b: str, c: str) -> None:
    assert metrics.edit_distance(a, b) == metrics.edit_distance(b, a)
    assert abs(len(a) - len(b)) <= metrics.edit_distance(a, b) <= max(len(a), len(b))
    assert (metrics.edit_distance(a, b) == 0) == (a == b)
    assert metrics.edit_distance(a, c) <= metrics.edit_distance(a, b) + metrics.edit_distance(b, c)
