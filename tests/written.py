"""Pictures of whole numbers in lines, drawn by us: easy ones, for tests of what is done with a reading."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pictures import STROKES, ink


def written(*lines: str, height: int = 48) -> NDArray[np.uint8]:
    """Lines of numbers, dark on light, (H, W); a space between numbers is as wide as a digit is tall."""
    gap = np.zeros((1, height), np.float32)
    drawn = [[gap if char == " " else ink(int(char), height) for char in line] for line in lines]
    widest = max(sum(glyph.shape[1] for glyph in line) for line in drawn)
    page = np.zeros((60 + 2 * height * len(lines), 60 + widest), np.float32)
    for row, line in enumerate(drawn):
        top, left = 30 + 2 * height * row, 30
        for glyph in line:
            page[top : top + glyph.shape[0], left : left + glyph.shape[1]] = glyph
            left += glyph.shape[1]
    return np.asarray(np.rint(235 - 195 * page), np.uint8)


def half_in_shadow(pixels: NDArray[np.uint8], left: float, blur: float = 0.0) -> NDArray[np.uint8]:
    """A picture (h, w) of which a part of the light is left below the line from one corner to another, then blurred."""
    height, width = pixels.shape
    y, x = np.ogrid[:height, :width]
    shaded = np.where(y / height + x / width > 1, pixels * np.float32(left), pixels.astype(np.float32))
    return (cv2.GaussianBlur(shaded, (0, 0), blur) if blur else shaded).astype(np.uint8)


def turned(pixels: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """A picture (h, w) turned to the left, and larger, for its border goes on."""
    height, width = pixels.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    size = np.abs(matrix[:, :2]) @ (width, height)
    matrix[:, 2] += (size - (width, height)) / 2
    wide, tall = np.ceil(size).astype(int).tolist()
    return np.asarray(cv2.warpAffine(pixels, matrix, (wide, tall), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """An array as a file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def pen(number: str, height: float = 0.4) -> list[NDArray[np.float64]]:
    """The strokes that write a number across the middle of a sheet, as points (x, y) in the unit square."""
    width = 0.75 * height
    left = 0.5 - (width * len(number) - 0.15 * height) / 2
    return [
        np.array([[left + width * place + 0.7 * height * x, 0.5 + height * (y - 0.5)] for x, y in stroke])
        for place, digit in enumerate(number)
        for stroke in STROKES[int(digit)]
    ]
