"""What was read from a whole picture: lines of numbers made of digits, each with its place and confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels of the upright picture; the origin is its top left corner."""


@dataclass(frozen=True)
class Digit:
    """One digit in a picture.

    Attributes:
        digit: 0..9.
        confidence: calibrated probability that `digit` is right, in [0, 1].
        box: where its ink is.
        rejected: True when the confidence is below the threshold of the network that named it: better ask a person.
    """

    digit: int
    confidence: float
    box: Box
    rejected: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "digit": self.digit,
            "confidence": self.confidence,
            "box": list(self.box),
            "rejected": self.rejected,
        }


@dataclass(frozen=True)
class Number:
    """Digits that stand together, from left to right.

    Attributes:
        text: the digits as a string.
        confidence: probability that all of them are right, in [0, 1].
        box: the smallest box around all of them.
        digits: at least one.
    """

    text: str
    confidence: float
    box: Box
    digits: tuple[Digit, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "text": self.text,
            "confidence": self.confidence,
            "box": list(self.box),
            "digits": [digit.to_dict() for digit in self.digits],
        }


@dataclass(frozen=True)
class Line:
    """One written line: numbers from left to right."""

    numbers: tuple[Number, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {"numbers": [number.to_dict() for number in self.numbers]}


@dataclass(frozen=True)
class Reading:
    """Everything read from one picture.

    Attributes:
        text: numbers joined by a space, lines by a newline; "" when nothing was found.
        lines: from top to bottom.
        width: of the upright picture, in pixels.
        height: of the upright picture, in pixels.
        reason: why there is no text, or why the text should not be trusted; None when it may be.
    """

    text: str
    lines: tuple[Line, ...]
    width: int
    height: int
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "text": self.text,
            "lines": [line.to_dict() for line in self.lines],
            "width": self.width,
            "height": self.height,
            "reason": self.reason,
        }


def reading(lines: Sequence[Sequence[Sequence[Digit]]], size: tuple[int, int], reason: str | None = None) -> Reading:
    """The reading of a picture from its digits, ordered as `ordering.lines` does.

    Args:
        lines: from top to bottom, each numbers from left to right, each digits from left to right.
        size: (width, height) of the upright picture, in pixels.
        reason: why there is no text, or why it should not be trusted.
    """
    made = tuple(Line(tuple(_number(digits) for digits in numbers)) for numbers in lines)
    text = "\n".join(" ".join(number.text for number in line.numbers) for line in made)
    return Reading(text, made, *size, reason)


def _number(digits: Sequence[Digit]) -> Number:
    left, top = min(digit.box[0] for digit in digits), min(digit.box[1] for digit in digits)
    right = max(digit.box[0] + digit.box[2] for digit in digits)
    bottom = max(digit.box[1] + digit.box[3] for digit in digits)
    confidence = math.prod(digit.confidence for digit in digits)
    text = "".join(str(digit.digit) for digit in digits)
    return Number(text, confidence, (left, top, right - left, bottom - top), tuple(digits))


def single_digit(digit: Digit | None, size: tuple[int, int], reason: str | None = None) -> Reading:
    """The reading of a picture that shows one digit, or none.

    Args:
        digit: what was recognized; None for a picture without ink.
        size: (width, height) of the upright picture, in pixels.
        reason: why there is no digit, or why it should not be trusted.
    """
    return reading([] if digit is None else [[[digit]]], size, reason)
