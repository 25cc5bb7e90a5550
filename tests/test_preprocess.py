"""What preprocessing promises: one digit looks the same wherever, however large and in whatever colors it is shown."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import golden
from inkdigits import preprocess
from inkdigits.preprocess import normalize, normalize_batch
from pictures import picture

VECTORS = np.load(golden.FILE)
PICTURES = golden.pictures()


def likeness(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The correlation of two 28 x 28 inks, allowing for one pixel of shift."""
    shifted = [np.roll(b, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return max(float(np.corrcoef(a.ravel(), other.ravel())[0, 1]) for other in shifted)


@pytest.mark.parametrize("name", PICTURES)
def test_golden_vectors(name: str) -> None:
    one = normalize(PICTURES[name])
    assert np.abs(one.seen * 255 - VECTORS[f"seen/{name}"]).max() <= 1.01
    assert np.allclose(one.box, VECTORS[f"box/{name}"], atol=0.01)


def test_golden_vectors_cover_blanks_and_all_digits() -> None:
    blank = {name for name in PICTURES if not VECTORS[f"seen/{name}"].any()}
    assert blank == {"blank", "noise only", "light from one side", "a shadow along one side"}
    assert len(PICTURES) > 20


@pytest.mark.parametrize("split", ["train", "test"])
def test_mnist_passes_unchanged(mnist: Path, split: str) -> None:
    from inkdigits.datasets import load_dataset

    images = load_dataset("mnist", split).images
    seen, boxes, votes = normalize_batch(images)
    assert np.array_equal(np.rint(seen * 255), images) and np.isneginf(votes).all()
    assert (boxes[:, 2:].max(1) <= 21).all()


def test_batch_equals_one_by_one(mnist: Path) -> None:
    from inkdigits.datasets import load_dataset

    images = load_dataset("mnist", "test").images[:40].copy()
    images[::2] = 255 - images[::2]  # not in MNIST's polarity: these take the long way
    images[7] = 0
    seen, boxes, votes = normalize_batch(images)
    for index, image in enumerate(images):
        one = normalize(image)
        assert np.array_equal(one.seen, seen[index])
        assert np.array_equal(one.box, boxes[index]) and one.vote == votes[index]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_mnist_passes_unchanged_in_color_too(mnist: Path, channels: int) -> None:
    from inkdigits.datasets import load_dataset

    images = load_dataset("mnist", "test").images[:200]
    shown = np.repeat(images[..., None], channels, axis=3)
    shown[..., 3:] = 255
    assert np.array_equal(np.rint(normalize_batch(shown)[0] * 255), images)
    assert np.array_equal(np.rint(normalize(shown[0]).seen * 255), images[0])


def test_inverted_mnist_is_nearly_the_same(mnist: Path) -> None:
    from inkdigits.datasets import load_dataset

    images = load_dataset("mnist", "test").images[:100]
    likes = [likeness(normalize(image).seen, normalize(255 - image).seen) for image in images]
    assert np.mean(likes) > 0.95
    assert min(likes) > 0.85


@settings(max_examples=30, deadline=None)
@given(
    digit=st.integers(0, 9),
    height=st.integers(40, 130),
    place=st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9)),
    paper=st.sampled_from([235, 120, 10, (250, 240, 200), (30, 60, 30)]),
    contrast=st.floats(0.4, 1.0),
    light=st.floats(0, 0.3),
    noise=st.floats(0, 4),
)
def test_size_place_color_and_light_do_not_matter(
    digit: int, height: int, place: tuple[float, float], paper: object, contrast: float, light: float, noise: float
) -> None:
    sheet = np.asarray(paper, float)
    target = 0.0 if sheet.mean() > 100 else 255.0
    pen = sheet + contrast * (target - sheet)
    shown = picture(digit, size=(200, 240), height=height, place=place, paper=sheet, pen=pen, light=light, noise=noise)
    assert likeness(normalize(shown).seen, normalize(picture(digit)).seen) > 0.85


