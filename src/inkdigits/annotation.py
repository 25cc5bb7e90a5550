"""What was read, drawn into the picture it was read from: boxes, numbers and how sure the model is."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import InkdigitsError
from inkdigits.files import write_atomically

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from inkdigits.reading import Box, Number, Reading

ACCEPTED = (21, 128, 61)
"""The color of what may be trusted, RGB: green. White text on it is legible."""
REJECTED = (194, 65, 12)
"""The color of what a person should look at, RGB: orange. White text on it is legible."""
SMALLEST_SIDE = 480
"""A picture whose longer side is shorter is enlarged, in pixels: there is no room for words on 28 x 28."""
MARK = ("Software", "inkdigits read --draw")
"""The note in each file by which it is known as one of ours."""
_NAME_LENGTH = 50


def annotated(pixels: NDArray[np.uint8], reading: Reading) -> Image.Image:
    """Draw a reading into its picture.

    Args:
        pixels: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA uint8: the upright picture that was read.
        reading: what was read from it.

    Returns:
        An RGB image of the same size; of a small picture an enlarged one. Every digit has its box, every number its
        text and confidence; green is accepted, orange rejected.
    """
    from PIL import Image, ImageDraw

    picture = Image.fromarray(pixels)
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("RGB")
    scale = -(-SMALLEST_SIDE // max(picture.size))
    if scale > 1:
        picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(picture)
    for line in reading.lines:
        for number in line.numbers:
            _draw_number(draw, number, scale, picture.size)
    return picture


def _draw_number(draw: ImageDraw.ImageDraw, number: Number, scale: int, size: tuple[int, int]) -> None:
    from PIL import ImageFont

    pen = max(2, round(max(size) / 700))
    for digit in number.digits:
        draw.rectangle(_corners(digit.box, scale, pen), outline=_color(digit.rejected), width=pen)
    left, top, _, bottom = _corners(number.box, scale, pen)
    letters = min(max(0.35 * (bottom - top), 7 * pen), 20 * pen)
    font = ImageFont.load_default(letters)
    text = f"{number.text}  {100 * min(number.confidence, 0.999):.1f} %"  # the house never claims to be certain
    width, height = draw.textlength(text, font) + 4 * pen, 1.4 * letters
    x = max(0, min(left, size[0] - width))
    y = top - height if top >= height else min(bottom, size[1] - height)  # above; below where the picture begins
    draw.rectangle((x, y, x + width, y + height), fill=_color(any(digit.rejected for digit in number.digits)))
    draw.text((x + 2 * pen, y + height / 2), text, fill="white", font=font, anchor="lm")


def _corners(box: Box, scale: int, margin: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a box around the ink, which it does not cover."""
    x, y, width, height = (side * scale for side in box)
    return x - margin, y - margin, x + width + margin, y + height + margin


def _color(rejected: bool) -> tuple[int, int, int]:
    return REJECTED if rejected else ACCEPTED


def is_drawing(path: Path) -> bool:
    """Whether a file is a picture that `Drawings` wrote."""
    try:
        with path.open("rb") as stream:
            head = stream.read(200)
    except OSError:
        return False
    return head.startswith(b"\x89PNG") and b"tEXt" + b"\0".join(part.encode() for part in MARK) in head


class Drawings:
    """A folder of annotated pictures, each under a name of its own: no picture that was read is ever overwritten."""

    def __init__(self, folder: Path, sources: Iterable[Path] = ()) -> None:
        """Make the folder.

        Args:
            folder: where the drawings go.
            sources: files that are read, which keep their names to themselves.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._sources = {os.path.realpath(source) for source in sources}
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def add(self, name: str, pixels: NDArray[np.uint8], reading: Reading, page: int | None = None) -> Path:
        """Write one drawing as PNG, atomically.

        Args:
            name: of the picture, without a suffix; a number is added where it is taken. A drawing of an earlier time
                gives way, any other file does not.
            pixels: as for `annotated`.
            reading: as for `annotated`.
            page: of a document, counted from 1; it becomes part of the name.

        Returns:
            The file.

        Raises:
            InkdigitsError: it cannot be written.
        """
        from PIL.PngImagePlugin import PngInfo

        path = self._free(name[:_NAME_LENGTH] + (f"-page-{page}" if page is not None else ""))
        note = PngInfo()
        note.add_text(*MARK)
        buffer = io.BytesIO()
        annotated(pixels, reading).save(buffer, "PNG", pnginfo=note, compress_level=3)  # a third of the time of 6
        try:
            write_atomically(path, buffer.getvalue())
        except OSError as error:
            raise InkdigitsError(
                f"Expected to write the drawing {path}; {error.strerror or error}. Choose another folder for drawings."
            ) from None
        return path

    def _free(self, name: str) -> Path:
        """The first of NAME.png, NAME-2.png, ... that nobody has."""
        while True:
            count = self._counts[name] = self._counts.get(name, 0) + 1
            path = self._folder / (f"{name}.png" if count == 1 else f"{name}-{count}.png")
            key = path.name.casefold()  # on some disks A.png is a.png
            if key in self._taken or os.path.realpath(path) in self._sources:
                continue
            if not path.exists() or is_drawing(path):
                self._taken.add(key)
                return path
