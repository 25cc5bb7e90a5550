"""Anything a person calls an image becomes an upright array of pixels; every limit on input is set here."""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ImageError, ImageSizeError

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 64 * 2**20
"""The largest image file that is opened, in bytes."""
MAX_PIXELS = 64_000_000
"""The largest picture that is decoded, in pixels (width times height)."""
MAX_SIDE = 65_535
"""The longest side a picture may have, in pixels, as in JPEG."""
MIN_SIDE = 3
"""The shortest side a picture may have, in pixels: less cannot show a digit."""
MAX_SCANS = 100
"""The most passes of a progressive JPEG: cameras write about ten, and each passes over the whole picture again."""
MAX_DOCUMENT_BYTES = 256 * 2**20
"""The largest PDF that is opened, in bytes."""
MAX_PAGES = 1000
"""The most pages a document may have."""
PAGE_DPI = 200
"""How finely a page is drawn, in pixels per inch; larger pages than `MAX_PAGE_PIXELS` allows are drawn coarser."""
MAX_PAGE_PIXELS = 16_000_000
"""The most pixels a page is drawn with: A2 at 200 pixels per inch."""
MAX_PAGE_SECONDS = 60.0
"""How long drawing one page may take."""
MAX_BAD_PAGES = 3
"""After so many pages that end the process which draws them, the rest of a document is left out."""
MAX_PAGE_MEMORY = 2 * 2**30
"""The memory that drawing a page may take, in bytes, where the system can hold a process to it."""
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000")
"""The file formats that are read. EPS, which runs a program when it is opened, is not among them."""
_NAMES = "png jpg jpeg jpe jfif mpo gif bmp tif tiff webp ppm pgm pbm pnm avif jp2"
SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())
"""Names of files that are taken for pictures when a folder is searched, in lower case."""
_OTHERS = (
    (re.compile(rb"%PDF-"), "a PDF. `inkdigits read` reads its pages; inkdigits.documents gives them as arrays"),
    (re.compile(rb".{4}ftyp(hei|hev|mif|msf)", re.DOTALL), "a HEIC photo. Save it as JPEG or PNG first"),
    (re.compile(rb"\s*(<\?xml|<svg|<!DOCTYPE svg)"), "an SVG drawing or other XML. Save it as PNG first"),
    (re.compile(rb"%!PS"), "PostScript, which is a program. Save it as PNG first"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive or an office document. Take the pictures out of it first"),
)
"""How files begin that people take for pictures, and what to do with them."""
_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (1, True), 6: (3, False), 7: (3, True), 8: (1, False)}
"""EXIF orientations: quarter turns to the left that make the pixels upright, and whether to mirror them first."""
_SUBFILE, _NO_PAGE = 254, 0b101
"""The tag that says what a frame of a TIFF is, and its bits for a smaller copy and for a mask."""
_NAME_LENGTH = 200


def to_pixels(
    image: Any, *, name: str | None = None, max_pixels: int = MAX_PIXELS, frame: int = 0
) -> NDArray[np.uint8]:
    """Turn a picture into upright pixels.

    Args:
        image: a path (str or os.PathLike), the bytes of an image file, a PIL image, or an array of shape (H, W),
            (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA; uint8, bool, or float in [0, 1].
        name: what error messages call it; by default its path or its kind.
        max_pixels: the most pixels it may have (width times height).
        frame: which picture of an image file is wanted, of those that hold several (`pages_of`).

    Returns:
        uint8 array (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA. EXIF turns are applied; 16-bit, float, palette, CMYK
        and other modes are converted.

    Raises:
        ImageError: it cannot be read as an image; the message says what to do. ImageSizeError: it is over a limit.
    """
    if isinstance(image, np.ndarray):
        return _from_array(np.asarray(image), name or "the array", max_pixels)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(image), name or "the bytes given", max_pixels, frame)
    if isinstance(image, (str, os.PathLike)) and os.fspath(image):
        return _from_bytes(content_of(image, MAX_BYTES), name or os.fspath(image), max_pixels, frame)
    if hasattr(image, "getbands") and hasattr(image, "convert"):
        return _from_pil(image, name or "the PIL image", max_pixels)
    empty = isinstance(image, (str, list, tuple)) and not image
    raise ImageError(
        "Expected one image: a path, the bytes of an image file, a PIL image or a numpy array. "
        f"Received: {repr(image) if empty else type(image).__name__}."
    )