@settings(max_examples=20, deadline=None)
@given(digit=st.integers(0, 9), height=st.integers(30, 130), stroke=st.floats(0.08, 0.2), noise=st.floats(0, 3))
def test_the_layout_is_that_of_mnist_and_stays(digit: int, height: int, stroke: float, noise: float) -> None:
    seen = normalize(picture(digit, size=(200, 200), height=height, stroke=stroke, noise=noise)).seen
    assert seen.dtype == np.float32
    assert seen.max() == 1.0
    assert seen.min() == 0.0
    rows, columns = np.flatnonzero((seen > 0.1).any(1)), np.flatnonzero((seen > 0.1).any(0))
    assert 17 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21
    levels = seen * 255
    assert np.abs(levels - np.rint(levels)).max() < 1e-3
    again = normalize(np.rint(levels).astype(np.uint8))
    assert np.array_equal(again.seen, seen)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    channels=st.sampled_from([0, 1, 3, 4]),
    seed=st.integers(0, 2**32 - 1),
    levels=st.integers(1, 255),
)
def test_any_pixels_give_valid_ink(height: int, width: int, channels: int, seed: int, levels: int) -> None:
    shape = (height, width, channels) if channels else (height, width)
    pixels = np.random.default_rng(seed).integers(0, levels, shape, endpoint=True).astype(np.uint8)
    one = normalize(pixels)
    assert one.seen.shape == (28, 28)
    assert np.isfinite(one.seen).all()
    assert one.seen.min() >= 0.0
    assert one.seen.max() in (0.0, 1.0)
    assert one.blank == (one.seen.max() == 0.0)
    assert (one.box >= 0).all()
    assert one.box[0] + one.box[2] <= width + 1e-3
    assert one.box[1] + one.box[3] <= height + 1e-3


@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_plain_paper_is_blank(level: int) -> None:
    assert normalize(np.full((40, 60, 3), level, np.uint8)).blank


@pytest.mark.parametrize("noise", [1.0, 3.0, 8.0])
def test_noisy_paper_is_blank(noise: float) -> None:
    pixels = np.random.default_rng(0).normal(180, noise, (120, 160)).clip(0, 255).astype(np.uint8)
    assert normalize(pixels).blank


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("darkest", [0.4, 0.7])
@pytest.mark.parametrize("bend", [0.5, 1.0, 2.0])
def test_paper_that_light_falls_on_from_one_side_is_blank(turns: int, darkest: float, bend: float) -> None:
    fall = 230 * (darkest + (1 - darkest) * np.linspace(0, 1, 240) ** bend)
    light = np.tile(fall, (160, 1)) + np.random.default_rng(0).normal(0, 3, (160, 240))
    assert normalize(np.rot90(light.clip(0, 255), turns).astype(np.uint8)).blank


@pytest.mark.parametrize("turns", range(4))
def test_a_shadow_along_a_side_is_no_ink(turns: int) -> None:
    shaded, plain = picture(3), picture(3)
    shaded[:, :25] = 120
    shaded, plain = np.rot90(shaded, turns).copy(), np.rot90(plain, turns).copy()
    assert np.allclose(normalize(shaded).box, normalize(plain).box, atol=1)
    assert normalize(np.where(np.rot90(picture(3), turns) < 200, 235, shaded).astype(np.uint8)).blank


def framed(pixels: NDArray[np.uint8], thick: int, around: int, tilt: float = 0.0) -> NDArray[np.uint8]:
    """A picture in a frame that stands `around` pixels from the border, tilted by so many degrees."""
    paper = int(pixels.max())
    shown = cv2.copyMakeBorder(pixels, thick, thick, thick, thick, cv2.BORDER_CONSTANT, value=40)
    shown = cv2.copyMakeBorder(shown, around, around, around, around, cv2.BORDER_CONSTANT, value=paper)
    turn = cv2.getRotationMatrix2D((shown.shape[1] / 2, shown.shape[0] / 2), tilt, 1)
    return np.asarray(cv2.warpAffine(shown, turn, shown.shape[1::-1], borderValue=paper), np.uint8)


@pytest.mark.parametrize("digit", range(10))
@pytest.mark.parametrize(("thick", "around", "tilt"), [(2, 20, 0), (2, 60, 3), (8, 30, -3), (30, 20, 0), (40, 0, 0)])
def test_a_frame_around_a_digit_is_no_part_of_it(digit: int, thick: int, around: int, tilt: float) -> None:
    alone = normalize(picture(digit))
    shown = framed(picture(digit), thick, around, tilt)
    found = normalize(shown)
    assert likeness(found.seen, alone.seen) > (0.8 if tilt else 0.95)
    assert np.allclose(found.box, np.add(alone.box, [thick + around, thick + around, 0, 0]), atol=12 if tilt else 4)
    inverted = normalize(255 - shown)
    assert likeness(inverted.seen, alone.seen) > (0.8 if tilt else 0.95)


def test_frames_in_a_frame_are_looked_into() -> None:
    shown = framed(framed(picture(7), 3, 20), 40, 0)
    assert likeness(normalize(shown).seen, normalize(picture(7)).seen) > 0.95


