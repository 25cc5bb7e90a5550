"""A drawing shows what was read and where, in colors that say what to trust, and never costs anybody a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handmade import BLANK, PAGE, number, reading
from inkdigits import annotation
from inkdigits.annotation import ACCEPTED, REJECTED, Drawings, annotated
from inkdigits.errors import InkdigitsError
from inkdigits.reading import Reading

PAPER = np.full((300, 400), 235, np.uint8)


def places(image: Image.Image, color: tuple[int, int, int]) -> np.ndarray:
    """(N, 2) x and y of all pixels of a color."""
    return np.argwhere((np.asarray(image) == color).all(axis=-1))[:, ::-1]


def scaled(image: Image.Image) -> float:
    return image.width / 400


def test_green_is_around_accepted_digits_and_orange_around_rejected_ones() -> None:
    image = annotated(PAPER, PAGE)
    assert image.mode == "RGB"
    scale = scaled(image)
    colors = np.asarray(image)
    for digit in (digit for line in PAGE.lines for each in line.numbers for digit in each.digits):
        x, y, width, height = (round(side * scale) for side in digit.box)
        frame = REJECTED if digit.rejected else ACCEPTED
        assert tuple(colors[y + height // 2, x - 1]) == frame
        assert tuple(colors[y + height // 2, x + width + 1]) == frame
        assert (colors[y + 1 : y + height - 1, x + 1 : x + width - 1] == 235).all()  # the ink is not covered


def test_a_number_with_a_rejected_digit_is_labelled_in_orange() -> None:
    labels = {}
    for color in (ACCEPTED, REJECTED):
        image = annotated(PAPER, PAGE)
        labels[color] = places(image, color)[:, 1] / scaled(image)
    assert (labels[ACCEPTED] < 58).any()  # above the first line
    assert ((labels[REJECTED] > 102) & (labels[REJECTED] < 158)).sum() > 300  # between the lines: a filled label
    assert not ((labels[ACCEPTED] > 104) & (labels[ACCEPTED] < 155)).any()


@pytest.mark.parametrize("place", [(0, 0), (330, 0), (0, 255), (375, 255), (150, 130)])
def test_labels_stay_in_the_picture(place: tuple[int, int]) -> None:
    image = annotated(PAPER, reading((number("7", *place),)))
    assert len(places(image, ACCEPTED)) > 1500  # the label, not only the frame
    assert len(places(image, (255, 255, 255))) > 100  # its words


def test_a_box_over_the_edge_and_nothing_read_are_fine() -> None:
    annotated(PAPER, reading((number("7", -10, -10), number("1", 395, 295))))
    untouched = np.asarray(annotated(np.full((600, 800), 235, np.uint8), BLANK))
    assert untouched.shape == (600, 800, 3) and (untouched == 235).all()


@pytest.mark.parametrize("channels", [None, 3, 4])
def test_gray_color_and_transparent_pictures(channels: int | None) -> None:
    shape = (600, 800) if channels is None else (600, 800, channels)
    image = annotated(np.zeros(shape, np.uint8), BLANK)
    assert (image.size, image.mode) == ((800, 600), "RGB")
    assert image.getpixel((0, 0)) == ((255, 255, 255) if channels == 4 else (0, 0, 0))


def test_a_small_picture_is_enlarged() -> None:
    image = annotated(np.zeros((28, 28), np.uint8), reading((number("7", 9, 4, size=10),), size=(28, 28)))
    assert image.width == image.height >= 480
    assert len(places(image, ACCEPTED)) > 500


def test_two_pictures_of_one_name_get_two_drawings(tmp_path: Path) -> None:
    drawings = Drawings(tmp_path / "new" / "out")
    files = [drawings.add(name, PAPER, PAGE) for name in ("seven", "seven", "SEVEN", "two")]
    assert [file.name for file in files] == ["seven.png", "seven-2.png", "SEVEN-3.png", "two.png"]
    assert sorted(file.name for file in (tmp_path / "new" / "out").iterdir()) == sorted(file.name for file in files)
    with Image.open(files[0]) as image:
        assert image.format == "PNG" and np.array_equal(image, annotated(PAPER, PAGE))


def test_drawings_of_an_earlier_time_give_way_and_other_files_do_not(tmp_path: Path) -> None:
    first = Drawings(tmp_path).add("seven", PAPER, PAGE)
    assert Drawings(tmp_path).add("seven", PAPER, BLANK) == first
    assert np.array_equal(Image.open(first), annotated(PAPER, BLANK))
    Image.fromarray(PAPER).save(tmp_path / "two.png")
    (tmp_path / "three.png").write_text("mine")
    (tmp_path / "four.png").mkdir()
    for name in ("two", "three", "four"):
        assert Drawings(tmp_path).add(name, PAPER, PAGE).name == f"{name}-2.png"
    assert (tmp_path / "three.png").read_text() == "mine"
    assert np.array_equal(Image.open(tmp_path / "two.png"), PAPER)


def test_a_drawing_that_is_read_is_not_overwritten(tmp_path: Path) -> None:
    source = Drawings(tmp_path).add("seven", PAPER, PAGE)
    before = source.read_bytes()
    assert Drawings(tmp_path, [source]).add("seven", PAPER, BLANK).name == "seven-2.png"
    assert source.read_bytes() == before


@pytest.mark.parametrize("name", ["a" * 300, "ü" * 300, "with space", "\udcff7", ".hidden"])
def test_any_name_gives_a_file(tmp_path: Path, name: str) -> None:
    assert Drawings(tmp_path).add(name, PAPER, Reading("", (), 400, 300)).is_file()


def test_the_page_of_a_document_stays_in_a_long_name(tmp_path: Path) -> None:
    drawings = Drawings(tmp_path)
    names = [drawings.add("x" * 300, PAPER, PAGE, page).name for page in (1, 2)]
    assert [name[-11:] for name in names] == ["-page-1.png", "-page-2.png"]


def test_a_link_to_itself_among_the_sources_does_no_harm(tmp_path: Path) -> None:
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    assert Drawings(tmp_path / "out", [loop]).add("seven", PAPER, PAGE).is_file()


def test_a_drawing_that_cannot_be_written_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(annotation, "write_atomically", full)
    with pytest.raises(InkdigitsError, match=r"seven\.png; No space left on device\. Choose"):
        Drawings(tmp_path).add("seven", PAPER, PAGE)
