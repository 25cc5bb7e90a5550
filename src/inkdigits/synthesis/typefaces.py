"""Shapes out of typefaces: letters, printed lines, and hands whose digits and words are those of a typeface.

Ink is (h, w) float32 in [0, 1], 0.0 paper and 1.0 ink, cut out tightly.
"""

from __future__ import annotations

import functools
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from inkdigits.synthesis.strokes import Ink, bent, extent, tight

LETTERS = "ACDEFGHJKLMNPQRTUVWXYacdefhjkmnprtuvwxαγελπΣΩ"
"""Letters that cannot be taken for a digit, most of the time."""
SYMBOLS = "+-=*#$%&@?<>:;~^"
ALIKE = tuple("oOSszZgqbB()[]")
"""Letters and signs that only what stands beside them tells from digits; none is an upright stroke, which people write
for a one."""
_SIGNS = (
    *LETTERS, *SYMBOLS, "kg", "No", "Dr", "Nr", "EUR", "am", "VII", "xy", "US", "ml", "cm", "Pa", "fi",
)  # fmt: skip
_TYPEFACES = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-BoldOblique", "DejaVuSans-Oblique", "DejaVuSansMono",
    "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic",
    "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta",
)  # fmt: skip
"""Files that come with Matplotlib."""
WORDS = 40
"""Made of each typeface that looks like handwriting."""
_TALL = 40
"""Height of its digits, in pixels; the letters of its words are in proportion."""
_SYLLABLES = (
    "an ar as ba be bi bo ca ce co da de di do el en er es fe ga ge gi go ha he ho in is ja jo ka ke la le li lo ma me "
    "mi mo na ne ni no on or os pa pe po qu ra re ri ro sa se si so sta ste sch ta te th ti to tr un ur us va ve vi "
    "wa we wi xa ya ze"
)
_TEXTS = (
    "Total Sum Date No. Name Page Tel. from to the and of Mon Tue Wed Jan Feb Mar April May June July Aug Sept Oct Nov "
    "Dec Monday Friday Euro pesos dollars total fecha Nr. Datum und von bis mit Herr Frau Mr. Mrs. Dr. kg cm ml am pm "
    "Room Box Item Score Table Order Yes No Hello test my digits number handwritten numbers notes"
)


@dataclass(frozen=True)
class Face:
    """A typeface that looks like handwriting."""

    digits: tuple[NDArray[np.uint8], ...]
    """The ten, each 40 pixels high, 0 paper .. 255 ink."""
    words: tuple[NDArray[np.uint8], ...]
    """Words, some of one letter only."""
    pen: float
    """The width of its strokes as a part of a digit's height."""


def faces(files: Mapping[str, bytes]) -> tuple[Face, ...]:
    """Digits and words of typefaces, always the same for the same files.

    Args:
        files: names and contents of font files.
    """
    return tuple(_face(name, content) for name, content in files.items())


def _face(name: str, content: bytes) -> Face:
    from PIL import ImageFont

    rng = np.random.default_rng(zlib.crc32(name.encode()))
    font = ImageFont.truetype(io.BytesIO(content), 2 * _TALL, layout_engine=ImageFont.Layout.BASIC)  # is everywhere
    digits = [_rendered(font, str(digit)) for digit in range(10)]
    shrink = _TALL / float(np.median([digit.shape[0] for digit in digits]))
    words = [_rendered(font, _text(rng)) for _ in range(WORDS)]
    small = tuple(_resized(digit, _TALL / digit.shape[0]) for digit in digits)
    pen = float(np.median([_stroke(digit) / digit.shape[0] for digit in digits]))
    return Face(small, tuple(_resized(word, shrink) for word in words), pen)


def _stroke(glyph: NDArray[np.uint8]) -> float:
    """How wide its strokes are, in pixels: twice the area through the length of the outline."""
    mask = (glyph > 127).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return float(2 * mask.sum() / max(1.0, sum(cv2.arcLength(each, True) for each in outlines)))


def _text(rng: Generator) -> str:
    kind = rng.choice(["made", "known", "letter"], p=[0.55, 0.3, 0.15])
    if kind == "known":
        return str(rng.choice(_TEXTS.split()))
    if kind == "letter":
        return str(rng.choice(list(LETTERS[:35])))
    text = "".join(rng.choice(_SYLLABLES.split(), rng.integers(1, 5)))
    return text.capitalize() if rng.random() < 0.3 else text


