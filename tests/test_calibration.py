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


def open_set_logits(count: int, sharpness: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten logits and labels 0..10 drawn from softmax of them and a fixed 0, then sharpened."""
    random = np.random.default_rng(seed)
    logits = random.normal(-4, 2, (count, 10))
    chances = calibration.answers(logits, open_set=True).astype(np.float64)
    labels = (chances.cumsum(axis=1) < random.random((count, 1))).sum(axis=1).clip(0, 10)
    return logits * sharpness, labels


@given(st.floats(0.3, 5.0), st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_temperature_undoes_a_known_sharpening_where_some_pictures_show_no_digit(sharpness: float, seed: int) -> None:
    logits, labels = open_set_logits(4000, sharpness, seed)
    assert (labels == calibration.OTHER).any()
    assert calibration.fit_temperature(logits, labels) == pytest.approx(sharpness, rel=0.12)


def test_digitness_is_how_often_it_is_a_digit() -> None:
    logits, labels = open_set_logits(20_000, 1.0, 3)
    digitness = calibration.split(calibration.answers(logits, open_set=True))[1]
    for low in np.arange(0, 1, 0.2):
        inside = (digitness >= low) & (digitness < low + 0.2)
        assert (labels[inside] < calibration.OTHER).mean() == pytest.approx(digitness[inside].mean(), abs=0.05)


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


@given(hnp.arrays(np.float64, (4, 10), elements=st.floats(-1e4, 1e4)), st.floats(0.05, 20))
def test_an_open_set_answer_is_two_questions_one_after_the_other(logits: np.ndarray, temperature: float) -> None:
    """Is it a digit, and if it is, which: the second does not depend on the fixed 0."""
    rows = calibration.answers(logits, temperature, open_set=True)
    assert rows.shape == (4, 11) and rows.sum(axis=1) == pytest.approx(1, abs=1e-5)
    digits, digitness = calibration.split(rows)
    assert digits.dtype == digitness.dtype == np.float32
    assert digits.shape == (4, 10) and digits.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert digitness.min() >= 0 and digitness.max() <= 1 + 1e-6
    seen = digitness > 1e-20
    np.testing.assert_allclose(digits[seen], calibration.softmax(logits, temperature)[seen], atol=1e-5)


def test_a_closed_set_answer_is_always_a_digit() -> None:
    rows = calibration.answers(np.arange(20.0).reshape(2, 10), 2.0)
    digits, digitness = calibration.split(rows)
    assert np.array_equal(digits, rows) and digitness.tolist() == [1.0, 1.0]


def test_of_what_is_surely_no_digit_no_digit_is_more_likely() -> None:
    digits, digitness = calibration.split(calibration.answers(np.full((1, 10), -1e3), open_set=True))
    assert digitness.tolist() == [0.0]
    assert np.allclose(digits, 0.1)


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
    ("confidence", "shares", "digitness", "blank", "words"),
    [
        (0.99, {4: 0.99}, 1.0, False, None),
        (0.95, {4: 0.5, 9: 0.5}, 1.0, False, None),
        (0.9, {4: 0.9, 9: 0.1}, 1.0, False, None),
        (0.1, dict.fromkeys(range(10), 0.1), 0.0, True, "blank: no ink found"),
        (1.0, {4: 1.0}, 1.0, True, "blank: no ink found"),
        (0.5, {4: 0.5, 9: 0.46}, 1.0, False, "unsure between 4 and 9"),
        (0.5, {9: 0.45, 4: 0.5, 7: 0.05}, 1.0, False, "unsure between 4, 9 and 7"),
        (0.6, {4: 0.6, 9: 0.4}, 0.5, False, "unsure between 4 and 9"),
        (0.42, {4: 0.97}, 0.6, False, "not sure enough (42 %, accepted from 90 %)"),
        (0.42, {4: 0.4, 9: 0.2, 7: 0.2, 1: 0.2}, 1.0, False, "not sure enough (42 %, accepted from 90 %)"),
        (0.8999999, {4: 0.99}, 0.95, False, "not sure enough (89.9 %, accepted from 90 %)"),
        (0.49, {4: 1.0}, 0.49, False, "not a digit"),
        (0.2, {4: 0.5, 9: 0.5}, 0.4, False, "not a digit"),
        (0.0, {4: 1.0}, 0.0, False, "not a digit"),
    ],
)
def test_reason_in_words(
    confidence: float, shares: dict[int, float], digitness: float, blank: bool, words: str | None
) -> None:
    probabilities = np.array([shares.get(digit, 0.0) for digit in range(10)], np.float32)
    assert calibration.reason(confidence, probabilities, 0.9, digitness=digitness, blank=blank) == words


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((0, 10)), np.zeros(0, int), "N >= 1"),
        (np.zeros((3, 9)), np.zeros(3, int), r"\(3, 9\)"),
        (np.zeros((3, 10)), np.zeros(2, int), r"\(2,\)"),
        (np.full((3, 10), np.nan), np.zeros(3, int), "NaN"),
        (np.zeros((3, 10)), np.array([0, 1, 11]), "integer type"),
        (np.zeros((3, 10)), np.array([0, -1, 1]), "integer type"),
        (np.zeros((3, 10)), np.zeros(3), "integer"),
    ],
)
def test_impossible_input_is_refused(logits: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(InkdigitsError, match=message):
        calibration.fit_temperature(logits, labels)
    with pytest.raises(InkdigitsError, match=message):
        calibration.conformal_threshold(logits, labels)


def test_what_is_no_digit_has_no_candidates_to_choose_a_threshold_from() -> None:
    with pytest.raises(InkdigitsError, match=r"labels 0\.\.9"):
        calibration.conformal_threshold(np.full((3, 10), 0.1), np.array([0, 1, calibration.OTHER]))


def test_impossible_parts_are_refused() -> None:
    with pytest.raises(InkdigitsError, match="keep"):
        calibration.reject_threshold([0.5], keep=0)
    with pytest.raises(InkdigitsError, match="at least one"):
        calibration.reject_threshold([])
    with pytest.raises(InkdigitsError, match="coverage"):
        calibration.conformal_threshold(np.eye(10), np.arange(10), coverage=1.5)
