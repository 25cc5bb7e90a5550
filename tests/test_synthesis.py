"""Made-up pictures: the same for the same seed, with labels and boxes that tell what is on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from handmade import face
from inkdigits.datasets import load_dataset
from inkdigits.preprocess import normalize
from inkdigits.synthesis import glyphs, paper, sets, signs, strokes, typefaces
from inkdigits.synthesis import pages as sheets
from inkdigits.synthesis.crops import OTHER, Crop, Crops, _across, worn
from inkdigits.synthesis.pages import Page, field, page

DIGITS = 3000
"""Images of MNIST to make pictures from."""
DRAWN = 30.69554306968212
"""The sum of what the generators of sixty hands say next after each wrote a digit."""


@pytest.fixture(scope="module")
def images(data_cache: Path) -> NDArray[np.uint8]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKDIGITS_CACHE", str(data_cache))
        return load_dataset("mnist", "train").images[:DIGITS]


@pytest.fixture(scope="module")
def labels(images: NDArray[np.uint8], data_cache: Path) -> NDArray[np.uint8]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKDIGITS_CACHE", str(data_cache))
        return load_dataset("mnist", "train").labels[:DIGITS]


def same(first: Page, second: Page) -> bool:
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ("pixels", "boxes", "digits"))


# ---- strokes


SHAPES = {
    "digit": lambda rng: strokes.drawn_digit(rng, int(rng.integers(10)), 40),
    "scribble": lambda rng: strokes.scribble(rng, 40),
    "line": lambda rng: strokes.line(rng, 40),
    "dot": lambda rng: strokes.dot(rng, 4.0),
    "letter": lambda rng: typefaces.letter(rng, 40),
    "face": lambda rng: strokes.face(rng, 40),
    "word": lambda rng: strokes.word(rng, 20),
    "bar": lambda rng: strokes.bar(rng, 40, 0.1),
    "print": lambda rng: typefaces.printed(rng, "Total 12:30", 14),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_ink_is_between_paper_and_full_and_cut_out_tightly(kind: str) -> None:
    for seed in range(40):
        ink = SHAPES[kind](np.random.default_rng(seed))
        assert ink.dtype == np.float32 and ink.ndim == 2
        assert ink.min() >= 0 and 0.1 < ink.max() <= 1
        for edge in (ink[0], ink[-1], ink[:, 0], ink[:, -1]):
            assert edge.max() > 0.1, "no empty margin"
        assert np.array_equal(ink, SHAPES[kind](np.random.default_rng(seed)))


@pytest.mark.parametrize("digit", range(10))
def test_drawn_digits_have_the_height_asked_for(digit: int) -> None:
    for seed in range(30):
        tall, wide = strokes.drawn_digit(np.random.default_rng(seed), digit, 60).shape
        assert 45 <= tall <= 95
        assert wide < 1.6 * tall


def test_letters_hold_no_digit() -> None:
    assert not set(typefaces.LETTERS + typefaces.SYMBOLS) & {*"0123456789OIlSBZqgo|", *typefaces.ALIKE}


@pytest.mark.parametrize("slant", [-0.5, 0.3, 0.6])
def test_slanted_ink_is_all_there_and_leans(slant: float) -> None:
    upright = np.zeros((40, 30), np.float32)
    upright[:, 12:16] = 1
    ink = strokes.slanted(upright, slant)
    assert ink.sum() == pytest.approx(upright.sum(), rel=0.02) and ink.shape[0] == 40
    assert np.argmax(ink[0]) - np.argmax(ink[-1]) == pytest.approx(39 * slant, abs=1.5)


WAYS = ("ambiguous", "seldom", "rare", "loose")


@pytest.mark.parametrize("ways", WAYS)
def test_ways_few_people_use_are_drawn_only_when_asked_for(ways: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flat: list[strokes.Points] = [[(0.0, 0.5), (1.0, 0.5)]]
    monkeypatch.setitem(getattr(strokes, f"_{ways.upper()}"), 4, 3 * [flat])
    rng = np.random.default_rng(5)

    def flat_ones(**asked: bool) -> int:
        inks = [strokes.drawn_digit(rng, 4, 40, **asked) for _ in range(200)]
        return sum(ink.shape[0] < ink.shape[1] / 2 for ink in inks)

    others = {other: True for other in WAYS if other != ways}
    assert flat_ones() == flat_ones(**others) == 0 < flat_ones(**{ways: True})


@pytest.mark.parametrize(("y", "x", "rows", "columns"), [(2, 3, (2, 6), (3, 8)), (-1, 17, (0, 3), (17, 20))])
def test_ink_is_put_where_it_belongs_and_cut_at_the_border(
    y: int, x: int, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    sheet = np.zeros((10, 20), np.float32)
    assert strokes.put(sheet, np.ones((4, 5), np.float32), y, x) == (slice(*rows), slice(*columns))
    expected = np.zeros_like(sheet)
    expected[slice(*rows), slice(*columns)] = 1
    assert np.array_equal(sheet, expected)


@pytest.mark.parametrize(("y", "x"), [(-4, 0), (10, 0), (0, -5), (0, 20)])
def test_ink_outside_the_sheet_leaves_no_trace(y: int, x: int) -> None:
    sheet = np.zeros((10, 20), np.float32)
    assert strokes.put(sheet, np.ones((4, 5), np.float32), y, x) is None
    assert not sheet.any()


# ---- typefaces


def test_digits_and_words_of_a_typeface_are_cut_out_and_always_the_same(fonts: dict[str, bytes]) -> None:
    files = dict(list(fonts.items())[:6])
    made = typefaces.faces(files)
    assert len(made) == 6
    for one, again in zip(made, typefaces.faces(files), strict=True):
        assert len(one.digits) == 10 and len(one.words) == typefaces.WORDS and 0.02 < one.pen < 0.25
        assert all(digit.shape[0] == 40 for digit in one.digits)
        for glyph in (*one.digits, *one.words):
            assert glyph.dtype == np.uint8 and glyph.max() > 200
            for edge in (glyph[0], glyph[-1], glyph[:, 0], glyph[:, -1]):
                assert edge.max() > 5, "no empty margin"
        assert all(np.array_equal(*pair) for pair in zip(one.words, again.words, strict=True))
        assert np.median([word.shape[1] for word in one.words]) > 1.5 * one.digits[0].shape[1]
        assert len({digit.tobytes() for digit in one.digits}) == 10


def test_digits_of_typefaces_are_read_as_what_they_are(fonts: dict[str, bytes]) -> None:
    """A network that never saw them reads most of them: each stands where its label says."""
    import inkdigits

    made = typefaces.faces(fonts)
    pictures = [np.pad(digit, 12) for each in made[::3] for digit in each.digits]
    answers = inkdigits.load(threads=1).classify(pictures)
    assert np.mean([answer.digit == index % 10 for index, answer in enumerate(answers)]) > 0.8


def test_the_width_of_strokes_is_measured() -> None:
    ring = np.zeros((80, 60), np.uint8)
    cv2.ellipse(ring, (30, 40), (24, 34), 0, 0, 360, 255, 6)
    assert typefaces._stroke(ring) == pytest.approx(6, abs=1.5)


def test_some_hands_write_the_digits_of_a_typeface(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    faces, faced = (face(), face(wide=40)), 0
    asked: list[tuple[int, int, float | None]] = []
    write = glyphs.Writer.written

    def noted(
        self: glyphs.Writer, rng: Generator, image: NDArray[np.uint8], digit: int, height: int,
        stroke: float | None = None,
    ) -> strokes.Ink:  # fmt: skip
        asked.append((image.shape[1], digit, stroke))
        return write(self, rng, image, digit, height, stroke)

    monkeypatch.setattr(glyphs.Writer, "written", noted)
    for seed in range(80):
        rng = np.random.default_rng(seed)
        writer = glyphs.Writer(rng, images, labels, faces=faces)
        faced += writer.face is not None
        ink, digit = writer.digit(rng, 40, seed % 10)
        assert digit == seed % 10 and ink.min() >= 0 and ink.max() <= 1 and ink.max() > 0.5
        word = sheets._word(rng, faces, 16)
        assert word.dtype == np.float32 and word.shape[0] >= 4 and word.max() > 0.3
    assert 0.15 < faced / 80 < 0.45
    typed = [(wide, digit) for wide, digit, stroke in asked if stroke is not None]
    assert all(wide - digit in (30, 40) for wide, digit in typed), "each digit is its own"
    assert 0.7 * faced < len(typed) <= faced
    assert glyphs.Writer(np.random.default_rng(0), images, labels).face is None


def test_hands_without_typefaces_are_the_same_as_ever(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    """Recipe `default` learns from crops; that pages have typefaces and leaning hands must not change these."""
    drawn = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        glyphs.Writer(rng, images, labels, seldom=True).digit(rng, 30)
        drawn.append(rng.random())
    assert np.sum(drawn) == pytest.approx(DRAWN, abs=1e-6), "they draw as often as when `default` was trained"


def test_what_a_leaning_hand_draws_leans_but_for_plain_ones(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glyphs, "drawn_digit", lambda _, digit, height, **__: np.ones((height, 6), np.float32))
    bars = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        writer = glyphs.Writer(rng, images, labels, bars=0.5, leaning=1.0)
        writer.drawn = 1.0
        ink, _ = writer.digit(rng, 60, 1)
        rows = np.flatnonzero(ink.max(1) > 0.5)
        lean = -np.polyfit(rows, [np.flatnonzero(ink[row] > 0.5).mean() for row in rows], 1)[0]
        if writer.plain:
            bars.append(abs(lean))
        else:
            assert lean == pytest.approx(writer.slant if abs(writer.slant) > 0.05 else 0, abs=0.05)
    assert 15 < len(bars) < 45 and np.median(bars) < 0.1


def test_pages_hold_words_of_typefaces_that_are_no_digits(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    words, stamps = [], []
    draw, stamp = typefaces.word, paper.stamped
    monkeypatch.setattr(typefaces, "word", lambda rng, of, height: (words.append(height), draw(rng, of, height))[1])
    monkeypatch.setattr(paper, "stamped", lambda rng, pixels: (stamps.append(None), stamp(rng, pixels))[1])
    monkeypatch.setattr(sheets, "FIELDS", 0.0)
    rngs = [np.random.default_rng(seed) for seed in range(60)]
    made = [page(rng, images, labels, faces=(face(),)) for rng in rngs]
    assert len(words) > 30 and min(words) >= 8 and stamps
    again = page(np.random.default_rng(0), images, labels, faces=(face(),))
    assert same(again, made[0])
    words.clear()
    stamps.clear()
    for seed in range(60):
        page(np.random.default_rng(seed), images, labels)
    assert stamps and not words
    sheet = sheets._Sheet(200, 900)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        writer = glyphs.Writer(rng, images, labels, faces=(face(),))
        sheets._number(rng, sheet, writer, 20.0, 60.0, 0.0, 40.0, 0.1, text=True)
    assert words and not sheet.digits


# ---- glyphs and paper


@pytest.mark.parametrize("height", [8, 20, 60])
def test_a_writer_writes_the_digits_asked_for_in_their_size(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], height: int
) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        ink, digit = glyphs.Writer(rng, images, labels, 2.0).digit(rng, height, seed % 10)
        assert digit == seed % 10
        assert ink.dtype == np.float32 and ink.min() >= 0 and ink.max() <= 1
        assert ink.sum() > 2, "something can be seen of it"
        assert 0.4 * height <= ink.shape[0] <= 1.8 * height + 2


def test_a_writer_without_a_wish_writes_all_digits(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    rng = np.random.default_rng(0)
    writer = glyphs.Writer(rng, images, labels)
    assert {writer.digit(rng, 20)[1] for _ in range(150)} == set(range(10))


def test_some_hands_write_every_one_as_a_plain_stroke(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    plain, upright = [], 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        writer = glyphs.Writer(rng, images, labels, bars=0.4)
        plain.append(writer.plain)
        inks = [writer.digit(rng, 60, 1)[0] for _ in range(4)]
        strays = 0.0
        for ink in inks:
            rows = np.flatnonzero(ink.max(1) > 0.5)
            middles = [np.flatnonzero(ink[row] > 0.5).mean() for row in rows]
            line = np.polyfit(rows, middles, 1)
            strays = max(strays, float(np.abs(np.polyval(line, rows) - middles).max()))
            upright += writer.plain and abs(line[0]) < 0.1
        if writer.plain:
            assert strays < 5, "no flag and no foot"
            assert {writer.digit(rng, 40)[1] for _ in range(60)} == set(range(10)), "the others are as ever"
    assert 12 <= sum(plain) <= 36 and upright / (4 * sum(plain)) > 0.5
    assert not glyphs.Writer(np.random.default_rng(0), images, labels).plain


def test_ink_is_darker_than_its_paper() -> None:
    ink = np.zeros((40, 60), np.float32)
    ink[10:30, 20:40] = 1
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sheet = paper.paper(rng, 40, 60, 20)
        assert sheet.dtype == np.float32 and sheet.shape == (40, 60, 3)
        written = paper.inked(rng, sheet, ink)
        assert written[15:25, 25:35].mean() < sheet[15:25, 25:35].mean()
        outside = ink == 0
        np.testing.assert_allclose(written[outside], sheet[outside], rtol=1e-6)


def test_photographs_are_pictures_of_the_same_size() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pixels = paper.photographed(rng, paper.paper(rng, 37, 61, 20), 20)
        assert pixels.dtype == np.uint8 and pixels.shape == (37, 61, 3)


# ---- pages


def test_a_page_follows_from_its_seed(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    for seed in range(8):
        first, second, other = (
            page(np.random.default_rng(number), images, labels) for number in (seed, seed, seed + 1000)
        )
        assert same(first, second)
        assert not same(first, other)


@pytest.mark.parametrize("faces", [(), (face(),)])
def test_boxes_lie_in_the_page_and_labels_are_digits(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], faces: tuple[typefaces.Face, ...]
) -> None:
    counts = []
    for seed in range(40):
        one = page(np.random.default_rng(seed), images, labels, 150, 310, faces=faces)
        assert one.pixels.shape == (150, 310, 3) and one.pixels.dtype == np.uint8
        assert one.boxes.shape == (len(one.digits), 4) and one.boxes.dtype == np.float32
        assert one.digits.dtype == np.uint8 and (one.digits <= 9).all()
        assert (one.boxes[:, :2] >= 0).all() and (one.boxes[:, 2:] >= 1).all()
        assert (one.boxes[:, 0] + one.boxes[:, 2] <= 310).all() and (one.boxes[:, 1] + one.boxes[:, 3] <= 150).all()
        counts.append(len(one.digits))
    assert np.median(counts) > 3 and min(counts) < max(counts)


def test_boxes_are_around_ink(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a box says that a digit is, the sheet holds ink up to each of the box's sides, unless the page ends."""
    put: list[NDArray[np.float32]] = []

    def kept(rng: Generator, picture: NDArray[np.float32], ink: NDArray[np.float32]) -> NDArray[np.float32]:
        put.append(ink)
        return picture

    monkeypatch.setattr(sheets, "FIELDS", 0.0)
    monkeypatch.setattr(paper, "inked", kept)
    whole = 0
    for seed in range(30):
        put.clear()
        one = page(np.random.default_rng(seed), images, labels)
        sheet = put[-1]  # what lies about was put on the paper before
        for x, y, width, height in one.boxes.astype(int):
            inside = sheet[y : y + height, x : x + width]
            assert inside.max() > 0.3
            if 0 < x < 320 - width and 0 < y < 160 - height:
                whole += 1
                for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
                    assert edge.max() > 0
    assert whole > 200


