"""Reading order: digits lying about come back as lines of numbers, whatever order they were found in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inkdigits.ordering import lines

Lines = list[list[list[int]]]


@dataclass(frozen=True)
class Page:
    """Boxes (n, 4) of digits, and the lines of numbers that they were written as."""

    boxes: NDArray[np.float64]
    written: Lines


@st.composite
def pages(draw: st.DrawFn) -> Page:
    """Lines of numbers as a person writes them, the sheet turned by up to 15 degrees."""
    lengths = draw(
        st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=4).filter(lambda line: sum(line) > 2), max_size=6)
    )
    tall = draw(st.floats(12, 60))
    slope = math.tan(math.radians(draw(st.floats(-15, 15))))
    leading = tall * draw(st.floats(1.8, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    boxes: list[tuple[float, float, float, float]] = []
    written: Lines = []
    for row, line in enumerate(lengths):
        x = tall * rng.uniform(0, 2)
        written.append([])
        for length in line:
            written[-1].append([])
            for _ in range(length):
                high, wide = tall * rng.uniform(0.85, 1.15), tall * rng.uniform(0.35, 0.8)
                y = row * leading + slope * (x + wide / 2) + tall * rng.uniform(-0.08, 0.08)
                written[-1][-1].append(len(boxes))
                boxes.append((x, y - high / 2, wide, high))
                x += wide + tall * rng.uniform(0.02, 0.3)
            x += tall * rng.uniform(1.0, 1.8)
    return Page(np.array(boxes).reshape(-1, 4), written)


@settings(max_examples=150, deadline=None)
@given(pages())
def test_numbers_come_back_in_their_lines(page: Page) -> None:
    assert lines(page.boxes) == page.written


@settings(max_examples=60, deadline=None)
@given(pages(), st.integers(0, 2**32 - 1))
def test_it_does_not_matter_in_which_order_digits_were_found(page: Page, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(page.boxes))
    found = lines(page.boxes[order])
    assert [[[int(order[index]) for index in number] for number in line] for line in found] == page.written


@settings(max_examples=60, deadline=None)
@given(pages(), st.floats(0.2, 5), st.floats(-500, 500), st.floats(-500, 500))
def test_size_and_place_of_the_page_do_not_matter(page: Page, scale: float, x: float, y: float) -> None:
    assert lines(page.boxes * scale + [x, y, 0, 0]) == page.written


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(*[st.floats(0, 1000)] * 2, *[st.floats(0, 300)] * 2), max_size=25))
def test_every_digit_is_read_exactly_once(boxes: list[tuple[float, float, float, float]]) -> None:
    found = lines(np.array(boxes, np.float32).reshape(-1, 4))
    assert sorted(index for line in found for number in line for index in number) == list(range(len(boxes)))
    assert all(number for line in found for number in line) and all(found)


def test_nothing_is_no_lines() -> None:
    assert lines(np.zeros((0, 4), np.float32)) == []


def test_boxes_without_any_height_are_put_somewhere() -> None:
    assert lines(np.array([[0, 5, 0, 0], [40, 5, 0, 0]])) == [[[0], [1]]]


def test_one_digit_is_one_number() -> None:
    assert lines(np.array([[3, 4, 10, 20]], np.float32)) == [[[0]]]


@pytest.mark.parametrize(("gap", "numbers"), [(2, [[0, 1]]), (12, [[0, 1]]), (20, [[0], [1]]), (60, [[0], [1]])])
def test_a_wide_gap_separates_numbers(gap: float, numbers: list[list[int]]) -> None:
    assert lines(np.array([[0, 0, 12, 20], [12 + gap, 0, 12, 20]])) == [numbers]


def test_a_one_is_as_high_as_it_is_narrow() -> None:
    """Widths differ by a factor of ten within a number: only heights say how far a gap is."""
    assert lines(np.array([[0, 0, 2, 20], [8, 0, 15, 20], [28, 0, 2, 20]])) == [[[0, 1, 2]]]


@pytest.mark.parametrize(
    ("middles", "numbers"),
    [
        ((0, 23, 46, 69), [[0, 1, 2, 3]]),
        ((0, 20, 45, 68), [[0, 1, 2, 3]]),
        ((0, 27, 54, 81), [[0], [1], [2], [3]]),  # too far apart for boxes
        ((0, 14, 37, 52), [[0, 1], [2, 3]]),  # not evenly
        ((0, 23), [[0], [1]]),  # of two nobody can tell
    ],
)
def test_ones_in_the_boxes_of_a_form_are_one_number(middles: tuple[int, ...], numbers: list[list[int]]) -> None:
    assert lines(np.array([[middle - 1, 0, 2, 20] for middle in middles])) == [numbers]


def test_digits_above_each_other_are_lines() -> None:
    column = np.array([[10, 30 * row, 12, 20] for row in range(5)])
    assert lines(column[::-1]) == [[[4]], [[3]], [[2]], [[1]], [[0]]]


def test_small_print_beside_large_digits_is_a_line_of_its_own() -> None:
    large = [[60 * index, 0, 40, 80] for index in range(3)]
    small = [[200 + 14 * index, 50, 10, 16] for index in range(4)]
    assert lines(np.array(large + small)) == [[[0, 1, 2]], [[3, 4, 5, 6]]]
