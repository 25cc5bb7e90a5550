"""Whole pictures: numbers are read in lines with their boxes, and what is no digit, or more than one, is called so."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import inkdigits
from inkdigits.calibration import BLANK_REASON, NO_DIGIT_REASON
from inkdigits.datasets import load_dataset
from inkdigits.reading import Digit, Reading
from inkdigits.recognizer import PAGE_SURE, SEVERAL_REASON, Recognizer
from inkdigits.synthesis import paper
from inkdigits.synthesis.pages import page
from pictures import ink, picture
from written import written


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return inkdigits.load(threads=1)


def digits_of(reading: Reading) -> list[Digit]:
    return [digit for line in reading.lines for number in line.numbers for digit in number.digits]


def letter(sign: str) -> NDArray[np.uint8]:
    canvas = np.full((140, 150), 235, np.uint8)
    cv2.putText(canvas, sign, (35, 110), cv2.FONT_HERSHEY_SIMPLEX, 3.2, 30, 9, cv2.LINE_AA)
    return canvas


def side_by_side(first: int, second: int) -> NDArray[np.uint8]:
    """Two digits that nearly touch, as dark ink in the middle of light paper."""
    inks = [one[:, one.max(0) > 0.2] for one in (ink(first), ink(second))]
    pair = np.hstack([inks[0], np.zeros((len(inks[0]), 8), np.float32), inks[1]])
    return np.asarray(235 - 200 * np.pad(pair, 30), np.uint8)


# ---- numbers on a page


@pytest.mark.parametrize("height", [26, 48, 110])
@pytest.mark.parametrize("light_on_dark", [False, True])
def test_a_clean_page_is_read_exactly(recognizer: Recognizer, height: int, light_on_dark: bool) -> None:
    pixels = written("2468 13579", "1024 7", "390", height=height)
    reading = recognizer.read(255 - pixels if light_on_dark else pixels)
    assert reading.text == "2468 13579\n1024 7\n390"
    assert (reading.width, reading.height, reading.reason) == (pixels.shape[1], pixels.shape[0], None)


def test_a_reading_holds_together(recognizer: Recognizer) -> None:
    """The text is that of its numbers, theirs that of their digits; boxes hold what they name."""
    pixels = written("2468 13579", "1024 7")
    reading = recognizer.read(pixels)
    assert reading.text == "\n".join(" ".join(number.text for number in line.numbers) for line in reading.lines)
    for line in reading.lines:
        for number in line.numbers:
            assert number.text == "".join(str(digit.digit) for digit in number.digits)
            assert number.confidence == pytest.approx(np.prod([digit.confidence for digit in number.digits]))
            assert [digit.box[0] for digit in number.digits] == sorted(digit.box[0] for digit in number.digits)
            for x, y, width, height in [digit.box for digit in number.digits]:
                assert number.box[0] <= x and number.box[1] <= y
                assert x + width <= number.box[0] + number.box[2] + 1e-3
                assert y + height <= number.box[1] + number.box[3] + 1e-3
    covered = np.zeros(pixels.shape, bool)
    for digit in digits_of(reading):
        x, y, width, height = digit.box
        assert min(x, y) >= 0 and x + width <= pixels.shape[1] and y + height <= pixels.shape[0]
        assert 0 < digit.confidence <= 1 and digit.rejected == (digit.confidence < PAGE_SURE)
        covered[round(y) : round(y + height), round(x) : round(x + width)] = True
    dark = pixels < 120
    assert covered[dark].mean() > 0.95, "boxes are around the ink"


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_the_threshold_asked_for_holds_for_pages_too(threshold: float) -> None:
    digits = digits_of(inkdigits.load(reject_threshold=threshold, threads=1).read(written("40 8", "25")))
    assert len(digits) == 5
    assert all(digit.rejected == (digit.confidence < threshold) for digit in digits)
    assert any(digit.rejected for digit in digits) == (threshold == 1)


@pytest.mark.parametrize("form", ["gray", "rgb", "rgba", "file"])
def test_every_form_of_a_page_is_read_alike(recognizer: Recognizer, form: str, tmp_path: Path) -> None:
    gray = written("40 8", "25")
    rgb = np.repeat(gray[..., None], 3, axis=2)
    cv2.imwrite(str(tmp_path / "page.png"), gray)
    given = {"gray": gray, "rgb": rgb, "rgba": np.dstack([rgb, np.full_like(gray, 255)]), "file": tmp_path / "page.png"}
    assert recognizer.read(given[form]).text == "40 8\n25"


def test_a_turned_page_is_read(recognizer: Recognizer) -> None:
    pixels = written("2468 1357", "1024 77")
    height, width = pixels.shape
    for degrees in (-10, 8):
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 0.8)
        turned = cv2.warpAffine(pixels, turn, (width, height), borderValue=235)
        assert recognizer.read(turned).text == "2468 1357\n1024 77"


def test_a_small_digit_between_large_ones_is_read_once(recognizer: Recognizer) -> None:
    page = np.full((260, 220), 235, np.uint8)
    for top, number in ((40, "482"), (150, "375")):
        left = 40
        for digit, height in zip(number, (44, 20, 44), strict=True):
            glyph = ink(int(digit), height)
            across = np.flatnonzero(glyph.any(axis=0))
            glyph = glyph[:, across[0] : across[-1] + 1]
            upper = top + (44 - glyph.shape[0]) // 2
            page[upper : upper + glyph.shape[0], left : left + glyph.shape[1]] = 235 - 195 * glyph
            left += glyph.shape[1] + 5
    assert recognizer.read(page).text == "482\n375"


def test_most_digits_of_made_up_pages_are_found_and_named(recognizer: Recognizer, mnist: Path) -> None:
    """Of digits that it never saw, some in ways that hardly anyone uses, among letters, lines and dirt."""
    test = load_dataset("mnist", "test")
    there = found = right = false = 0
    for seed in range(24):
        one = page(np.random.default_rng([7, seed]), test.images, test.labels, 240, 480)
        digits = digits_of(recognizer.read(one.pixels))
        for box, label in zip(one.boxes, one.digits, strict=True):
            if max(box[2:]) >= 14:
                there += 1
                same = [digit for digit in digits if overlap(digit.box, box) > 0.5]
                found += bool(same)
                right += any(digit.digit == label for digit in same)
        false += sum(all(overlap(digit.box, box) < 0.3 for box in one.boxes) for digit in digits)
    assert there > 100
    assert found > 0.8 * there and right > 0.75 * there and false < 0.1 * there


def overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """What two boxes share, as a part of both together."""
    across = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    down = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    shared = max(across, 0) * max(down, 0)
    return float(shared / (first[2] * first[3] + second[2] * second[3] - shared))


# ---- one digit


@pytest.mark.parametrize("digit", range(10))
def test_a_picture_of_one_digit_is_read_as_classify_answers(recognizer: Recognizer, digit: int) -> None:
    pixels = picture(digit)
    (prediction,) = recognizer.classify([pixels])
    assert (prediction.digit, prediction.rejected, prediction.reason) == (digit, False, None)
    reading = recognizer.read(pixels)
    assert (reading.text, reading.reason) == (str(digit), None)
    assert digits_of(reading)[0].confidence == pytest.approx(prediction.confidence)


def test_images_of_mnist_are_read_as_they_are(recognizer: Recognizer, mnist: Path) -> None:
    """They are far smaller than a page, and their digit fills them."""
    test = load_dataset("mnist", "test")
    right = [
        recognizer.read(image).text == str(label) for image, label in zip(test.images[:60], test.labels, strict=False)
    ]
    assert np.mean(right) > 0.9


# ---- what is no digit, or more than one


@pytest.mark.parametrize("sign", list("XKWR"))
def test_a_letter_is_not_a_digit(recognizer: Recognizer, sign: str) -> None:
    (prediction,) = recognizer.classify([letter(sign)])
    assert (prediction.rejected, prediction.reason) == (True, NO_DIGIT_REASON)
    assert prediction.confidence < 0.5
    assert prediction.probabilities.sum() == pytest.approx(1, abs=1e-5), "of the digits, if it were one"


def test_a_digit_is_refused_for_a_reason_and_never_accepted_with_one() -> None:
    """Pieces of a page, of which some show one digit, some none, some halves."""
    recognizer = inkdigits.load(reject_threshold=0.99, threads=1)
    pixels, kinds = written("2468 13579", "390"), set()
    rng = np.random.default_rng(0)
    for _ in range(150):
        side = int(rng.integers(20, 90))
        top, left = (int(rng.integers(0, length - side)) for length in pixels.shape)
        reading = recognizer.read(pixels[top : top + side, left : left + side])
        digits = digits_of(reading)
        if len(digits) <= 1:
            refused = not digits or digits[0].rejected
            assert refused == (reading.reason is not None)
            assert reading.reason != SEVERAL_REASON
            kinds.add((len(digits), refused))
    assert kinds == {(0, True), (1, True), (1, False)}


@pytest.mark.parametrize("pair", [(8, 5), (2, 5), (8, 3)])
def test_two_digits_are_called_several(recognizer: Recognizer, pair: tuple[int, int]) -> None:
    pixels = side_by_side(*pair)
    (prediction,) = recognizer.classify([pixels])
    assert (prediction.rejected, prediction.reason) == (True, SEVERAL_REASON)
    assert recognizer.read(pixels).text.replace(" ", "") == "".join(str(digit) for digit in pair)


def test_blank_paper_is_blank_and_nothing_stands_on_it(recognizer: Recognizer) -> None:
    for pixels in (np.full((50, 60), 230, np.uint8), np.zeros((300, 20, 3), np.uint8)):
        assert recognizer.classify([pixels])[0].reason == BLANK_REASON
        reading = recognizer.read(pixels)
        assert (reading.text, reading.lines, reading.reason) == ("", (), BLANK_REASON)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize(("height", "width"), [(300, 400), (480, 640), (120, 600)])
@pytest.mark.parametrize("part", [0.02, 0.1, 0.3, 0.45, 0.55])
def test_the_edge_of_a_table_is_no_digit(
    recognizer: Recognizer, turns: int, height: int, width: int, part: float
) -> None:
    light = np.linspace(150, 230, width) + np.random.default_rng(0).normal(0, 3, (height, width))
    light[:, : round(part * width)] = 50
    pixels = np.ascontiguousarray(np.rot90(light.astype(np.uint8), turns))
    reading = recognizer.read(pixels)
    assert (reading.text, reading.reason is None) == ("", False)


@pytest.mark.parametrize("light_on_dark", [False, True])
@pytest.mark.parametrize("table", [0, 60])
@pytest.mark.parametrize(("height", "around"), [(24, 20), (32, 60), (44, 100)])
def test_a_note_on_a_dark_table_is_read(
    recognizer: Recognizer, height: int, around: int, table: int, light_on_dark: bool
) -> None:
    pixels = np.pad(written("31407", height=height), around, constant_values=table)
    assert recognizer.read(255 - pixels if light_on_dark else pixels).text == "31407"


@pytest.mark.parametrize("light_on_dark", [False, True])
@pytest.mark.parametrize("seed", [35, 147])
def test_a_page_is_read_whose_light_hides_which_is_ink(recognizer: Recognizer, seed: int, light_on_dark: bool) -> None:
    """Faint ink is as light as the paper in the shade, so that paper is taken for ink, and some of it for digits."""
    lines = "40718 629", "35206 9183", "74 5129 60"
    clean = written(*lines, height=32).astype(np.float32)
    cover = ((clean.max() - clean) / np.ptp(clean))[..., None]
    rng = np.random.default_rng(seed)
    ground = paper.paper(rng, *clean.shape, 32)
    level = ground.mean() * rng.uniform(0.6, 0.8)
    pixels = np.clip(ground * (1 - cover) + level * cover, 0, 255).astype(np.uint8)
    text = recognizer.read(255 - pixels if light_on_dark else pixels).text
    assert "".join(text.split()) == "".join(lines).replace(" ", "")


@pytest.mark.parametrize("light_on_dark", [False, True])
@pytest.mark.parametrize("digit", [3, 5, 8])
def test_a_digit_on_a_note_on_a_dark_table_is_the_one_on_the_note(
    recognizer: Recognizer, digit: int, light_on_dark: bool
) -> None:
    pixels = np.pad(written(str(digit), height=32), 90, constant_values=40)
    reading = recognizer.read(255 - pixels if light_on_dark else pixels)
    assert reading.text in (str(digit), ""), "not what the whole note looks like"
    assert all(each.box[2] < 60 for each in digits_of(reading))


@pytest.mark.parametrize("side", [28, 60])
def test_a_one_that_fills_its_picture_is_read(recognizer: Recognizer, side: int) -> None:
    """A cut around its ink may be narrow, but then the picture is, too."""
    pixels = picture(1)
    rows, columns = np.flatnonzero((pixels < 128).any(1)), np.flatnonzero((pixels < 128).any(0))
    cut = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    size = max(2, round(side * cut.shape[1] / cut.shape[0])), side
    assert recognizer.read(cv2.resize(cut, size, interpolation=cv2.INTER_AREA)).text == "1"


@pytest.mark.parametrize("shape", [(3, 3), (3, 900), (900, 3), (4, 3, 4), (30, 20_000)])
def test_the_smallest_pictures_are_read_without_harm(recognizer: Recognizer, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    reading = recognizer.read(pixels)
    assert (reading.height, reading.width) == shape[:2]
    for digit in digits_of(reading):
        x, y, width, height = digit.box
        assert x >= 0 and y >= 0 and x + width <= shape[1] + 1e-3 and y + height <= shape[0] + 1e-3
