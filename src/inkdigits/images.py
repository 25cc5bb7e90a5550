"""Anything a person calls an image becomes an upright array of pixels; every limit on input is set here."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 64 * 2**20
"""The largest image file that is opened, in bytes."""
MAX_PIXELS = 64_000_000
"""The largest picture that is decoded, in pixels (width times height)."""
MIN_SIDE = 3
"""The shortest side a picture may have, in pixels: less cannot show a digit."""
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000")
"""The file formats that are read. Formats that run programs or scripts when opened (EPS, PDF) are not among them."""
_NAMES = "png jpg jpeg gif bmp tif tiff webp ppm pgm pbm pnm avif jp2"
SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())
"""Names of files that are taken for pictures when a folder is searched, in lower case."""


def to_pixels(image: Any) -> NDArray[np.uint8]:
    """Turn a picture into upright pixels.

    Args:
        image: a path (str or os.PathLike), the bytes of an image file, a PIL image, or an array of shape (H, W),
            (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA; uint8, bool, or float in [0, 1].

    Returns:
        uint8 array (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA. EXIF turns are applied; of an animation it is the
        first frame; 16-bit, palette, CMYK and other modes are converted.

    Raises:
        ImageError: it cannot be read as an image or exceeds a limit; the message says what to do.
    """
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(image), "the bytes given")
    if isinstance(image, (str, os.PathLike)):
        return _from_path(Path(image))
    if hasattr(image, "getbands") and hasattr(image, "convert"):
        return _from_pil(image, "the PIL image")
    raise ImageError(
        "Expected an image: a path, the bytes of an image file, a PIL image or a numpy array. "
        f"Received: {type(image).__name__}."
    )


def _from_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ImageError(
            f"Expected an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4). Received: shape {array.shape}."
        )
    _check_size(array.shape[1], array.shape[0], "the array")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageError(
            f"Expected an array of dtype uint8 (0 to 255), bool, or float (0.0 to 1.0). Received: {array.dtype}. "
            "Convert it first, for example with .astype('uint8')."
        )
    if not np.isfinite(array).all():
        raise ImageError("Expected finite values between 0.0 and 1.0. Received: an array with NaN or infinity.")
    low, high = float(array.min()), float(array.max())
    if low < 0.0 or high > 1.0:
        raise ImageError(
            f"Expected float values between 0.0 and 1.0. Received: values from {low:g} to {high:g}. "
            "If they go from 0 to 255, divide by 255 or convert to uint8."
        )
    return np.rint(array * 255.0).astype(np.uint8)


def _from_path(path: Path) -> NDArray[np.uint8]:
    try:
        if path.is_dir():
            raise ImageError(f"Expected an image file. Received: the folder {path}.")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ImageError(f"Expected at most {MAX_BYTES:,} bytes. Received: {path} with {size:,} bytes.")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        hint = " Addresses are not fetched: download the file first." if "://" in str(path) or ":/" in str(path) else ""
        raise ImageError(f"Expected an image file. There is no file {path}.{hint}") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"Expected an image file that can be read. {path}: {error}") from None
    return _from_bytes(content, str(path))


def _from_bytes(content: bytes, name: str) -> NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError

    if not content:
        raise ImageError(f"Expected the content of an image file. Received: {name}, which is empty.")
    if len(content) > MAX_BYTES:
        raise ImageError(f"Expected at most {MAX_BYTES:,} bytes. Received: {name} with more.")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise ImageError(
            f"Expected an image file ({', '.join(FORMATS)}). Received: {name}, which is none of these or is damaged."
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"Expected at most {MAX_PIXELS:,} pixels. Received: {name} with more.") from None
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything on a malformed header
        raise ImageError(f"Expected an image file. {name} cannot be read: {error}") from None
    with image:
        return _from_pil(image, name)


def _from_pil(image: Image.Image, name: str) -> NDArray[np.uint8]:
    from PIL import ImageOps

    _check_size(image.width, image.height, name)
    try:
        image.load()
        return _plain_pixels(ImageOps.exif_transpose(image), name)
    except ImageError:
        raise
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything on malformed content
        raise ImageError(
            f"Expected a whole image. {name} is damaged or cut short: {error or type(error).__name__}"
        ) from None


def _plain_pixels(image: Image.Image, name: str) -> NDArray[np.uint8]:
    mode = image.mode
    if mode in ("L", "RGB", "RGBA"):
        if "transparency" in image.info and mode != "RGBA":
            image = image.convert("RGBA")
        return np.array(image, dtype=np.uint8)
    if mode == "1":
        return np.array(image.convert("L"), dtype=np.uint8)
    if mode.startswith("I"):  # 16 or 32 bits; scanners often fill 12 of the 16
        values = np.clip(np.asarray(image).astype(np.float64), 0, 65535)
        top = 255.0 if values.max() <= 255 else 4095.0 if values.max() <= 4095 else 65535.0
        return np.rint(values * (255.0 / top)).astype(np.uint8)
    if mode == "F":
        return _from_array(np.asarray(image, dtype=np.float32))
    transparent = mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info
    return np.array(image.convert("RGBA" if transparent else "RGB"), dtype=np.uint8)


def _check_size(width: int, height: int, name: str) -> None:
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"Expected a picture of at least {MIN_SIDE} x {MIN_SIDE} pixels. Received: {name} with {width} x {height}."
        )
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"Expected at most {MAX_PIXELS:,} pixels. Received: {name} with {width} x {height}. Scale it down first."
        )
