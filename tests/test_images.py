"""Whatever a person calls an image becomes upright pixels; whatever is not one is refused in words."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inkdigits import images
from inkdigits.errors import ImageError
from inkdigits.images import to_pixels
from pictures import picture

GRAY = picture(7, size=(60, 50), height=40)
COLOR = picture(7, size=(60, 50), height=40, paper=(250, 250, 220), pen=(30, 30, 120))


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


@pytest.mark.parametrize(("top", "scale"), [(65535, 257), (4095, 16)])
def test_16_bit_scans_keep_their_contrast(top: int, scale: int) -> None:
    deep = np.minimum(GRAY.astype(np.uint16) * scale, top).astype(np.uint16)
    assert np.abs(to_pixels(encoded(deep, "PNG")).astype(int) - GRAY).max() <= 1


def test_transparency_and_palettes_stay_visible() -> None:
    drawn = np.dstack([np.zeros((60, 50, 3), np.uint8), 255 - GRAY])
    assert to_pixels(encoded(drawn, "PNG")).shape == (60, 50, 4)
    palette = Image.fromarray(drawn).convert("P")
    assert to_pixels(encoded(palette, "PNG", transparency=0)).shape == (60, 50, 4)


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.fromarray(GRAY), Image.fromarray(255 - GRAY)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.array_equal(to_pixels(content).reshape(60, 50, -1)[..., 0], GRAY)


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
        (np.zeros((28,), np.uint8), "shape"),
        (np.zeros((28, 28, 2), np.uint8), "shape"),
        (np.zeros((2, 28, 28, 3), np.uint8), "shape"),
        (np.zeros((0, 28), np.uint8), "at least 3 x 3"),
        (np.zeros((1, 1), np.uint8), "at least 3 x 3"),
        (np.zeros((30_000, 1), np.uint8), "at least 3 x 3"),
        (b"", "empty"),
        (b"hello, I am text", "none of these"),
        (None, "NoneType"),
        (7, "int"),
        ([[0, 1], [1, 0]], "list"),
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
    with pytest.raises(ImageError, match=r"at most .* pixels"):
        to_pixels(png_header(side, side))


def test_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(GRAY, "BMP")
    (tmp_path / "seven.bmp").write_bytes(content)
    monkeypatch.setattr(images, "MAX_BYTES", len(content) - 1)
    for given_as in (content, tmp_path / "seven.bmp"):
        with pytest.raises(ImageError, match="bytes"):
            to_pixels(given_as)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]))
def test_damaged_files_are_read_or_refused_never_more(data: st.DataObject, kind: str) -> None:
    content = bytearray(encoded(COLOR, kind))
    if data.draw(st.booleans(), label="cut"):
        content = content[: data.draw(st.integers(0, len(content) - 1), label="length")]
    for _ in range(data.draw(st.integers(0, 8), label="changes")):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        pixels = to_pixels(bytes(content))
    except ImageError:
        return
    assert pixels.dtype == np.uint8
    assert min(pixels.shape[:2]) >= images.MIN_SIDE