def _rendered(font: Any, text: str) -> NDArray[np.uint8]:
    """A line of text, (h, w), 0 paper .. 255 ink, cut out tightly."""
    from PIL import Image, ImageDraw

    left, top, right, bottom = (int(side) for side in font.getbbox(text))
    room = font.size  # flourishes may reach beyond the box
    picture = Image.new("L", (right - left + 2 * room, bottom - top + 2 * room))
    ImageDraw.Draw(picture).text((room - left, room - top), text, 255, font=font)
    pixels = np.asarray(picture)
    return np.ascontiguousarray(pixels[extent(pixels, 25)])


def _resized(pixels: NDArray[np.uint8], scale: float, stretch: float = 1.0) -> NDArray[np.uint8]:
    size = max(2, round(pixels.shape[1] * scale * stretch)), max(2, round(pixels.shape[0] * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def word(rng: Generator, face: Face, height: float) -> Ink:
    """A word of a typeface, its digits would be `height` pixels high; stretched and bent a little."""
    pixels = face.words[rng.integers(len(face.words))]
    sized = _resized(pixels, height / _TALL, np.exp(rng.normal(0, 0.12)))
    return bent(rng, sized.astype(np.float32) / np.float32(255), rng.uniform(0, 0.02))


def letter(rng: Generator, height: int, texts: tuple[str, ...] = _SIGNS) -> Ink:
    """A letter or a symbol of a typeface, bent as if written by hand, thick or thin; of some, if they are given."""
    glyphs = typeset(texts)
    glyph = glyphs[rng.integers(len(glyphs))]
    wide = glyph.shape[1] / glyph.shape[0]
    size = (max(3, int(height * wide * rng.uniform(0.7, 1.3))), height)
    ink = cv2.resize(glyph, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return bent(rng, ink, rng.uniform(0, 0.06))


@functools.cache
def typeset(texts: tuple[str, ...] = _SIGNS) -> list[NDArray[np.uint8]]:
    """Letters and symbols in every typeface at hand, 64 pixels high: OpenCV's pen plotter fonts and Matplotlib's."""
    from PIL import Image, ImageDraw

    glyphs = []
    for font in range(8):
        for slanted in (0, cv2.FONT_ITALIC):
            for text in (t for t in texts if t.isascii()):
                canvas = np.zeros((160, 420), np.uint8)
                cv2.putText(canvas, text, (40, 110), font | slanted, 2.5, 255, 3 + font % 3 * 3, cv2.LINE_AA)
                glyphs.append(canvas)
    for name in _TYPEFACES:
        for text in texts:
            picture = Image.new("L", (420, 180))
            ImageDraw.Draw(picture).text((40, 30), text, 255, font=_typeface(name, 80))
            glyphs.append(np.asarray(picture))
    cut = [glyph[extent(glyph, 25)] for glyph in glyphs if glyph.any()]
    return [cv2.resize(g, (max(3, g.shape[1] * 64 // g.shape[0]), 64)) for g in cut if g.shape[1] < 4 * g.shape[0]]


@functools.cache
def _typeface(name: str, size: int) -> Any:
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}.ttf", size)


def typed(rng: Generator, text: str, height: int) -> Ink:
    """A line in one of Matplotlib's typefaces, its capitals about `height` pixels high."""
    font = _typeface(_TYPEFACES[rng.integers(len(_TYPEFACES))], round(height / 0.72))
    return _rendered(font, text).astype(np.float32) / np.float32(255)


def printed(rng: Generator, text: str, height: int) -> Ink:
    """A line of machine print, its capitals about `height` pixels high."""
    font = int(rng.integers(8))
    scale = height / 21
    (width, tall), below = cv2.getTextSize(text, font, scale, 1)
    canvas = np.zeros((tall + below + 4, width + 4), np.uint8)
    thick = 1 + int(rng.random() < 0.3) + int(height > 20)
    cv2.putText(canvas, text, (2, tall + 2), font, scale, 255, thick, cv2.LINE_AA)
    return tight(canvas.astype(np.float32) / np.float32(255))
