"""Whatever a person calls an image becomes upright pixels; whatever is not one is refused in words."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from damage import mutated
from inkdigits import images
from inkdigits.errors import ImageError, ImageSizeError
from inkdigits.images import to_pixels
from pictures import picture

GRAY = picture(7, size=(60, 50), height=40)
COLOR = picture(7, size=(60, 50), height=40, paper=(250, 250, 220), pen=(30, 30, 120))
PILLOW_MAY_WARN = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
"""Where Pillow warns of damage it can do without, as it would outside of tests, which take warnings for errors."""


def encoded(pixels: Any, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_lossless_formats_keep_every_pixel(kind: str) -> None:
    assert np.array_equal(to_pixels(encoded(GRAY, kind)).reshape(60, 50, -1)[..., 0], GRAY)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "JPEG2000", "AVIF"])
def test_lossy_formats_come_close(kind: str) -> None:
    pixels = to_pixels(encoded(COLOR, kind, quality=95) if kind != "JPEG2000" else encoded(COLOR, kind))
    assert pixels.shape == (60, 50, 3)
    assert np.abs(pixels.astype(int) - COLOR).mean() < 6


def test_path_bytes_pil_and_array_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    Image.fromarray(COLOR).save(path)
    for given_as in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), Image.open(path), COLOR):
        assert np.array_equal(to_pixels(given_as), COLOR)


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_are_undone(turn: int) -> None:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = Image.fromarray(GRAY)
    stored = upright.transpose(turns[turn]) if turn in turns else upright
    exif = Image.Exif()
    exif[0x0112] = turn
    assert np.array_equal(to_pixels(encoded(stored, "PNG", exif=exif)), GRAY)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"])
def test_every_mode_shows_the_digit(mode: str) -> None:
    from inkdigits.preprocess import normalize

    source = Image.fromarray(GRAY)
    if mode == "F":
        image = Image.fromarray(GRAY.astype(np.float32) / 255)
    else:
        source = source.convert("RGB") if mode in ("CMYK", "YCbCr", "HSV", "P") else source
        image = source.convert(mode, dither=Image.Dither.NONE)
    seen = normalize(to_pixels(image)).seen
    expected = normalize(GRAY).seen
    assert np.corrcoef(seen.ravel(), expected.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("top", "scale"), [(65535, 257), (4095, 16)])
def test_16_bit_scans_keep_their_contrast(top: int, scale: int, kind: str) -> None:
    deep = np.minimum(GRAY.astype(np.uint16) * scale, top).astype(np.uint16)
    assert np.abs(to_pixels(encoded(deep, kind)).astype(int) - GRAY).max() <= 1
    big_endian = Image.frombytes("I;16B", deep.shape[::-1], deep.astype(">u2").tobytes())
    assert np.array_equal(to_pixels(big_endian), to_pixels(encoded(deep, kind)))


@pytest.mark.parametrize("white", [1.0, 255.0, 4095.0, 65535.0])
def test_float_files_keep_their_contrast_whatever_their_white(white: float) -> None:
    values = GRAY / np.float32(235) * np.float32(white)
    pixels = to_pixels(encoded(values, "TIFF"))
    assert np.abs(pixels.astype(int) - GRAY / 235 * 255).max() <= 1


def test_numbers_that_follow_no_custom_span_their_range() -> None:
    wide = (GRAY.astype(np.int32) - GRAY.min()) * 1_000_000
    assert to_pixels(encoded(wide, "TIFF")).max() == 255
    assert len(np.unique(to_pixels(encoded(wide, "TIFF")))) > 10
    signed = GRAY.astype(np.float32) / 255 - 1
    signed_top = round((GRAY.max() - GRAY.min()) / (255 - GRAY.min()) * 255)
    assert (to_pixels(encoded(signed, "TIFF")).min(), to_pixels(encoded(signed, "TIFF")).max()) == (0, signed_top)
    with pytest.raises(ImageError, match="NaN"):
        to_pixels(encoded(np.full((28, 28), np.nan, np.float32), "TIFF"))


def test_transparency_and_palettes_stay_visible() -> None:
    drawn = np.dstack([np.zeros((60, 50, 3), np.uint8), 255 - GRAY])
    assert to_pixels(encoded(drawn, "PNG")).shape == (60, 50, 4)
    palette = Image.fromarray(drawn).convert("P")
    assert to_pixels(encoded(palette, "PNG", transparency=0)).shape == (60, 50, 4)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    frames = [Image.fromarray(COLOR), Image.fromarray(255 - COLOR)]
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels = to_pixels(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert np.abs(pixels[..., :3].astype(int) - COLOR).mean() < 6


@PILLOW_MAY_WARN
def test_a_phone_photo_with_damaged_notes_is_still_a_photo() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(COLOR, "JPEG", exif=exif)
    start = content.index(b"Exif\0\0") + 6
    for notes in (b"garbage", bytes(8), b"MM\0\x2a\xff\xff\xff\xff"):
        damaged = content[:start] + notes + content[start + len(notes) :]
        assert to_pixels(damaged).shape == (60, 50, 3)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_print_colors_become_screen_colors(kind: str) -> None:
    pixels = to_pixels(encoded(Image.fromarray(COLOR).convert("CMYK"), kind))
    assert np.abs(pixels.astype(int) - COLOR).mean() < 8


@pytest.mark.parametrize("compression", [None, "group4", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_scans_of_one_bit(compression: str | None) -> None:
    scan = Image.fromarray(GRAY).convert("1", dither=Image.Dither.NONE)
    assert np.array_equal(to_pixels(encoded(scan, "TIFF", compression=compression)), np.where(GRAY > 127, 255, 0))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.bool_])
def test_arrays_of_other_types(dtype: Any) -> None:
    values = (GRAY > 128).astype(dtype)
    assert set(np.unique(to_pixels(values))) == {0, 255}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.full((28, 28), np.nan), "NaN"),
        (np.full((28, 28), 3.0), "divide by 255"),
        (np.full((28, 28), -0.5), "between 0.0 and 1.0"),
        (np.zeros((28, 28), np.int64), "dtype"),
        (np.zeros((28, 28), complex), "dtype"),
        (np.zeros((28, 28), object), "dtype"),
        (np.full((28, 28), np.inf), "infinity"),
        (np.zeros((3, 28, 28), np.uint8), "transpose"),
        (np.zeros((), np.uint8), "shape"),
        (np.zeros((28,), np.uint8), "shape"),
        (np.zeros((28, 28, 2), np.uint8), "shape"),
        (np.zeros((2, 28, 28, 3), np.uint8), "shape"),
        (np.zeros((0, 28), np.uint8), "at least 3 x 3"),
        (np.zeros((1, 1), np.uint8), "at least 3 x 3"),
        (np.zeros((30_000, 1), np.uint8), "at least 3 x 3"),
        (b"", "empty"),
        (b"hello, I am text", "none of these"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "Save it as JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7 and so on", "inkdigits read"),
        (b"%!PS-Adobe-3.0", "PostScript"),
        (b"PK\x03\x04 and so on", "archive"),
        (None, "NoneType"),
        (7, "int"),
        ([[0, 1], [1, 0]], "list"),
        ([], r"\[\]"),
        ("", "''"),
        ("a" * 5000, r"a\.\.\.a"),
        ("nul\0.png", "null"),
        ("no-such-file.png", "no file"),
        ("https://example.org/seven.png", "download"),
    ],
)
def test_what_is_no_image_is_refused_in_words(wrong: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        to_pixels(wrong)


def test_a_folder_and_a_text_file_named_png(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    for path in (tmp_path, tmp_path / "text.png"):
        with pytest.raises(ImageError, match=path.name):
            to_pixels(path)


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG that claims this size."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = b"IDAT" + zlib.compress(bytes(1000))
    return start + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


@pytest.mark.parametrize("side", [9_000, 12_000, 30_000])
def test_too_many_pixels_are_refused_before_they_are_decoded(side: int) -> None:
    tracemalloc.start()
    with pytest.raises(ImageSizeError, match=r"at most .* pixels"):
        to_pixels(png_header(side, side))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_jpeg_that_would_be_decoded_over_and_over_is_refused() -> None:
    content = encoded(GRAY, "JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    assert to_pixels(content[:-2] + 9 * last + content[-2:]).shape == GRAY.shape
    with pytest.raises(ImageSizeError, match="scans"):
        to_pixels(content[:-2] + 100 * last + content[-2:])


def test_the_limit_of_pixels_can_be_set_lower() -> None:
    assert to_pixels(GRAY, max_pixels=GRAY.size) is not None
    for given_as in (GRAY, encoded(GRAY, "PNG"), Image.fromarray(GRAY)):
        with pytest.raises(ImageSizeError, match=r"at most 2,999 pixels. Received: mine with 50 x 60"):
            to_pixels(given_as, name="mine", max_pixels=GRAY.size - 1)


def test_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(GRAY, "BMP")
    (tmp_path / "seven.bmp").write_bytes(content)
    monkeypatch.setattr(images, "MAX_BYTES", len(content) - 1)
    for given_as in (content, tmp_path / "seven.bmp"):
        with pytest.raises(ImageSizeError, match="bytes"):
            to_pixels(given_as)


FORMATS = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000"]


@pytest.mark.parametrize("kind", FORMATS)
def test_files_that_are_cut_short_are_refused_or_nearly_whole(kind: str) -> None:
    content = encoded(COLOR, kind)
    for length in [1, 4, 12, *range(30, len(content) - 30, max(1, len(content) // 20))]:
        try:
            pixels = to_pixels(content[:length], name="the cut file")
        except ImageError as error:
            assert "the cut file" in str(error)
        else:  # what is missing may be nothing but notes at the end
            assert np.array_equal(pixels, to_pixels(content))


@PILLOW_MAY_WARN
@settings(max_examples=250, deadline=None)
@given(content=st.sampled_from(FORMATS).flatmap(lambda kind: mutated(encoded(COLOR, kind))))
def test_damaged_files_are_read_or_refused_never_more(content: bytes) -> None:
    try:
        pixels = to_pixels(content)
    except ImageError as error:
        assert str(error).startswith("Expected ")
        return
    assert pixels.dtype == np.uint8
    assert min(pixels.shape[:2]) >= images.MIN_SIDE
    assert pixels.shape[0] * pixels.shape[1] <= images.MAX_PIXELS


@settings(max_examples=100, deadline=None)
@given(
    array=arrays(
        st.sampled_from([np.uint8, np.bool_, np.float16, np.float32, np.float64, np.int16, np.complex64]),
        array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6),
    )
)
def test_any_array_is_taken_or_refused_and_never_changed(array: np.ndarray) -> None:
    before = array.copy()
    try:
        pixels = to_pixels(array)
    except ImageError:
        pass
    else:
        assert pixels.dtype == np.uint8 and pixels.shape[:2] == array.shape[:2]
    assert np.array_equal(array, before, equal_nan=array.dtype.kind in "fc")
