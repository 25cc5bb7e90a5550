"""Signs that people write between the digits of a number and beside them: dates, fractions, sums and amounts.

Ink is (h, w) float32 in [0, 1], 0.0 paper and 1.0 ink, cut out tightly.
"""

from __future__ import annotations

from typing import NamedTuple

from numpy.random import Generator

from inkdigits.synthesis.strokes import Ink, Points, drawn

Range = tuple[float, float]
# How high a sign is, in heights of a digit, how wide, in its own, and the ways it is written, like digits in `strokes`.
_SIGNS: dict[str, tuple[Range, Range, list[list[Points]]]] = {
    "+": ((0.35, 0.75), (0.8, 1.25), [[[(0.5, 0), (0.5, 1)], [(0, 0.5), (1, 0.5)]]]),
    "x": ((0.3, 0.65), (0.8, 1.3), [[[(0, 0), (1, 1)], [(1, 0), (0, 1)]]]),
    ":": ((0.3, 0.6), (0.02, 0.1), [[[(0.5, 0), (0.5, 0.06)], [(0.5, 0.94), (0.5, 1)]]]),
    "=": ((0.15, 0.35), (1.5, 3.5), [[[(0, 0), (1, 0)], [(0, 1), (1, 1)]]]),
    "÷": ((0.35, 0.7), (0.7, 1.3), [[[(0, 0.5), (1, 0.5)], [(0.5, 0), (0.5, 0.05)], [(0.5, 0.95), (0.5, 1)]]]),
    "$": ((1.0, 1.5), (0.4, 0.7), [
        [[(0.95, 0.2), (0.5, 0.1), (0.08, 0.28), (0.5, 0.5), (0.92, 0.72), (0.5, 0.9), (0.05, 0.8)],
         [(0.5, 0), (0.5, 1)]],
        [[(0.9, 0.2), (0.4, 0.12), (0.15, 0.3), (0.8, 0.6), (0.7, 0.88), (0.1, 0.85)], [(0.7, 0), (0.3, 1)]],
        [[(0.95, 0.2), (0.5, 0.1), (0.08, 0.28), (0.5, 0.5), (0.92, 0.72), (0.5, 0.9), (0.05, 0.8)],
         [(0.42, 0), (0.42, 1)], [(0.6, 0), (0.6, 1)]],
    ]),
    "€": ((0.8, 1.2), (0.6, 1.0), [
        [[(0.95, 0.15), (0.6, 0), (0.2, 0.35), (0.25, 0.75), (0.6, 1), (0.95, 0.85)], [(0, 0.4), (0.7, 0.4)],
         [(0, 0.6), (0.65, 0.6)]],
    ]),
    "£": ((0.9, 1.2), (0.5, 0.9), [
        [[(0.85, 0.15), (0.6, 0), (0.35, 0.2), (0.4, 0.6), (0.1, 1), (0.1, 1), (0.95, 0.95)],
         [(0.1, 0.5), (0.75, 0.5)]],
    ]),
    "#": ((0.6, 1.1), (0.7, 1.2), [
        [[(0.4, 0), (0.25, 1)], [(0.8, 0), (0.65, 1)], [(0.05, 0.35), (1, 0.35)], [(0, 0.65), (0.95, 0.65)]],
    ]),
    "%": ((0.8, 1.1), (0.7, 1.1), [
        [[(0.9, 0), (0.1, 1)], [(0.2, 0.05), (0.05, 0.2), (0.2, 0.35), (0.35, 0.2), (0.2, 0.05)],
         [(0.8, 0.65), (0.65, 0.8), (0.8, 0.95), (0.95, 0.8), (0.8, 0.65)]],
    ]),
    "(": ((1.0, 1.5), (0.15, 0.35), [[[(1, 0), (0.15, 0.3), (0.15, 0.7), (1, 1)]]]),
    ")": ((1.0, 1.5), (0.15, 0.35), [[[(0, 0), (0.85, 0.3), (0.85, 0.7), (0, 1)]]]),
    "/": ((0.9, 1.5), (0.3, 0.8), [[[(1, 0), (0, 1)]], [[(1, 0), (0.45, 0.5), (0, 1)]]]),
}  # fmt: skip
_OPERATORS, _SHARES = ("/", "+", "x", ":", "=", "÷"), (0.4, 0.25, 0.12, 0.08, 0.07, 0.08)
"""Signs between two numbers, and how many of them are which."""


class Signs(NamedTuple):
    """Where the signs of a number stand."""

    digits: int
    """How many digits the number has."""
    between: dict[int, str]
    """Which sign comes when so many digits are left."""
    before: str = ""
    after: str = ""
    space: float = 0.0
    """On both sides of a sign, in heights of a digit."""


def signs(rng: Generator) -> Signs:
    """A date, a fraction or a sum, or a number with a sign before or after it."""
    kind = rng.choice(["date", "two", "beside"], p=[0.45, 0.35, 0.2])
    if kind == "beside":
        count, before, after = int(rng.integers(1, 7)), str(rng.choice(["$", "€", "£", "#", "("])), ""
        if before == "(":
            after = ")"
        elif rng.random() < 0.3:
            before, after = "", str(rng.choice(["€", "$", "%", "#"]))
        return Signs(count, {}, before, after, rng.uniform(0, 0.25))
    if kind == "date":
        day, month = (int(rng.choice([1, 2], p=[0.25, 0.75])) for _ in range(2))
        parts = [day, month, int(rng.choice([2, 4]))]
        parts = parts[::-1] if rng.random() < 0.1 else parts
        between = [str(rng.choice(["/", ":"], p=[0.9, 0.1]))] * 2
    else:
        parts = rng.integers(1, 4, 2).tolist()
        between = [str(rng.choice(_OPERATORS, p=_SHARES))]
        if rng.random() < 0.3:
            parts.append(int(rng.integers(1, 3)))
            between.append("/" if between[0] == "/" else "=")
    left = [sum(parts[index:]) for index in range(1, len(parts))]
    return Signs(sum(parts), dict(zip(left, between, strict=True)), space=rng.uniform(0, 0.25))


def sign(rng: Generator, text: str, height: float, pen: float) -> Ink:
    """A sign among digits `height` pixels high; `pen` is the width of its strokes in pixels."""
    tall, wide, ways = _SIGNS[text]
    high = height * rng.uniform(*tall)
    way = ways[rng.integers(len(ways))]
    return drawn(rng, way, max(2, int(high)), max(1.0, high * rng.uniform(*wide)), pen, rng.uniform(0.01, 0.04), 0.05)