def test_in_the_boxes_of_a_form_stands_a_digit_each(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    empty = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sheet = sheets._Sheet(120, 700)
        writer = glyphs.Writer(rng, images, labels)
        end = sheets._boxed(rng, sheet, writer, x=20.0, y=40.0, slope=0.0, unit=40.0)
        strokes_down = (sheet.ink > 0.2)[:, 15 : round(end) + 5].sum(0) > 1.1 * 40
        sides = 15 + np.flatnonzero(np.diff(np.r_[False, strokes_down].astype(int)) == 1)
        assert len(sides) >= 3 and sides[0] == pytest.approx(20, abs=4) and sides[-1] == pytest.approx(end, abs=4)
        middles = np.array([x + wide / 2 for x, _, wide, _ in sheet.boxes])
        boxes = np.searchsorted(sides, middles)
        assert len(set(boxes)) == len(boxes), "never two in a box"
        empty += len(sides) - 1 > len(boxes)
    assert 5 < empty < 40, "some are left empty"


def test_some_pages_have_boxes_and_plain_ones(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    boxed = []
    monkeypatch.setattr(sheets, "_boxed", lambda *given: boxed.append(given[2].plain) or 1e9)
    for seed in range(300):
        page(np.random.default_rng(seed), images, labels)
    assert len(boxed) > 10 and any(boxed) and not all(boxed)


def test_letters_look_like_digits_only_among_others_that_are_close(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    given: set[object] = set()

    def letter(rng: Generator, height: int, *texts: object) -> NDArray[np.float32]:
        asked.append(bool(texts))
        given.update(texts)
        return np.ones((height, 4), np.float32)

    monkeypatch.setattr(typefaces, "letter", letter)
    monkeypatch.setattr(sheets, "_sign", lambda *_: np.ones((4, 4), np.float32))

    def part(gap: float) -> float:
        asked.clear()
        for seed in range(200):
            rng = np.random.default_rng(seed)
            sheet, writer = sheets._Sheet(80, 900), glyphs.Writer(rng, images, labels)
            sheets._number(rng, sheet, writer, 20.0, 20.0, 0.0, 30.0, gap, text=True)
            assert not sheet.digits
        return float(np.mean(asked))

    assert 0.2 < part(gap=0.1) < 0.45 and given == {typefaces.ALIKE}
    assert part(gap=1.0) == 0


def test_what_a_camera_prints_into_a_picture_is_light_and_covers_digits() -> None:
    gray = np.full((160, 320, 3), 120, np.uint8)
    for seed in range(20):
        pixels, light = paper.stamped(np.random.default_rng(seed), gray)
        assert pixels.shape == gray.shape and pixels.dtype == np.uint8
        assert 50 < (light > 0.5).sum() < 0.2 * 160 * 320 and light.max() <= 1
        assert (pixels.max(2)[light > 0.95] > 200).all()
        near = cv2.dilate(light, np.ones((3, 3), np.uint8)) > 0
        assert (pixels[~near] == 120).all(), "nothing else changes"
        sheet = sheets._Sheet(160, 320)
        for y in range(0, 130, 32):
            for x in range(0, 300, 22):
                sheet.put(np.ones((30, 20), np.float32), x, y, digit=seed % 10)
        before = len(sheet.boxes)
        sheet.cover(light)
        assert 0 < len(sheet.digits) == len(sheet.boxes) < before
        for x, y, wide, tall in sheet.page(pixels).boxes.astype(int):
            assert not light[y : y + tall, x : x + wide].any(), "what is covered is not to be found"


def test_boxes_of_a_field_are_in_the_field(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Around a field there is nothing but one gray level, and no box."""
    monkeypatch.setattr(sheets, "FIELDS", 1.0)
    seen = 0
    for seed in range(20):
        one = page(np.random.default_rng(seed), images, labels)
        corner = one.pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
        around = max(corner.tolist(), key=corner.tolist().count)
        field = (one.pixels != around).any(axis=2)
        assert field.mean() < 0.6
        for x, y, width, height in one.boxes.astype(int):
            seen += 1
            assert field[y : y + height, x : x + width].mean() > 0.5
    assert seen > 30


def test_in_some_fields_digits_stand_far_apart(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "BOXED", 0.0)

    def gaps(apart: float) -> NDArray[np.float32]:
        """Between neighbors, as parts of their height."""
        between = []
        for seed in range(60):
            made = field(np.random.default_rng(seed), images, labels, width=512, apart=apart)
            boxes = made.boxes[np.argsort(made.boxes[:, 0])]
            between += list((boxes[1:, 0] - boxes[:-1, 0] - boxes[:-1, 2]) / boxes[1:, 3])
        return np.array(between)

    near, far = gaps(0.0), gaps(1.0)
    assert len(near) > 50 and len(far) > 50
    assert np.median(near) < 0.3 < 0.6 < np.median(far)


@pytest.mark.parametrize("varied", [False, True])
def test_words_stand_beside_the_numbers_of_some_fields(
    varied: bool, images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = np.ones((24, 40), np.float32)
    put: list[tuple[str, float, float]] = []
    keep = sheets._Sheet.put

    def seen(sheet: Any, ink: NDArray[np.float32], x: float, y: float, digit: int | None = None) -> None:
        if ink is text or digit is not None:
            put.append(("t" if ink is text else "d", x, x + ink.shape[1]))
        keep(sheet, ink, x, y, digit)

    monkeypatch.setattr(sheets, "BOXED", 0.0)  # digits may reach out of the last box
    monkeypatch.setattr(sheets, "_text", lambda *_: text)
    monkeypatch.setattr(sheets._Sheet, "put", seen)

    def orders(words: float) -> list[str]:
        """In which texts and digits were put on each of 80 fields."""
        found = []
        for seed in range(80):
            put.clear()
            made = field(np.random.default_rng(seed), images, labels, width=512, varied=varied, words=words)
            found.append("".join(kind for kind, *_ in put))
            assert len(made.digits) <= found[-1].count("d"), "words are no digits"
            if found[-1].startswith("t") and len(put) > 1:
                assert put[1][1] >= put[0][2], "what follows a word stands beside it"
            if not varied and "dt" in found[-1]:  # varied ones may be made anew
                last = found[-1].index("dt")
                assert put[last + 1][1] >= put[last][2], "and so does a word that follows"
        return found

    assert not any("t" in order for order in orders(0.0))
    assert 25 < sum("t" in order for order in orders(0.5)) < 55
    again = []
    for share in (0.0, 1.0):
        monkeypatch.setattr(sheets, "AGAIN", share)
        every = orders(1.0)
        assert all("t" in order for order in every)
        before, after = (sum(side in order for order in every) for side in ("td", "dt"))
        assert before > 30 and 25 < after < 70
        again.append(sum("dtd" in order or "dttd" in order for order in every))
    assert again[1] > again[0] + 5, "numbers stand after words, too"


def test_signs_stand_among_the_digits_of_some_varied_fields(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[str, float]] = []
    drawn = [np.ones((20, 6), np.float32) for _ in range(2)]
    begun, keep = sheets._Sheet.__init__, sheets._Sheet.put

    def begin(sheet: Any, *size: int) -> None:
        written.clear()  # fields may be made anew
        begun(sheet, *size)

    def seen(sheet: Any, ink: NDArray[np.float32], x: float, y: float, digit: int | None = None) -> None:
        if ink is drawn[0] or digit is not None:
            written.append(("s" if digit is None else "d", x))
        keep(sheet, ink, x, y, digit)

    monkeypatch.setattr(sheets, "BOXED", 0.0)
    monkeypatch.setattr(sheets.signs, "sign", lambda *_: drawn[0])
    monkeypatch.setattr(sheets._Sheet, "__init__", begin)
    monkeypatch.setattr(sheets._Sheet, "put", seen)

    def orders(signed: float, varied: bool = True) -> list[str]:
        found = []
        for seed in range(80):
            made = field(np.random.default_rng(seed), images, labels, width=512, varied=varied, signed=signed)
            found.append("".join(kind for kind, _ in written))
            assert len(made.digits) <= found[-1].count("d"), "signs are no digits"
            if "s" in found[-1] and "ss" not in found[-1]:
                places = [x for _, x in written[: found[-1].rindex("s") + 1]]
                assert places == sorted(places), "from left to right"
        return found

    assert not any("s" in order for order in orders(0.0) + orders(1.0, varied=False))
    assert 8 < sum("s" in order for order in orders(0.25)) < 35
    every = orders(1.0)
    assert all("s" in order for order in every)
    assert sum(order.startswith(("dsds", "dsdds", "ddsds", "ddsdds")) for order in every) > 15, "dates"
    assert sum(order.startswith("s") for order in every) > 5 and sum(order.endswith("ds") for order in every) > 2


def test_signs_are_those_of_dates_sums_and_amounts() -> None:
    made = [signs.signs(np.random.default_rng(seed)) for seed in range(400)]
    for one in made:
        left = list(one.between)
        assert left == sorted(left, reverse=True) and all(0 < count < one.digits for count in left)
        assert bool(left) != bool(one.before or one.after), "between or beside"
        assert (one.before == "(") == (one.after == ")") and 0 <= one.space <= 0.25
    dates = [one for one in made if list(one.between.values()) == ["/", "/"]]
    assert len(dates) > 100 and {tuple(one.between)[-1] for one in dates} == {1, 2, 4}
    assert any(one.digits - next(iter(one.between)) == 4 for one in dates), "some begin with the year"
    assert {
        tuple(one.between.values())[1] for one in made if len(one.between) == 2 and "+" in one.between.values()
    } == {"="}
    used = {text for one in made for text in (*one.between.values(), one.before, one.after) if text}
    assert used == set(signs._SIGNS)


@pytest.mark.parametrize("text", signs._SIGNS)
def test_a_sign_is_as_high_as_it_is_written(text: str) -> None:
    (low, high), (narrow, wide), _ = signs._SIGNS[text]
    for seed in range(20):
        ink = signs.sign(np.random.default_rng(seed), text, 100, 8)
        assert ink.dtype == np.float32 and ink.min() >= 0 and ink.max() <= 1
        assert 100 * low - 10 < ink.shape[0] < 100 * high * 1.2 + 30, "and its pen is 8 pixels wide"
        assert 100 * low * narrow - 10 < ink.shape[1] < 100 * high * (wide + 0.4) + 40
    if text == "/":
        top, bottom = (np.flatnonzero(ink[row] > 0.3).mean() for row in (2, -3))
        assert top > bottom, "it leans to the right"


def test_no_digit_of_a_varied_field_is_half_cut(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it counts, nobody could say."""
    put: list[tuple[NDArray[np.float32], float, float]] = []
    begun = sheets._Sheet.__init__
    kept = sheets._Sheet.put

    def begin(sheet: Any, *size: int) -> None:
        put.clear()  # only the last sheet is the field
        begun(sheet, *size)

    def keep(sheet: Any, ink: NDArray[np.float32], x: float, y: float, digit: int | None = None) -> None:
        if digit is not None:
            put.append((ink, x, y))
        kept(sheet, ink, x, y, digit)

    monkeypatch.setattr(sheets._Sheet, "__init__", begin)
    monkeypatch.setattr(sheets._Sheet, "put", keep)

    def parts(varied: bool) -> NDArray[np.float64]:
        """How much of each digit is in its field."""
        seen = []
        for seed in range(60):
            made = field(np.random.default_rng(seed), images, labels, varied=varied)
            for ink, x, y in put:
                sheet = np.zeros(made.pixels.shape[:2], np.float32)
                strokes.put(sheet, ink, y, x)
                seen.append(sheet.sum() / ink.sum())
        return np.array(seen)

    low, high = sheets.UNCLEAR
    for varied in (False, True):
        there = parts(varied)
        assert len(there) > 150 and (there > 0.99).mean() > 0.5
        assert ((low < there) & (there < high)).any() != varied


def test_varied_fields_are_larger_and_sharper_and_have_more_ones(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(varied: bool) -> list[Page]:
        return [field(np.random.default_rng(seed), images, labels, width=512, varied=varied) for seed in range(150)]

    plain, varied = made(varied=False), made(varied=True)

    def height(pages: list[Page]) -> float:
        return float(np.median(np.concatenate([one.boxes[:, 3] for one in pages])))

    def ones(pages: list[Page]) -> float:
        return float((np.concatenate([one.digits for one in pages]) == 1).mean())

    assert height(plain) < 35 < height(varied)
    assert ones(plain) < 0.16 < ones(varied)

    scanned = 0
    real = paper.scanned

    def scan(rng: Generator, picture: paper.Picture) -> NDArray[np.uint8]:
        nonlocal scanned
        scanned += 1
        return real(rng, picture)

    monkeypatch.setattr(paper, "scanned", scan)
    made(varied=False)
    assert not scanned
    made(varied=True)
    assert scanned > 0.4 * 150


def test_numbers_of_varied_fields_begin_and_end_as_amounts_do(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: list[list[int]] = [[]]
    write, close = glyphs.Writer.digit, sheets._closed

    def written(writer: glyphs.Writer, rng: Generator, height: int, digit: int | None = None) -> tuple[Any, int]:
        ink, digit = write(writer, rng, height, digit)
        numbers[-1].append(digit)
        return ink, digit

    monkeypatch.setattr(glyphs.Writer, "digit", written)
    monkeypatch.setattr(sheets, "_closed", lambda *given: (numbers.append([]), close(*given))[1])
    monkeypatch.setattr(sheets, "BOXED", 0)

    def longer(varied: bool) -> list[list[int]]:
        numbers[:] = [[]]
        for seed in range(300):
            field(np.random.default_rng(seed), images, labels, width=512, varied=varied)
        return [number for number in numbers if len(number) > 1]

    def first(numbers: list[list[int]], digits: set[int]) -> float:
        return sum(number[0] in digits for number in numbers) / len(numbers)

    def rounded(numbers: list[list[int]]) -> float:
        return sum(number[-2:] == [0, 0] for number in numbers) / len(numbers)

    plain, varied = longer(varied=False), longer(varied=True)
    assert 0 < first(varied, {0}) < 0.07 < first(plain, {0})
    assert first(plain, {1, 2, 3}) < 0.45 < first(varied, {1, 2, 3}) and first(varied, {1}) < 0.4
    assert rounded(plain) + 0.05 < rounded(varied) < 0.25
    monkeypatch.setattr(sheets, "AMOUNTS", 1)
    every = longer(varied=True)
    assert first(every, {0}) < 0.03, "only in lines above and below, which are as in plain fields"
    assert {number[0] for number in every} >= set(range(1, 10)) and first(every, {0}) < first(varied, {0})


def test_varied_hands_are_drawn_and_vary(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    def drawn(varied: bool) -> int:
        hands = (
            glyphs.Writer(np.random.default_rng(seed), images, labels, seldom=True, varied=varied, faces=[face()])
            for seed in range(200)
        )
        return sum(hand.drawn == 1 and hand.face is None for hand in hands)

    assert drawn(varied=False) < 60 < 90 < drawn(varied=True)

    def unlike(varied: bool) -> float:
        """How far threes written fast are from their mean."""
        inks = [
            cv2.resize(
                strokes.drawn_digit(np.random.default_rng(seed), 3, 60, pen=0.1, loose=True, varied=varied), (30, 40)
            )
            for seed in range(150)
        ]
        return float(np.abs(np.stack(inks) - np.mean(inks, 0)).mean())

    assert unlike(varied=True) > 1.05 * unlike(varied=False)


def test_a_varied_hand_keeps_to_its_own_way(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    kept = dict.fromkeys(range(10), 0)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        for digit, way in glyphs.Writer(rng, images, labels, varied=True).own.items():
            kept[digit] += 1
            assert all(0 <= y <= 1.01 for stroke in way for _, y in stroke), "in its box"
    assert all(20 < kept[digit] < 160 for digit in (1, 4, 5, 9)) and sum(kept.values()) < 500
    assert not glyphs.Writer(np.random.default_rng(0), images, labels).own, "others have none"

    writer = next(
        writer
        for writer in (glyphs.Writer(np.random.default_rng(seed), images, labels, varied=True) for seed in range(99))
        if 1 in writer.own and not writer.plain
    )
    writer.own[1] = [[(0.0, 0.0), (0.0, 0.0), (1.0, 0.0)]]  # a line from left to right, which no one is
    ink, digit = writer.digit(np.random.default_rng(1), 40, 1)
    assert digit == 1 and ink.shape[1] > 1.5 * ink.shape[0]


def test_points_stand_between_thousands_of_varied_numbers(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "THOUSANDS", 1.0)
    dots = 0
    real = strokes.dot

    def dot(rng: Generator, size: float) -> NDArray[np.float32]:
        nonlocal dots
        dots += 1
        return real(rng, size)

    monkeypatch.setattr(strokes, "dot", dot)
    monkeypatch.setattr(sheets, "_closed", lambda *given: given[3])
    monkeypatch.setattr(sheets, "_sign", lambda *given: np.ones((5, 5), np.float32))
    for seed in range(60):
        sheet = sheets._Sheet(80, 2000)
        writer = glyphs.Writer(np.random.default_rng(seed), images, labels)
        dots = 0
        sheets._number(np.random.default_rng(seed), sheet, writer, 20.0, 20.0, 0.0, 40.0, 0.1, text=False, varied=True)
        assert dots == (len(sheet.digits) - 1) // 3


def test_what_is_scanned_is_nearly_what_was_written() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        picture = np.full((40, 60, 3), 200, np.float32)
        picture[10:30, 20:40] = 30
        pixels = paper.scanned(rng, picture)
        assert pixels.shape == picture.shape and pixels.dtype == np.uint8
        assert abs(pixels[15:25, 25:35].mean() - 30) < 3 and abs(pixels[:5].mean() - 200) < 3
        assert np.abs(pixels - picture).mean() < 6


def test_a_page_labels_its_digits_right(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each class is written as a bar of its own height: boxes give away what was written in them."""

    def bar(self: glyphs.Writer, rng: Generator, height: int, digit: int | None = None) -> tuple[strokes.Ink, int]:
        digit = int(rng.integers(10)) if digit is None else digit
        return np.ones((10 + 3 * digit, 6), np.float32), digit

    monkeypatch.setattr(sheets, "FIELDS", 0.0)
    monkeypatch.setattr(glyphs.Writer, "digit", bar)
    seen = set()
    for seed in range(20):
        one = page(np.random.default_rng(seed), images, labels)
        for (_, y, _, height), digit in zip(one.boxes, one.digits, strict=True):
            if y > 0 and y + height < 160:
                assert height == 10 + 3 * digit
                seen.add(int(digit))
    assert seen == set(range(10))


def test_a_digit_cut_at_the_border_counts_only_while_most_of_it_is_there() -> None:
    ink = np.ones((10, 10), np.float32)
    for x, counts in ((-1, True), (-3, False), (91, True), (93, False), (200, False)):
        sheet = sheets._Sheet(40, 100)
        sheet.put(ink, x, 5, digit=3)
        assert bool(sheet.digits) == counts
        assert all(box[0] >= 0 and box[0] + box[2] <= 100 for box in sheet.boxes)


# ---- crops


@pytest.fixture(scope="module")
def crops(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Crops:
    return Crops(images, labels)


@pytest.mark.parametrize("kind", ["digit", "other"])
def test_crops_are_what_networks_see(crops: Crops, kind: str) -> None:
    made: list[Crop] = []
    for seed in range(60):
        first, again = (getattr(crops, kind)(np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(first.seen, again.seen) and first.label == again.label
        assert first.seen.shape == (28, 28) and first.seen.dtype == np.uint8
        assert first.seen.max() == 255, "ink, and as strong as it gets"
        made.append(first)
    shown = {crop.label for crop in made}
    assert shown == ({OTHER} if kind == "other" else set(range(10)))


def test_crops_stay_what_they_are_when_normalized_again(crops: Crops) -> None:
    """Their layout is MNIST's, so what was made once can be used like any picture."""
    stay = 0
    for seed in range(40):
        seen = crops.digit(np.random.default_rng(seed)).seen
        stay += np.array_equal(np.rint(normalize(seen).seen * 255), seen)
    assert stay >= 30


def test_most_crops_of_digits_are_read_as_their_label(crops: Crops) -> None:
    import inkdigits

    made = [crops.digit(np.random.default_rng(seed)) for seed in range(150)]
    answers = inkdigits.load(threads=1).classify(np.stack([crop.seen for crop in made]))
    right = [answer.digit == crop.label for answer, crop in zip(answers, made, strict=True)]
    assert np.mean(right) > 0.8


def test_worn_images_keep_their_shape_and_kind(images: NDArray[np.uint8]) -> None:
    changed = 0
    for seed in range(80):
        pixels = worn(np.random.default_rng(seed), images[seed])
        assert pixels.shape == (28, 28) and pixels.dtype == np.uint8
        changed += not np.array_equal(pixels, images[seed])
    assert changed == 80


def test_half_of_what_runs_across_a_digit_is_short_and_crosses_the_middle() -> None:
    short = upright = 0
    lengths = []
    for seed in range(300):
        spots = np.argwhere(_across(np.random.default_rng(seed), zigzag=seed % 2 == 0) > 0.3)
        low, high = spots.min(0), spots.max(0)
        along = int((high - low).argmax())
        if (high - low)[along] >= 26:
            continue
        short += 1
        upright += along == 0
        lengths.append((high - low)[along])
        assert 10 <= (low + high)[along] / 2 <= 17.5, "it crosses the middle"
        assert (high - low)[1 - along] <= 13, "nearly upright or level"
    assert 100 < short < 200 and 0.15 < upright / short < 0.45
    assert min(lengths) >= 10 and np.mean(np.array(lengths) < 18) > 0.2


def test_what_is_no_digit_is_of_every_kind(crops: Crops, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also faces, noise, numbers of machine print and digits that lie on their side."""
    asked: dict[str, list[Any]] = {}
    kinds = {"letter", "scribble", "line", "dot", "face", "printed"}
    for kind in kinds:
        room = typefaces if kind in ("letter", "printed") else strokes
        draw = getattr(room, kind)

        def noted(rng: Generator, *given: object, kind: str = kind, draw: Any = draw) -> strokes.Ink:
            asked.setdefault(kind, []).append(given[0])
            return draw(rng, *given)

        monkeypatch.setattr(room, kind, noted)
    written: list[int | None] = []
    write = glyphs.Writer.digit

    def told(writer: glyphs.Writer, rng: Generator, height: int, digit: int | None = None) -> tuple[strokes.Ink, int]:
        written.append(digit)
        return write(writer, rng, height, digit)

    monkeypatch.setattr(glyphs.Writer, "digit", told)
    noisy = 0
    for seed in range(300):
        before = sum(map(len, asked.values())) + len(written)
        assert crops.other(np.random.default_rng(seed)).label == OTHER
        noisy += sum(map(len, asked.values())) + len(written) == before
    assert set(asked) == kinds
    assert noisy > 5, "noise and stains are not drawn"
    assert None in written, "several digits"
    assert {2, 3, 4, 5, 7} == set(written) - {None}, "lying on their side they are no other digit"


def test_numbers_of_machine_print_have_two_or_three_digits(crops: Crops, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []
    monkeypatch.setattr(
        typefaces, "printed", lambda rng, text, height: texts.append(text) or np.ones((9, 9), np.float32)
    )
    for seed in range(1500):
        crops._several(np.random.default_rng(seed), 20)
    assert 120 < len(texts) < 250
    assert {len(text) for text in texts} == {2, 3} and all(text.isdecimal() for text in texts)


@pytest.mark.parametrize("workers", [1, 2])
def test_many_crops_are_those_made_one_by_one(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "_PART", 4)
    told: list[tuple[int, int]] = []
    made, shown = sets.crops(images, labels, 7, 4, seed=5, done=lambda *now: told.append(now), workers=workers)
    assert made.shape == (11, 28, 28) and made.dtype == shown.dtype == np.uint8
    assert told == [(4, 11), (8, 11), (11, 11)]
    maker = Crops(images, labels)
    for index in range(11):
        rng = np.random.default_rng([5, index])
        one = maker.digit(rng) if index < 7 else maker.other(rng)
        assert np.array_equal(one.seen, made[index]) and one.label == shown[index]


def test_no_crops_wanted_of_one_kind(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    assert sets.crops(images, labels, 0, 2, seed=1, workers=1)[1].tolist() == [OTHER, OTHER]


def test_opencv_draws_the_same_with_any_number_of_threads(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = page(np.random.default_rng(3), images, labels)
        cv2.setNumThreads(4)
        assert same(alone, page(np.random.default_rng(3), images, labels))
    finally:
        cv2.setNumThreads(before)
