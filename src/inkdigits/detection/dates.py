"""Dates: their slashes look like ones that lean, so that 24/12/2026 is read as 2411212026.

The first two networks see one stroke, and no network can tell every slash from a one of a hand that leans. But few
numbers can be read as a date at all, and of those that can most are one: for them a hint of the third network that
there may be slashes is enough.
"""

from __future__ import annotations

import numpy as np

from inkdigits.detection.transcript import Digits, in_order, likelihood
from inkdigits.operators import Ops, Value

OFTEN = 100.0
"""So many times as often as a number with such digits, what reads like a date with slashes taken for ones is a date."""
SHORTEST = 7
"""It has at least so many digits, the ones in place of slashes among them."""
DATES = tuple(
    date
    for ways in (("{}/{}/yy", "{}/{}/yyyy", "yyyy/{}/{}"), ("{}{}/yyyy", "{}/{}yyyy"))
    for a in ("a", "aa")
    for b in ("b", "bb")
    for way in ways
    if len(date := way.format(a, b)) >= SHORTEST
)
"""How dates are written, likelier ways first: a and b are day and month in either order, y is the year. In those with
one slash the other was left out already; their year has four digits, lest too many numbers read like them."""
YEARS = 1900.0, 2099.0


def without_slashes(ops: Ops, seen: Value, said: Digits) -> Digits:
    """What is left of the digits of a line, surest first, when it is a date whose slashes were taken for ones.

    Args:
        ops: the graph to write to.
        seen: (T, 11) what the third network sees in each of its frames: the ten digits and none.
        said: what all said together.
    """
    digits, order = in_order(ops, said)
    slash = slashes(ops, digits)

    def left(inner: Ops) -> list[Value]:
        rest = inner.Compress(digits, inner.Not(slash), axis=0)
        likelier = inner.Greater(inner.Mul(likelihood(inner, seen, rest), OFTEN), likelihood(inner, seen, digits))
        kept = inner.Not(inner.And(slash, likelier))
        rows = inner.call("TopK", order, inner.Reshape(inner.size(order, 0), [1]), outputs=2, largest=0)[1]
        kept = inner.Gather(kept, rows, axis=0)  # surest first, as they were
        return [inner.Compress(each, kept, axis=0) for each in said]

    is_date = ops.Greater(ops.total(ops.real(slash)), 0.0)
    boxes, scores, probabilities = ops.either(is_date, left, lambda _: list(said))
    return boxes, scores, probabilities


def slashes(ops: Ops, digits: Value) -> Value:
    """Which of a number's digits (n,) int64 stand where a date has slashes: (n,) bool, none if it is no date."""
    width = max(map(len, DATES))
    rows = [np.array(list(date.ljust(width))) for date in DATES]
    bars = np.array([row == "/" for row in rows], np.float32)
    count = ops.size(digits, 0)
    rest = ops.Reshape(ops.Max(ops.Sub(width, count), 0), [1])
    first = ops.part(ops.Pad(digits, ops.Concat(np.zeros(1, np.int64), rest, axis=0)), 0, width, 0)
    column = ops.Unsqueeze(ops.real(first), [1])  # of at least `width` digits the first, padded with zeros

    def between(letter: str, low: float, high: float) -> Value:
        """Whether the digits in place of a letter make a number between these, for each way to write a date."""
        places = np.zeros((len(DATES), width), np.float32)
        for row, date in enumerate(DATES):
            at = [index for index, each in enumerate(date) if each == letter]
            places[row, at] = 10.0 ** np.arange(len(at))[::-1]
        number = ops.Squeeze(ops.MatMul(places, column), [1])
        return ops.And(ops.GreaterOrEqual(number, low), ops.LessOrEqual(number, high))

    ones = ops.Squeeze(ops.MatMul(bars, ops.real(ops.Equal(column, 1.0))), [1])
    fits = ops.And(ops.Equal(ones, bars.sum(1)), ops.Equal(count, np.array([len(date) for date in DATES], np.int64)))
    either = [ops.And(between(month, 1.0, 12.0), between(day, 1.0, 31.0)) for month, day in ("ab", "ba")]
    years = ops.Or(between("y", *YEARS), np.array(["yyyy" not in date for date in DATES]))
    fits = ops.real(ops.And(fits, ops.And(years, ops.Or(*either))))
    likeliest = ops.Gather(bars, ops.ArgMax(fits, axis=0, keepdims=0), axis=0)
    where = ops.Mul(likeliest, ops.largest(fits, 0))
    more = ops.Reshape(ops.Max(ops.Sub(count, width), 0), [1])
    where = ops.Pad(where, ops.Concat(np.zeros(1, np.int64), more, axis=0))
    return ops.Greater(ops.part(where, 0, count, 0), 0.0)