@pytest.mark.parametrize("inside", ["nothing", "a speck", "a bar across"])
def test_a_frame_that_holds_nothing_of_its_own_is_all_there_is(inside: str) -> None:
    """It may be a zero, or an eight, as some write them."""
    shown = cv2.rectangle(np.full((160, 200), 235, np.uint8), (60, 20), (140, 140), 40, 8)
    if inside == "a speck":
        shown[78:84, 97:103] = 40
    elif inside == "a bar across":
        shown[76:84, 60:140] = 40
    assert np.allclose(normalize(shown).box, [56, 16, 89, 129], atol=5)


@pytest.mark.parametrize("bars", [14, 18, 20])
@pytest.mark.parametrize("margin", [20, 40])
@pytest.mark.parametrize("segments", ["abcdef", "acdefg", "abcdefg", "abcdfg"])  # 0, 6, 8, 9
def test_the_holes_of_broad_digits_with_corners_are_no_digits(bars: int, margin: int, segments: str) -> None:
    shown = np.full((100 + 2 * margin, 60 + 2 * margin), 235, np.uint8)
    low, high, left, right = margin, margin + 100, margin, margin + 60
    middle = (low + high) // 2
    spots = {
        "a": np.s_[low : low + bars, left:right],
        "b": np.s_[low:middle, right - bars : right],
        "c": np.s_[middle:high, right - bars : right],
        "d": np.s_[high - bars : high, left:right],
        "e": np.s_[middle:high, left : left + bars],
        "f": np.s_[low:middle, left : left + bars],
        "g": np.s_[middle - bars // 2 : middle + bars // 2, left:right],
    }
    for segment in segments:
        shown[spots[segment]] = 40
    assert np.allclose(normalize(shown).box, [left, low, 60, 100], atol=4)


@pytest.mark.parametrize(("light", "pen", "sheet"), [(0.0, 200, 225), (0.3, 200, 225), (0.6, 180, 210)])
@pytest.mark.parametrize("stroke", [0.06, 0.12])
def test_faint_pencil_is_found_in_uneven_light(light: float, pen: int, sheet: int, stroke: float) -> None:
    for digit in range(10):
        faint = normalize(picture(digit, light=light, pen=pen, paper=sheet, stroke=stroke, noise=1, seed=digit))
        assert np.allclose(faint.box, normalize(picture(digit, stroke=stroke)).box, atol=15)


@pytest.mark.parametrize("mark", ["a dot", "a slash"])
def test_a_round_zero_with_a_mark_in_it_is_no_frame(mark: str) -> None:
    shown = cv2.ellipse(np.full((160, 200), 235, np.uint8), (100, 80), (40, 60), 0, 0, 360, 40, 8)
    box = normalize(shown).box
    ends = ((100, 80), (100, 80)) if mark == "a dot" else ((88, 110), (112, 50))
    assert np.allclose(normalize(cv2.line(shown, *ends, 40, 9)).box, box, atol=1)


def test_the_box_is_where_the_digit_is() -> None:
    shown = picture(8, size=(300, 400), height=80, place=(0.2, 0.7))
    rows, columns = np.nonzero(shown < 120)
    x, y, width, height = normalize(shown).box
    assert abs(x - columns.min()) <= 3
    assert abs(y - rows.min()) <= 3
    assert abs(x + width - columns.max() - 1) <= 3
    assert abs(y + height - rows.max() - 1) <= 3


def test_the_box_of_a_large_picture_is_in_its_own_pixels() -> None:
    shown = picture(8, size=(2000, 3200), height=900, place=(0.5, 0.2))
    rows, columns = np.nonzero(shown < 120)
    x, y, width, height = normalize(shown).box
    assert np.allclose([x, y], [columns.min(), rows.min()], atol=20)
    assert np.allclose([width, height], [np.ptp(columns) + 1, np.ptp(rows) + 1], atol=30)


def test_what_comes_in_from_a_side_that_the_digit_does_not_reach_is_no_part_of_it() -> None:
    alone = picture(5)[:128]
    crossed = alone.copy()
    crossed[70:78, :55] = 30
    assert np.array_equal(normalize(crossed).box, normalize(alone).box)
    assert likeness(normalize(crossed).seen, normalize(alone).seen) > 0.999


def test_a_picture_that_is_half_ink_is_not_taken_for_noise(mnist: Path) -> None:
    """An image of MNIST with its sides inverted: its brightness differs widely, yet nothing in it is noise."""
    from inkdigits.datasets import load_dataset

    for image in load_dataset("mnist", "test").images[:50]:
        shown = image.copy()
        shown[:, :7], shown[:, 21:] = 255 - shown[:, :7], 255 - shown[:, 21:]
        assert not normalize(shown).blank


def test_the_version_is_that_of_the_golden_vectors() -> None:
    assert f"VERSION {preprocess.VERSION} " in str(golden.__doc__)
