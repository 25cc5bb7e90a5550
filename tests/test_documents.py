"""A PDF is read page by page, each drawn within its limits; what is no PDF is one picture."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image

from damage import mutated
from inkdigits import documents, images
from inkdigits.documents import pages
from inkdigits.errors import ImageError, ImageSizeError
from paper import BLACK_HALF, LOCKED, pdf, scanned
from pictures import picture

SEVEN, TWO = picture(7, size=(220, 170)), picture(2, size=(220, 170))


def frames(kind: str, *pictures: np.ndarray) -> bytes:
    first, *others = map(Image.fromarray, pictures)
    stream = io.BytesIO()
    first.save(stream, kind, save_all=True, append_images=others)
    return stream.getvalue()


def test_each_page_of_a_scan_is_a_picture() -> None:
    read = [(page.number, page.of, page.pixels()) for page in pages(scanned(SEVEN, TWO, dpi=200), "scan.pdf")]
    assert [(number, of) for number, of, _ in read] == [(1, 2), (2, 2)]
    for (_, _, pixels), scan in zip(read, (SEVEN, TWO), strict=True):
        assert (pixels.dtype, pixels.shape) == (np.uint8, (220, 170, 3))
        assert np.abs(pixels[..., 0].astype(int) - scan).mean() < 4


def test_a_picture_is_one_page_without_a_number(tmp_path: Path) -> None:
    Image.fromarray(SEVEN).save(tmp_path / "seven.png")
    (page,) = pages((tmp_path / "seven.png").read_bytes(), "seven.png")
    assert (page.number, page.of) == (None, 1)
    assert np.array_equal(page.pixels(), SEVEN)
    (page,) = pages(b"no picture", "strange.png")
    with pytest.raises(ImageError, match=r"strange\.png"):
        page.pixels()


def test_each_page_of_a_scan_in_tiff_is_a_picture() -> None:
    scan = frames("TIFF", SEVEN, TWO, SEVEN)
    found = list(pages(scan, "scan.tif"))
    assert [(page.number, page.of) for page in found] == [(1, 3), (2, 3), (3, 3)]
    for page, expected in zip(found, (SEVEN, TWO, SEVEN), strict=True):
        assert np.array_equal(page.pixels(), expected)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "MPO"])
def test_an_animation_has_no_pages(kind: str) -> None:
    ((number, of),) = [(page.number, page.of) for page in pages(frames(kind, SEVEN, TWO), "moving")]
    assert (number, of) == (None, 1)


def test_a_smaller_copy_in_a_tiff_is_no_page() -> None:
    stream = io.BytesIO()
    thumbnail = Image.fromarray(TWO[::2, ::2])
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    Image.fromarray(SEVEN).save(stream, "TIFF", save_all=True, append_images=[thumbnail])
    (page,) = pages(stream.getvalue(), "scan.tif")
    assert page.number is None and np.array_equal(page.pixels(), SEVEN)


def test_pages_are_drawn_at_200_dots_per_inch_on_white_and_upright() -> None:
    (page,) = pages(pdf(BLACK_HALF), "half.pdf")
    pixels = page.pixels()
    assert pixels.shape == (2200, 1700, 3)
    assert pixels[:, :840].max() == 0 and pixels[:, 860:].min() == 255
    turned = pdf(BLACK_HALF).replace(b"/MediaBox [0 0 612 792]", b"/Rotate 90 /MediaBox [0 0 612 792]")
    (page,) = pages(turned, "turned.pdf")
    pixels = page.pixels()
    assert pixels.shape == (1700, 2200, 3)
    assert pixels[:840].max() == 0 and pixels[860:].min() == 255


@pytest.mark.parametrize("size", [(14_400, 14_400), (14_400, 500), (100_000, 100_000)])
def test_a_large_page_is_drawn_coarser(size: tuple[int, int]) -> None:
    (page,) = pages(pdf(BLACK_HALF, size=size), "wall.pdf")
    height, width = page.pixels().shape[:2]
    assert images.MAX_PAGE_PIXELS * 0.9 < width * height < images.MAX_PAGE_PIXELS * 1.1
    assert width / height == pytest.approx(size[0] / size[1], rel=0.01)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pdf(BLACK_HALF, notes=LOCKED), "password"),
        (scanned(SEVEN)[:300], "damaged or cut short"),
        (b"%PDF-1.7\nnothing more", "damaged or cut short"),
        (pdf(), "damaged or cut short"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        list(pages(content, "mine.pdf"))
    assert "mine.pdf" in str(caught.value)


def test_too_many_pages_and_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageSizeError, match=r"at most 1,000 pages\. Received: long\.pdf with more\. Split"):
        next(pages(pdf(*[b""] * 1001), "long.pdf"))
    monkeypatch.setattr(images, "MAX_PAGES", 2)
    with pytest.raises(ImageSizeError, match=r"long\.tif"):
        next(pages(frames("TIFF", SEVEN, TWO, TWO), "long.tif"))
    monkeypatch.setattr(images, "MAX_DOCUMENT_BYTES", 100)
    with pytest.raises(ImageSizeError, match="100 bytes"):
        next(pages(scanned(SEVEN), "large.pdf"))


def test_a_page_without_an_end_is_given_up_and_the_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PAGE_SECONDS", 1.0)
    start = time.monotonic()
    drawn = []
    for page in pages(pdf(BLACK_HALF, BLACK_HALF * 500_000, BLACK_HALF), "slow.pdf"):
        try:
            drawn.append(page.pixels().mean())
        except ImageError as error:
            assert "slow.pdf page 2" in str(error)
            drawn.append(-1)
    assert drawn == [pytest.approx(127, abs=2), -1, pytest.approx(127, abs=2)]
    assert time.monotonic() - start < 20


def test_a_document_of_pages_without_an_end_is_left_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PAGE_SECONDS", 1.0)
    monkeypatch.setattr(images, "MAX_BAD_PAGES", 2)
    endless = BLACK_HALF * 500_000
    given = pages(pdf(endless, endless, endless, BLACK_HALF), "slow.pdf")
    for _ in range(2):
        with pytest.raises(ImageError, match="can be drawn"):
            next(given).pixels()
    with pytest.raises(ImageError, match=r"2 pages of slow\.pdf cannot; those from page 3 on"):
        next(given)


def test_without_what_draws_pdfs_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "WORKER", documents.WORKER.with_name("nowhere.py"))
    with pytest.raises(ImageError, match=r"mine\.pdf.*install pypdfium2"):
        next(pages(scanned(SEVEN), "mine.pdf"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not hold a process to its memory")
def test_a_page_that_would_fill_the_memory_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PAGE_MEMORY", 300 * 2**20)
    good, hungry = pages(pdf(BLACK_HALF, BLACK_HALF * 2_000_000), "hungry.pdf")
    assert good.pixels().any()
    with pytest.raises(ImageError, match="GiB of memory"):
        hungry.pixels()


def test_pages_are_drawn_when_their_turn_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Watched(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    some = pages(pdf(*[BLACK_HALF] * 500), "long.pdf")
    assert next(some).of == 500
    some.close()  # type: ignore[attr-defined]
    assert len(started) == 1 and started[0].returncode is not None  # it did not stay behind


def test_nothing_from_the_working_folder_is_run() -> None:
    Path("pypdfium2.py").write_text("raise SystemExit(3)")
    assert len(list(pages(pdf(BLACK_HALF), "half.pdf"))) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=mutated(scanned(SEVEN, TWO)))
def test_damaged_pdfs_are_read_or_refused_never_more(content: bytes) -> None:
    try:
        for page in pages(content, "mine.pdf"):
            try:
                pixels = page.pixels()
            except ImageError:
                continue
            assert pixels.dtype == np.uint8 and pixels.shape[0] * pixels.shape[1] <= images.MAX_PIXELS
    except ImageError as error:
        assert str(error).startswith("Expected ")


def test_a_pdf_is_known_by_its_content() -> None:
    stream = io.BytesIO()
    Image.fromarray(SEVEN).save(stream, "PNG")
    assert documents.is_pdf(scanned(SEVEN)) and documents.is_pdf(b"\n\n" + scanned(SEVEN))
    assert not documents.is_pdf(stream.getvalue()) and not documents.is_pdf(b"")
