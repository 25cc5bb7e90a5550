"""A picture whose lines slope is seen level, and boxes are where digits are on the picture itself."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import inkdigits
from inkdigits.detection import leveling
from inkdigits.operators import Ops
from inkdigits.recognizer import Recognizer
from parts import session_of
from written import turned, written

Boxes = NDArray[np.float32]


@pytest.fixture(scope="module")
def slope_of() -> Any:
    """Asks the graph for the slope of corners, and their logits, on a picture of this size."""
    ops = Ops()
    names = ["boxes", "logits", "width", "height"]
    session = session_of(ops, names, [leveling.page_slope(ops, *names)])

    def ask(boxes: Boxes, logits: Any = 3.0, width: float = 1000, height: float = 1000) -> float:
        sure = np.broadcast_to(np.asarray(logits, np.float32), len(boxes))[:, None]
        sides = {"width": np.array(width, np.float32), "height": np.array(height, np.float32)}
        return float(session.run(None, {"boxes": boxes, "logits": np.ascontiguousarray(sure), **sides})[0])

    return ask


def on_lines(slope: float, lines: int = 1, digits: int = 6, seed: int = 0) -> Boxes:
    """Corners of digits 30 pixels high, more or less, 24 apart, on lines 60 apart that slope."""
    rng = np.random.default_rng(seed)
    column, row = np.meshgrid(np.arange(digits), np.arange(lines))
    x, tall = 100.0 + 24 * column.ravel(), rng.uniform(26, 34, lines * digits)
    y = 300 + 60 * row.ravel() + slope * x + rng.normal(0, 0.6, x.size)
    return np.stack([x - 9, y - tall / 2, x + 9, y + tall / 2], 1).astype(np.float32)


@pytest.mark.parametrize("slope", [-0.3, -0.15, 0.12, 0.25])
@pytest.mark.parametrize(("lines", "digits"), [(1, 3), (1, 8), (5, 2), (4, 6)])
def test_the_slope_of_lines_is_told(slope_of: Any, slope: float, lines: int, digits: int) -> None:
    told = [slope_of(on_lines(slope, lines, digits, seed)) for seed in range(8)]
    near = 0.06 if lines * digits < 12 else 0.03
    assert np.abs(np.array(told) - slope)[np.nonzero(told)].max() < near
    assert np.count_nonzero(told) >= 7


def test_the_slope_is_that_of_most_and_the_straightest_line_through_them(slope_of: Any) -> None:
    line = on_lines(0.2, digits=9)
    middles = line[:, :2] + line[:, 2:]
    fitted = np.polyfit(*(middles / 2).T, 1)[0]
    assert slope_of(line) == pytest.approx(fitted, abs=0.01)
    assert slope_of(np.vstack([line, line + 1])) == pytest.approx(fitted, abs=0.01), "found in two sizes"
    others = np.array([(400, 40, 420, 70), (425, 70, 445, 100), (700, 600, 990, 960)], np.float32)
    assert slope_of(np.vstack([line, others])) == pytest.approx(fitted, abs=0.02)
    doubtful = on_lines(-0.3, lines=6, digits=9)
    logits = np.repeat([2.0, -0.1], [len(line), len(doubtful)])
    assert slope_of(np.vstack([line, doubtful]), logits) == pytest.approx(fitted, abs=0.01), "no digits, more likely"


@pytest.mark.parametrize(
    "boxes",
    [
        np.zeros((0, 4), np.float32),
        on_lines(0.2, digits=1),
        on_lines(0.2, digits=2),  # one direction could be chance
        on_lines(0.05, lines=3, digits=8),  # level enough
        on_lines(0.0, lines=6, digits=1),  # one above the other
        on_lines(0.2, digits=8) * [[9, 1, 9, 1]],  # far apart
        np.repeat(on_lines(0.2, digits=1), 5, axis=0),  # the same place
    ],
)
def test_what_makes_no_sloping_line_is_left_as_it_is(slope_of: Any, boxes: Boxes) -> None:
    assert slope_of(boxes.astype(np.float32)) == 0.0


def straight(slope: float, count: int = 9, apart: float = 24) -> Boxes:
    """Corners of digits of 18 by 30 pixels on one line."""
    x = 100 + apart * np.arange(count)
    y = 300 + slope * x
    return np.stack([x - 9, y - 15, x + 9, y + 15], 1).astype(np.float32)


def test_a_slope_is_leveled_from_about_5_degrees_on(slope_of: Any) -> None:
    assert slope_of(straight(0.085)) == 0.0 and slope_of(straight(-0.085)) == 0.0
    assert slope_of(straight(0.095)) == pytest.approx(0.095, abs=1e-4)
    assert slope_of(straight(-0.095)) == pytest.approx(-0.095, abs=1e-4)


def test_no_slope_is_steeper_than_a_line_may_be(slope_of: Any) -> None:
    for slope in (0.4, -0.4):  # the next is within reach, for digits do not stand quite level
        assert slope_of(straight(slope)) == pytest.approx(np.copysign(leveling.STEEPEST, slope))
    assert abs(slope_of(on_lines(0.9, lines=4, digits=8))) <= leveling.STEEPEST


def test_a_picture_that_would_become_too_large_is_left_as_it_is(slope_of: Any) -> None:
    line = straight(0.2)
    assert slope_of(line, width=2000, height=1795) > 0.1  # 4,979,000 pixels once it is level
    assert slope_of(line, width=2000, height=1810) == 0.0
    assert slope_of(line, width=30_000, height=40) == 0.0


def test_digits_that_are_no_neighbors_tell_nothing(slope_of: Any) -> None:
    heights = straight(0.2)
    heights[::2] += [0, -9, 0, 9]  # 48 to 30: the next of one's own height is 48 pixels away
    assert slope_of(heights) == pytest.approx(0.2, abs=1e-4)
    assert slope_of(straight(0.2, 9, 100)) == 0.0, "too far apart"
    assert slope_of(straight(0.2, 9, 85)) == pytest.approx(0.2, abs=1e-4)
    unlike = straight(0.2, 3)
    unlike[1] += [0, -12, 0, 12]
    assert slope_of(unlike[:2]) == slope_of(unlike) == 0.0


def test_a_line_is_fitted_to_all_that_is_on_it_and_not_to_others(slope_of: Any) -> None:
    bent = straight(0.2, 12)
    bent[:, 1::2] += (0.3 * 30 * np.sin(np.arange(12) * np.pi / 11))[:, None]
    x, y = (bent[:, 0] + bent[:, 2]) / 2, (bent[:, 1] + bent[:, 3]) / 2
    pairs = [(b - a, d - c) for a, c in zip(x, y, strict=True) for b, d in zip(x, y, strict=True) if 9 < b - a < 240]
    run, rise = np.array([pair for pair in pairs if abs(pair[1] - 0.2 * pair[0]) < 0.35 * 30]).T
    assert slope_of(bent) == pytest.approx((run @ rise) / (run @ run), abs=5e-3)
    below = straight(0.2, 9)[5:] + np.float32([0, 36, 0, 36])
    assert slope_of(np.vstack([straight(0.2), below])) == pytest.approx(0.2, abs=1e-3), "another line"


def test_of_a_crowd_the_surest_tell(slope_of: Any) -> None:
    crowd = np.vstack([straight(0.2, 20) + np.float32([0, 60, 0, 60]) * row for row in range(20)])
    others = np.vstack([straight(-0.2, 20) + np.float32([600, 60, 600, 60]) * [1, row, 1, row] for row in range(40)])
    logits = np.repeat([3.0, 1.0], [len(crowd), len(others)])
    assert len(crowd) == leveling.CROWD
    assert slope_of(np.vstack([others, crowd]).astype(np.float32), logits[::-1]) == pytest.approx(0.2, abs=1e-3)


@pytest.mark.parametrize("slope", [0.2, -0.3])
def test_a_picture_is_turned_until_its_lines_are_level(slope: float) -> None:
    ops = Ops()
    session = session_of(ops, ["picture", "slope"], [leveling.leveled(ops, "picture", "slope")])
    picture = np.random.default_rng(0).uniform(0, 255, (60, 90, 3)).astype(np.float32)
    picture = cv2.GaussianBlur(picture, (0, 0), 3)
    given = {"picture": picture.transpose(2, 0, 1)[None], "slope": np.array(slope, np.float32)}
    seen = session.run(None, given)[0][0].transpose(1, 2, 0)
    angle = np.arctan(slope)
    along, across = np.cos(angle), np.sin(angle)
    wide, tall = (int(np.ceil(a * along + b * abs(across))) for a, b in ((90, 60), (60, 90)))
    assert seen.shape == (tall, wide, 3)
    middle, old = np.array([wide, tall]) / 2 - 0.5, np.array([90, 60]) / 2 - 0.5
    back = np.array([[along, -across], [across, along]])
    matrix = np.hstack([back, (old - back @ middle)[:, None]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    expected = cv2.warpAffine(picture, matrix, (wide, tall), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(seen, expected, atol=0.6)


@pytest.mark.parametrize("slope", [0.0, 0.2, -0.3])
def test_boxes_are_turned_back(slope: float) -> None:
    ops = Ops()
    names = ["boxes", "slope", "width", "height"]
    session = session_of(ops, names, [leveling.unleveled(ops, *names)])
    along, across = np.cos(np.arctan(slope)), np.sin(np.arctan(slope))
    width, height = 400.0, 300.0
    points = np.random.default_rng(0).uniform((60, 60), (340, 240), (20, 2))  # on the picture
    forth = np.array([[along, across], [-across, along]])
    sides = np.array([width * along + height * abs(across), width * abs(across) + height * along])
    level = (points - [width / 2, height / 2]) @ forth.T + sides / 2
    half = np.array([8.0, 20.0])
    boxes = np.hstack([level - half, level + half]).astype(np.float32)
    given = {"slope": slope, "width": width, "height": height}
    (back,) = session.run(None, {"boxes": boxes, **{name: np.array(x, np.float32) for name, x in given.items()}})
    np.testing.assert_allclose((back[:, :2] + back[:, 2:]) / 2, points, atol=1e-3)
    turn = np.linspace(0, 2 * np.pi, 721)
    oval = (np.stack([8 * np.cos(turn), 20 * np.sin(turn)], 1) @ forth).max(0)
    np.testing.assert_allclose(back[:, 2:] - back[:, :2], np.broadcast_to(2 * oval, (20, 2)), rtol=1e-3)
    nothing = {name: np.array(x, np.float32) for name, x in given.items()}
    assert session.run(None, {"boxes": np.zeros((0, 4), np.float32), **nothing})[0].shape == (0, 4)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return inkdigits.load()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("degrees", [13, -13])
def test_a_turned_page_is_read_and_its_boxes_are_on_its_digits(
    recognizer: Recognizer, degrees: float, dark: bool
) -> None:
    page = turned(written("40718 25", "936", "82051 7"), degrees)
    reading = recognizer.read(255 - page if dark else page)
    assert reading.text == "40718 25\n936\n82051 7"
    level = recognizer.read(written("40718 25", "936", "82051 7"))
    matrix = cv2.getRotationMatrix2D((0, 0), degrees, 1)[:, :2]
    sizes = [np.array(shape[::-1]) for shape in (written("40718 25", "936", "82051 7").shape, page.shape)]
    for one, other in zip(digits_of(level), digits_of(reading), strict=True):
        middle = matrix @ (one[:2] + one[2:] / 2 - sizes[0] / 2) + sizes[1] / 2
        assert np.abs(other[:2] + other[2:] / 2 - middle).max() < 5
        assert (other[2:] > 0.8 * one[2:]).all() and (other[2:] < 1.6 * one[2:] + 6).all()


def digits_of(reading: inkdigits.Reading) -> list[NDArray[np.float64]]:
    return [np.array(one.box) for line in reading.lines for number in line.numbers for one in number.digits]
