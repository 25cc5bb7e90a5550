from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inkdigits import calibration
from inkdigits.errors import InkdigitsError

parts = st.floats(0.0, 1.0)
ten_parts = hnp.arrays(np.float32, 10, elements=st.floats(0, 1, width=32))


def drawn_logits(count: int, sharpness: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels drawn from softmax(logits): calibrated at temperature 1, then sharpened."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, 10))
    chances = calibration.softmax(logits).astype(np.float64)
    labels = (chances.cumsum(axis=1) < random.random((count, 1))).sum(axis=1).clip(0, 9)
    return logits * sharpness, labels


def loss(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    chances = calibration.softmax(logits, temperature).astype(np.float64)
    return float(-np.log(chances[np.arange(len(labels)), labels]).mean())


@given(st.floats(0.3, 5.0), st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_temperature_undoes_a_known_sharpening(sharpness: float, seed: int) -> None:
    logits, labels = drawn_logits(4000, sharpness, seed)
    assert calibration.fit_temperature(logits, labels) == pytest.approx(sharpness, rel=0.12)


@given(st.floats(0.3, 5.0), st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_no_other_temperature_is_more_likely(sharpness: float, seed: int) -> None:
    logits, labels = drawn_logits(300, sharpness, seed)
    best = calibration.fit_temperature(logits, labels)
    for other in (best * 0.9, best * 1.1, 1.0):
        assert loss(logits, labels, best) <= loss(logits, labels, other) + 1e-6


def test_separable_and_hopeless_logits_stay_within_the_range() -> None:
    right = np.eye(10) * 5
    low, high = calibration.TEMPERATURE_RANGE
    assert low <= calibration.fit_temperature(right, np.arange(10)) < 1
    assert calibration.fit_temperature(right, (np.arange(10) + 1) % 10) == pytest.approx(high)


@given(hnp.arrays(np.float64, (3, 10), elements=st.floats(-1e4, 1e4)), st.floats(0.05, 20))
def test_softmax_is_a_distribution_and_keeps_the_order(logits: np.ndarray, temperature: float) -> None:
    chances = calibration.softmax(logits, temperature)
    assert chances.dtype == np.float32 and np.isfinite(chances).all()
    assert chances.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (chances[np.arange(3), logits.argmax(axis=1)] == chances.max(axis=1)).all()


def test_softmax_of_no_rows_is_no_rows() -> None:
    assert calibration.softmax(np.zeros((0, 10))).shape == (0, 10)


@given(hnp.arrays(np.float64, st.integers(1, 200), elements=parts), st.floats(0.01, 1.0))
def test_reject_threshold_keeps_enough_and_not_more_than_needed(confidences: np.ndarray, keep: float) -> None:
    threshold = calibration.reject_threshold(confidences, keep)
    assert (confidences >= threshold).mean() >= keep - 1e-9
    assert (confidences > threshold).mean() < keep


@given(hnp.arrays(np.float64, (60, 10), elements=parts), st.floats(0.05, 0.98), st.integers(0, 9))
def test_conformal_threshold_is_the_documented_quantile(rows: np.ndarray, coverage: float, label: int) -> None:
    labels = np.full(60, label)
    threshold = calibration.conformal_threshold(rows, labels, coverage)
    rank = math.ceil(61 * coverage - 1e-9)
    if rank > 60:
        assert threshold == 0
    else:
        assert (rows[:, label] >= threshold).sum() >= rank
        assert (rows[:, label] > threshold).sum() < rank


def test_candidates_cover_new_pictures_as_often_as_promised() -> None:
    logits, labels = drawn_logits(20_000, 1.0, 7)
    chances = calibration.softmax(logits)
    threshold = calibration.conformal_threshold(chances[:5000], labels[:5000], 0.95)
    held = [
        label in calibration.candidates(row, threshold)
        for row, label in zip(chances[5000:], labels[5000:], strict=True)
    ]
    assert 0.94 < np.mean(held) < 0.96


def test_too_few_pictures_for_the_coverage_give_all_ten_candidates() -> None:
    threshold = calibration.conformal_threshold(np.eye(10), np.arange(10), 0.99)
    assert set(calibration.candidates(np.eye(10)[3], threshold)) == set(range(10))


@given(ten_parts, parts)
def test_candidates_are_never_empty_and_sorted_by_probability(row: np.ndarray, threshold: float) -> None:
    chosen = calibration.candidates(row, threshold)
    assert chosen[0] == row.argmax()
    assert [row[digit] for digit in chosen] == sorted((row[digit] for digit in chosen), reverse=True)
    assert {digit for digit in range(10) if float(row[digit]) >= threshold} <= set(chosen)


def test_a_flat_answer_has_all_ten_candidates() -> None:
    assert calibration.candidates(np.full(10, 0.1, np.float32), 0.9) == tuple(range(10))


@pytest.mark.parametrize(
    ("confidence", "chosen", "blank", "words"),
    [
        (0.99, (4,), False, None),
        (0.99, (4, 9), False, None),
        (0.9, (4,), False, None),
        (0.1, tuple(range(10)), True, "blank: no ink found"),
        (1.0, (4,), True, "blank: no ink found"),
        (0.5, (4, 9), False, "unsure between 4 and 9"),
        (0.5, (4, 9, 7), False, "unsure between 4, 9 and 7"),
        (0.42, (4,), False, "not sure enough (42 %, accepted from 90 %)"),
        (0.42, (4, 9, 7, 1), False, "not sure enough (42 %, accepted from 90 %)"),
        (0.8999999, (4,), False, "not sure enough (89.9 %, accepted from 90 %)"),
    ],
)
def test_reason_in_words(confidence: float, chosen: tuple[int, ...], blank: bool, words: str | None) -> None:
    assert calibration.reason(confidence, chosen, 0.9, blank=blank) == words


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((0, 10)), np.zeros(0, int), "N >= 1"),
        (np.zeros((3, 9)), np.zeros(3, int), r"\(3, 9\)"),
        (np.zeros((3, 10)), np.zeros(2, int), r"\(2,\)"),
        (np.full((3, 10), np.nan), np.zeros(3, int), "NaN"),
        (np.zeros((3, 10)), np.array([0, 1, 10]), "0..9"),
        (np.zeros((3, 10)), np.zeros(3), "integer"),
    ],
)
def test_impossible_input_is_refused(logits: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(InkdigitsError, match=message):
        calibration.fit_temperature(logits, labels)
    with pytest.raises(InkdigitsError, match=message):
        calibration.conformal_threshold(logits, labels)


def test_impossible_parts_are_refused() -> None:
    with pytest.raises(InkdigitsError, match="keep"):
        calibration.reject_threshold([0.5], keep=0)
    with pytest.raises(InkdigitsError, match="at least one"):
        calibration.reject_threshold([])
    with pytest.raises(InkdigitsError, match="coverage"):
        calibration.conformal_threshold(np.eye(10), np.arange(10), coverage=1.5)
