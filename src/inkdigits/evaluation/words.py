"""Numbers in words that people read, without matplotlib: for the terminal and for the report."""

from __future__ import annotations

import math


def from_confidence(threshold: float) -> str:
    """A threshold with four places, rounded down: whoever takes it answers no less than was measured.

    >>> from_confidence(0.99996)
    '0.9999'
    """
    return f"{math.floor(threshold * 10_000) / 10_000:.4f}"


def percent(share: float, places: int = 2) -> str:
    """A share in percent; "n/a" for nan. Only what is perfect reads as 100 %.

    >>> percent(0.99996)
    '99.99 %'
    """
    if math.isnan(share):
        return "n/a"
    value = round(share * 100, places)
    if value >= 100 and share < 1:
        value = 100 - 10.0**-places
    return f"{value:.{places}f} %"