def content_of(path: str | os.PathLike[str], limit: int) -> bytes:
    """The bytes of a file.

    Raises:
        ImageError: there is none, it is a folder, or it cannot be read. ImageSizeError: it has more than `limit` bytes.
    """
    path, name = Path(path), _short(os.fspath(path))
    try:
        if path.is_dir():
            raise ImageError(f"Expected an image file. Received: the folder {name}.")
        size = path.stat().st_size
        if size > limit:
            raise ImageSizeError(f"Expected at most {limit:,} bytes. Received: {name} with {size:,} bytes.")
        with path.open("rb") as stream:
            return stream.read(limit + 1)  # a pipe or a device has no size: whoever decodes it checks the length
    except FileNotFoundError:
        hint = " Addresses are not fetched: download the file first." if ":/" in str(path) else ""
        raise ImageError(f"Expected an image file. There is no file {name}.{hint}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"Expected an image file that can be read. {name}: {reason}.") from None


def pages_of(content: bytes) -> tuple[int, ...]:
    """Which frames of an image file are pages: those of a scan in TIFF, but of an animation only the first.

    Args:
        content: of an image file; it may be damaged.

    Returns:
        At least one number of a frame, counted from 0, and at most one more than `MAX_PAGES`.
    """
    from PIL import Image

    pages = []
    # What is wrong with the file is said by `to_pixels`; it goes on as far as the chain of frames does.
    with contextlib.suppress(Exception), Image.open(io.BytesIO(content[:MAX_BYTES]), formats=("TIFF",)) as image:
        for frame in range(MAX_PAGES + 1):
            image.seek(frame)
            if not image.getexif().get(_SUBFILE, 0) & _NO_PAGE:
                pages.append(frame)
    return tuple(pages) or (0,)


def _short(name: str) -> str:
    return name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH // 2]}...{name[-_NAME_LENGTH // 2 :]}"


def _from_array(array: NDArray[Any], name: str, max_pixels: int) -> NDArray[np.uint8]:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        planes = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        raise ImageError(
            "Expected an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4). "
            f"Received: shape {array.shape}." + (" Colors come last: use .transpose(1, 2, 0)." if planes else "")
        )
    _check_size(array.shape[1], array.shape[0], name, max_pixels)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageError(
            f"Expected an array of dtype uint8 (0 to 255), bool, or float (0.0 to 1.0). Received: {array.dtype}. "
            "Convert it first, for example with .astype('uint8')."
        )
    low, high = float(array.min()), float(array.max())  # NaN wins both
    if not np.isfinite([low, high]).all():
        raise ImageError("Expected finite values between 0.0 and 1.0. Received: an array with NaN or infinity.")
    if low < 0.0 or high > 1.0:
        raise ImageError(
            f"Expected float values between 0.0 and 1.0. Received: values from {low:g} to {high:g}. "
            "If they go from 0 to 255, divide by 255 or convert to uint8."
        )
    return _scaled(array, 0.0, 1.0)


def _scaled(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Levels from `low` to `high` as 0 to 255, with one float32 copy: pictures are large."""
    levels: NDArray[np.float32] = np.subtract(values, low, dtype=np.float32) if low else values.astype(np.float32)
    levels *= np.float32(255.0 / (high - low))
    np.rint(levels, out=levels)
    return levels.astype(np.uint8)


def _from_bytes(content: bytes, name: str, max_pixels: int, frame: int) -> NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError

    name = _short(name)
    if not content:
        raise ImageError(f"Expected the content of an image file. Received: {name}, which is empty.")
    if len(content) > MAX_BYTES:
        raise ImageSizeError(f"Expected at most {MAX_BYTES:,} bytes. Received: {name} with more.")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if frame:
            image.seek(frame)
    except UnidentifiedImageError:
        other = next((words for start, words in _OTHERS if start.match(content)), "none of these or is damaged")
        known = ", ".join(FORMATS)
        raise ImageError(f"Expected an image file ({known}). Received: {name}, which is {other}.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageSizeError(f"Expected at most {max_pixels:,} pixels. Received: {name} with more.") from None
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything on a malformed header
        raise ImageError(f"Expected an image file. {name} cannot be read: {error}") from None
    with image:
        scans = content.count(b"\xff\xda") if image.format in ("JPEG", "MPO") else 0
        if scans > MAX_SCANS:  # a small file could keep the decoder busy for hours
            raise ImageSizeError(f"Expected a JPEG of at most {MAX_SCANS} scans. Received: {name} with {scans:,}.")
        return _from_pil(image, name, max_pixels)


def _from_pil(image: Image.Image, name: str, max_pixels: int) -> NDArray[np.uint8]:
    _check_size(image.width, image.height, name, max_pixels)
    try:
        image.load()
        pixels = _plain_pixels(image, name)
    except ImageError:
        raise
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything on malformed content
        raise ImageError(
            f"Expected a whole image. {name} is damaged or cut short: {error or type(error).__name__}"
        ) from None
    turns, mirrored = _TURNS.get(_orientation(image), (0, False))
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, turns))


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(0x0112)
    except Exception:  # noqa: BLE001 - a camera's notes may be damaged; the picture is still a picture
        return None


def _plain_pixels(image: Image.Image, name: str) -> NDArray[np.uint8]:
    mode = image.mode
    if mode in ("L", "RGB", "RGBA"):
        if "transparency" in image.info and mode != "RGBA":
            image = image.convert("RGBA")
        return np.array(image, dtype=np.uint8)
    if mode == "1":
        return np.array(image.convert("L"), dtype=np.uint8)
    if mode.startswith("I") or mode == "F":
        return _from_levels(np.asarray(image), name)
    transparent = mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info
    return np.array(image.convert("RGBA" if transparent else "RGB"), dtype=np.uint8)


def _from_levels(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """16 or 32 bits or floats: files do not say what white is, so the smallest usual range that holds all is taken."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ImageError(f"Expected finite values in an image file. {name} holds NaN or infinity.")
    if low < 0:
        return _scaled(values, low, max(high, 0.0))
    usual = (255, 4095, 65535)  # scanners often fill 12 of 16 bits
    tops = usual if np.issubdtype(values.dtype, np.integer) else (1, *usual)
    return _scaled(values, 0.0, next((top for top in tops if high <= top), high))


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"Expected a picture of at least {MIN_SIDE} x {MIN_SIDE} pixels. Received: {name} with {width} x {height}."
        )
    if max(width, height) > MAX_SIDE:
        raise ImageSizeError(
            f"Expected sides of at most {MAX_SIDE:,} pixels. Received: {name} with {width} x {height}. Cut it in parts."
        )
    if width * height > max_pixels:
        raise ImageSizeError(
            f"Expected at most {max_pixels:,} pixels. Received: {name} with {width} x {height}. Scale it down first."
        )
